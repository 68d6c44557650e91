"""How much memory a population takes, found by a dry run.

Two very small populations take one step and are scored while a tracker counts every tensor. What the
larger takes more, a replicate takes, whatever its network, optimiser and losses are.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lossearch._memory import free_memory
from lossearch._random import stream
from lossearch.pairs.behaviour import MEASURES
from lossearch.space import Point
from lossearch.training.contract import TrainingCall, TrainSettings
from lossearch.training.population.minibatches import GATHER_BYTES, PartTensors
from lossearch.training.population.population import Population
from lossearch.training.population.train_losses import KEPT_BYTES
from lossearch.training.trainer import contained

MARGIN = 1.25
"""By how much all that the dry run finds is taken larger, for what kernels take for themselves."""
CUDA_SHARE, SHARE = 0.85, 0.5
"""Share of the free memory of a GPU, and of the machine, that is used unless said otherwise."""
BLOCK_BYTES = 8 * 2**20
"""Activations at a time while rows are scored."""
KEPT = 3
"""Copies of an epoch's outputs while its losses are computed: as kept, joined, and what comes of them."""
BLOCKS = 4
"""Blocks kept at once: the usual and the last one of each part."""
ROWS = 32
"""Rows by which scoring is measured."""


@dataclass(frozen=True)
class Footprint:
    """Bytes that a population takes.

    Args:
        fixed: whatever its size.
        seed: of each seed: its rows.
        step: of each replicate while a step is taken: weights, gradient, optimiser's state, activations
            of a batch.
        replicate: of each replicate at the peak, with its best epoch's weights and what it says of all
            rows that are scored.
        kept: of each replicate's result, until it is given: curves, and weights where they are kept.
        row: of each configuration and row while outputs are computed for scoring, one seed at a time.
        rows: how many are scored.
        epoch: of each replicate's outputs in an epoch, kept until their losses are computed.
    """

    fixed: int
    seed: int
    step: int
    replicate: int
    kept: int
    row: int
    rows: int
    epoch: int

    def of(self, seeds: int, replicates: int) -> int:
        """Return the bytes of a population of so many seeds and replicates."""
        outputs = min(BLOCKS * BLOCK_BYTES, replicates * self._outputs(seeds))
        outputs += KEPT * min(KEPT_BYTES, replicates * self.epoch)
        found = self.fixed + seeds * self.seed + replicates * (self.replicate + self.kept) + outputs
        return int(MARGIN * found)

    def most(self, memory: int, seeds: int) -> int:
        """Return how many replicates fit into so much memory; 0 where none does."""
        left, each = memory / MARGIN - self.fixed - seeds * self.seed, self.replicate + self.kept
        whole = left / max(1.0, each + self._outputs(seeds) + KEPT * self.epoch)
        in_blocks = (left - BLOCKS * BLOCK_BYTES - KEPT * KEPT_BYTES) / max(1, each)
        return max(0, int(whole), int(in_blocks))

    def _outputs(self, seeds: int) -> float:
        return self.rows * self.row / seeds


