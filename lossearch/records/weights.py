"""The weights of trials: one safetensors file a trial, as many trials as were asked for and fit.

A file holds each parameter of the trial's replicates stacked, (S, ...), and which seeds they are of.
Every file can be made again by training its trial again, so losing one loses nothing but time.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from lossearch._lazy import torch
from lossearch.errors import StoreError
from lossearch.records.damage import reading
from lossearch.records.tensors import read_about, read_tensors, write_tensors
from lossearch.records.trial import TrialRecord
from lossearch.space import Point
from lossearch.training.contract import ReplicateResult

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = "weights"
FORMAT = "1"
State: TypeAlias = "dict[str, Tensor]"


@dataclass(frozen=True)
class TrialWeights:
    """The weights of a trial's replicates that have any, by seed, and the epoch each is of (from 1)."""

    states: Mapping[int, State]
    kept_epoch: Mapping[int, int]


class _Stored(NamedTuple):
    """A file, and what decides whether it stays: ``gain`` is more for the better trial."""

    number: int
    pair: str
    gain: float
    size: int

    @property
    def rank(self) -> tuple[float, int]:
        """More for the better trial, the earlier of equals."""
        return self.gain, -self.number


def path_of(folder: Path, number: int) -> Path:
    """Return the file of a trial in a study's directory, whether it is there or not."""
    return folder / FOLDER / f"trial-{number:06d}.safetensors"


def _text(point: Point) -> str:
    return json.dumps(point.as_json(), sort_keys=True)


def write_weights(folder: Path, record: TrialRecord, results: Sequence[ReplicateResult]) -> Path | None:
    """Write the weights of a trial, whole or not at all; None where no replicate has any."""
    given = [r for r in results if r.weights is not None]
    if not given:
        return None
    states = [dict(r.weights or {}) for r in given]
    stacked = {name: torch.stack([state[name] for state in states]) for name in states[0]}
    about = {
        "format": FORMAT,
        "trial": str(record.number),
        "point": _text(record.point),
        "seeds": json.dumps([r.replicate.seed for r in given]),
        "kept_epoch": json.dumps([r.kept_epoch for r in given]),
    }
    return write_tensors(path_of(folder, record.number), stacked, about)


def read_weights(folder: Path, record: TrialRecord) -> TrialWeights | None:
    """Return the weights of a trial, None where they are not kept.

    Raises:
        StoreError: the file is damaged, or of another trial.
    """
    path = path_of(folder, record.number)
    if not path.exists():
        return None
    stacked, about = read_tensors(path)
    if about.get("point") != _text(record.point):
        raise StoreError(f"{path} holds the weights of another trial. Remove it.")
    with reading(path):
        seeds, epochs = json.loads(about["seeds"]), json.loads(about["kept_epoch"])
        states = {seed: {name: t[i].clone() for name, t in stacked.items()} for i, seed in enumerate(seeds)}
        return TrialWeights(states, dict(zip(seeds, epochs, strict=True)))


class WeightRetention:
    """Keeps the weights of a study's trials, "best" that of every pair's best trial, "all" of as many as fit.

    The best trial of a pair always stays. Where the others are more than ``limit`` bytes with it, the worst
    trials of the pairs with the most files go first. ``limit`` is in bytes; ``sign`` is 1 where more of the
    metric is better, else -1.
    """

    def __init__(
        self, folder: Path, policy: str, limit: int, sign: int, records: Iterable[TrialRecord] = ()
    ) -> None:
        self.folder, self.policy, self.limit, self.sign = folder, policy, limit, sign
        self._stored: list[_Stored] = []
        self._take_stock({r.number: r for r in records})

    def add(self, record: TrialRecord, results: Sequence[ReplicateResult]) -> None:
        """Keep a trial's weights, or not, and make room."""
        if record.value is None or (self.policy == "best" and not self._leads(record)):
            return
        path = write_weights(self.folder, record, results)
        if path is not None:
            self._stored.append(self._of(record, record.value, path))
            for stored in files_to_remove(self._stored, self.policy, self.limit):
                path_of(self.folder, stored.number).unlink(missing_ok=True)
                self._stored.remove(stored)

    def lacks(self, record: TrialRecord) -> bool:
        """Whether a trial is better than all of its pair whose weights are here, has some, and they are not here."""
        trained = record.n_diverged < len(record.seeds)
        return trained and self._leads(record) and not path_of(self.folder, record.number).exists()

    def _leads(self, record: TrialRecord) -> bool:
        if record.value is None:
            return False
        best = max((f.rank for f in self._stored if f.pair == record.point.pair), default=None)
        return best is None or (self.sign * record.value, -record.number) > best

    def _of(self, record: TrialRecord, value: float, path: Path) -> _Stored:
        return _Stored(record.number, record.point.pair, self.sign * value, path.stat().st_size)

    def _take_stock(self, records: Mapping[int, TrialRecord]) -> None:
        """Take stock of the files there are; those of no trial go. Others are not of trials."""
        folder = self.folder / FOLDER
        for path in sorted(folder.glob("trial-*.safetensors")):
            number = path.stem.removeprefix("trial-")
            if not number.isdecimal() or path != path_of(self.folder, int(number)):
                continue
            record = records.get(int(number))
            try:
                about = read_about(path)
            except StoreError:
                if record is not None:
                    continue  # damaged, which is for whoever asks for its repair
                about = {}
            if record is None or record.value is None or about.get("point") != _text(record.point):
                path.unlink(missing_ok=True)
                continue
            self._stored.append(self._of(record, record.value, path))


def files_to_remove(stored: Sequence[_Stored], policy: str, limit: int) -> list[_Stored]:
    """Return the files to remove, in order, so that the rest fit; the best of each pair is never among them."""
    ranked = sorted(stored, key=lambda f: f.rank)
    best = {f.pair: f for f in ranked}
    others = [f for f in ranked if best[f.pair] is not f]
    if policy == "best":
        return others
    gone: list[_Stored] = []
    total = sum(f.size for f in stored)
    files = Counter(f.pair for f in others)
    while others and total > limit:
        worst = max(others, key=lambda f: (files[f.pair], -f.gain, f.number))
        others.remove(worst)
        files[worst.pair] -= 1
        total -= worst.size
        gone.append(worst)
    return gone
