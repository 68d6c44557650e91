"""Every pair x optimiser x network: is a population's replicate the one that a loop by hand trains?

python benchmarks/exactness.py [--networks NAME ...] [--kinds KIND ...]

Float64, 50 steps, every weight and loss within 1e-8. A cell that differs is chaotic where the loop itself,
begun a share 1e-12 away, ends further off than that; else it fails, and the script with it. Takes about
ten minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from contracts.problems import NETWORKS, every_pair, network_problem, replicate, space_of
from contracts.training_base import FIFTY_STEPS, VARIANTS, TrainingTests, variant_name

from lossearch.kinds import KINDS
from lossearch.training.contract import TrainingMethod
from lossearch.training.population.method import train_population
from lossearch.training.preflight.batching import obstacle_to_batching
from lossearch.training.preflight.preflight import preflight


class Population(TrainingTests):
    def method(self) -> TrainingMethod:
        return train_population


def row(network: str, variant: tuple[str, dict[str, object]], kinds: list[str]) -> Counter[str]:
    """Return how many pairs passed, were chaotic, failed, or are trained by the plain path."""
    found: Counter[str] = Counter()
    for kind in kinds:
        task = network_problem(kind, network)
        settings = replace(FIFTY_STEPS, optimizer=variant[0], options=variant[1])
        ours = [replicate(pair) for pair in every_pair(task)]
        random = preflight(task, space_of(task), ours[:1], settings).random
        # how fast batching is does not matter here, only whether it is right
        reason = obstacle_to_batching(task, space_of(task), [0, 1], settings, random=random)
        if reason is not None and "saves too little" not in reason:
            found["plain"] += len(ours)
            continue
        try:
            chaotic = Population().agrees(task, ours, settings)
        except AssertionError as error:
            found["failed"] += len(ours)
            print(f"{kind} {network} {variant_name(variant)}: {error}", file=sys.stderr)
            continue
        found["chaotic"] += len(chaotic)
        found["passed"] += len(ours) - len(chaotic)
        for given in chaotic:
            print(f"chaotic: {given.point.pair} {network} {variant_name(variant)}", file=sys.stderr)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Is a population's replicate the one trained alone?")
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    columns = ("passed", "chaotic", "plain", "failed")
    total: Counter[str] = Counter()
    print("network      optimiser".ljust(60), *(c.rjust(8) for c in columns))
    for network in args.networks:
        for variant in VARIANTS:
            found = row(network, variant, args.kinds)
            total += found
            name = f"{network:12} {variant_name(variant)}"
            print(name.ljust(60), *(str(found[c]).rjust(8) for c in columns), flush=True)
    print("all".ljust(60), *(str(total[c]).rjust(8) for c in columns))
    return 1 if total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