def footprint(
    call: TrainingCall, points: Sequence[Point], seeds: Sequence[int], settings: TrainSettings
) -> Footprint:
    """Return what a population of this task takes, by a dry run on the CPU.

    Of the points, one for each encoding of targets is tried.
    """
    task, few = call.task, _one_an_encoding(call, points)
    fold = task.fold(seeds[0])
    size = min(int(settings.batch_size), fold.train_rows, len(fold.train))
    # what is compiled takes other things, and less: no activations, but a second gradient
    plain = replace(settings, schedule="constant", compile=False)
    tried = replace(call, task=replace(task, fold=lambda seed: task.fold(seed).cut(size, ROWS)))
    with contained(stream(seeds[0], "memory"), 1):
        small, large = (
            _dry_run(tried, [p for p in few for _ in range(copies)], seeds[0], plain) for copies in (1, 2)
        )
    more = _DryRunBytes(*(max(0, -(-(b - a) // len(few))) for a, b in zip(small, large, strict=True)))
    train, validation = (
        -(-found * len(part) // rows)
        for found, part, rows in (
            (small.train, fold.train, size),
            (small.validation, fold.validation, min(ROWS, len(fold.validation))),
        )
    )
    epoch, scored = min(train, GATHER_BYTES), (len(fold.train), len(fold.validation))
    shared = all(task.fold(s).train.x is fold.train.x for s in seeds)
    scoring = more.raw * sum(scored) + more.judging * max(scored)
    # all curves, a copy for the result, and what judges it
    curves = (
        8 * int(settings.epochs) * (5 + 2 * (len(MEASURES) + len(task.metrics) + len(task.train_metrics)))
    )
    rest = max(0, small.step - len(few) * more.step - small.train - small.validation)
    return Footprint(
        fixed=rest + (train + validation if shared else 0),
        seed=epoch if shared else epoch + train + validation,
        step=more.step,
        replicate=max(more.step + more.weights, more.state + max(more.weights, scoring)),
        kept=curves + (more.weights if call.keep_weights else 0),
        row=more.forward,
        rows=sum(scored),
        epoch=more.raw * len(fold.train),
    )


def _one_an_encoding(call: TrainingCall, points: Sequence[Point]) -> list[Point]:
    """Return a point for each encoding of targets, two at least, in a population's order."""
    found = {call.pair(p).encoding.name: p for p in points}
    few = list(found.values())
    return sorted(few if len(few) > 1 else few * 2, key=lambda p: p.pair)


class MemoryTracker(TorchDispatchMode):
    """Counts the bytes of every tensor that torch makes inside, on whatever device, until it is freed.

    Views count once, with what they are views of. What a kernel takes for itself and gives back is not
    seen. ``live`` is what is alive now, ``peak`` the most since it was last set.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = 0
        self.peak = 0
        self._sizes: dict[weakref.ref[torch.UntypedStorage], int] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Compute, and enter what is new."""
        found = func(*args, **(kwargs or {}))
        new = [s for s in _storages(found) if weakref.ref(s) not in self._sizes]
        if new:
            # what is given back as it was, changed in place or not, is none of ours
            given = set(_storages((args, kwargs)))
            for storage in new:
                size = 0 if storage in given else storage.nbytes()
                self._sizes[weakref.ref(storage, self._forget)] = size
                self.live += size
            self.peak = max(self.peak, self.live)
        return found

    def _forget(self, reference: weakref.ref[torch.UntypedStorage]) -> None:
        self.live -= self._sizes.pop(reference)


def _storages(tree: Any) -> list[torch.UntypedStorage]:
    return [leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


class _DryRunBytes(NamedTuple):
    """Bytes that a dry run found: at the peak of a step, at rest after it, of weights and buffers.

    ``forward``, ``raw`` and ``judging`` are for one row: the peak while outputs are computed, outputs, and
    the peak of what is computed from them. ``train`` and ``validation`` are the data's.
    """

    step: int
    state: int
    weights: int
    forward: int
    raw: int
    judging: int
    train: int
    validation: int


def _dry_run(call: TrainingCall, points: Sequence[Point], seed: int, settings: TrainSettings) -> _DryRunBytes:
    """Return what a population of these points takes, trained for one step and scored under a tracker."""
    with MemoryTracker() as tracker:
        population = Population(call, points, [seed], settings, torch.device("cpu"))
        tracker.peak = tracker.live
        population.train_epoch(0, population.optimizer.step, lambda: False)
        step = tracker.peak
        best = population.weights.snapshot()
        state = tracker.live
        # what was kept for a batch of as many rows would be used again
        population.network.forget()
        validation = population.validation
        before = tracker.peak = tracker.live
        raw = population.outputs(validation)
        forward = tracker.peak - before
        before = tracker.peak = tracker.live
        population.guard(population.losses(raw, validation), raw)
        population.scores(raw, validation, call.task.metrics)
        judging = tracker.peak - before
    return _DryRunBytes(
        step,
        state,
        best.flat.nbytes + sum(b.nbytes for b in best.buffers.values()),
        -(-forward // validation.rows),
        -(-raw.nbytes // validation.rows),
        -(-judging // validation.rows),
        _bytes(population.train),
        _bytes(validation),
    )


def _bytes(part: PartTensors) -> int:
    return part.x.nbytes + part.y.nbytes + sum(e.nbytes for e in part.encoded.values())


def available(device: torch.device) -> int:
    """Return the bytes a study may take unless said otherwise: a share of what is free on a device."""
    if device.type == "cuda":
        return int(CUDA_SHARE * torch.cuda.mem_get_info(device)[0])
    return int(SHARE * free_memory())
