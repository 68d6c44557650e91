"""A trained module of the user's own, as a directory: module.json, weights.safetensors and a README."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from lossearch._imports import leads_somewhere
from lossearch._json import dumps, write_json, write_text
from lossearch.kinds import Table, TargetStatistics
from lossearch.model.directory import new_directory
from lossearch.records.damage import damaged, read_record
from lossearch.records.tensors import read_tensors, write_tensors
from lossearch.space import Point
from lossearch.tasks.own_module import Slot

CARD = "module.json"
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, eq=False)
class FittedModule:
    """The weights that a replicate of the user's module ended with, and where they belong.

    ``name`` is the module as module:Class, ``args`` are the plain ones of its arguments, searched ones among them;
    ``criterion`` and ``lr`` are where it takes those of the point. ``statistics`` are of the training targets,
    ``class_weights`` what rows weighed by their class. ``weights`` are its ``state_dict`` after ``epoch`` under ``seed``.
    """

    point: Point
    kind: str
    name: str
    args: Mapping[str, Any]
    criterion: Slot
    lr: Slot
    statistics: TargetStatistics
    class_weights: Table | None
    seed: int
    epoch: int
    weights: Mapping[str, Tensor]

    def save(self, directory: str | Path) -> Path:
        """Write it to a directory that is new or empty, and return that.

        Raises:
            InputError: the directory exists and is not empty, or cannot be written.
        """
        with new_directory(directory) as folder:
            tensors = {k: v for k, v in self.weights.items() if isinstance(v, Tensor)}
            write_tensors(folder / WEIGHTS, tensors)
            write_text(folder / "README.md", self._readme())
            write_json(folder / CARD, self._card())  # last: where it is, the rest is
        return folder

    def _card(self) -> dict[str, Any]:
        return {
            "module": self.name,
            "kind": self.kind,
            "args": dict(self.args),
            "criterion": asdict(self.criterion),
            "lr": asdict(self.lr),
            "point": self.point.as_json(),
            "statistics": self.statistics.as_json(),
            "class_weights": self.class_weights,
            "seed": self.seed,
            "epoch": self.epoch,
        }

    def _readme(self) -> str:
        of = self.name.rpartition(":")[2]
        point = self.point
        return (
            f"# {of}, trained with {point.pair}\n\n"
            f"Learning rate {point.lr:g}, seed {self.seed}, the end of epoch {self.epoch}.\n\n"
            f"```python\n{self._lines()}```\n"
        )

    def _lines(self) -> str:
        """Return the lines that load it."""
        module, _, of = self.name.partition(":")
        given = [
            dumps(self.point.pair),
            f"task={dumps(self.kind)}",
            *(f"{k}={v!r}" for k, v in self.point.params.items()),
        ]
        given += _weighting(self.class_weights)
        known = self.statistics != TargetStatistics()
        slots = {self.criterion: "criterion", self.lr: repr(self.point.lr)}
        arguments = {
            **{k: repr(v) for k, v in self.args.items()},
            **{s.name: v for s, v in slots.items() if s.argument},
        }
        lines = [
            "import lossearch",
            *(["from lossearch.kinds import TargetStatistics"] if known else []),
            f"from {module} import {of}"
            if leads_somewhere(self.name)
            else f"from your_module import {of}  # it was defined in the program that ran the study: move it to a module",
            "from safetensors.torch import load_file",
            "",
            *([f"statistics = {self.statistics!r}"] if known else []),
            f"criterion = lossearch.criterion({', '.join([*given, *(['statistics=statistics'] if known else [])])})",
            f"module = {of}({', '.join(f'{k}={v}' for k, v in arguments.items())})",
            *(f"module.{s.name} = {v}" for s, v in slots.items() if not s.argument),
            f'module.load_state_dict(load_file("{WEIGHTS}"))',
            "module.eval()",
        ]
        return "".join(f"{line}\n" for line in lines)

    def __repr__(self) -> str:
        return f"FittedModule({self.name!r}, {self.point.pair} at lr {self.point.lr:.3g}, epoch {self.epoch})"


def _weighting(table: Table | None) -> list[str]:
    """Return the argument by which a criterion weighs classes so, but for a factor."""
    if table is None:
        return []
    if len(table) == 1:
        return [f"class_weight={dict(enumerate(table[0]))}"]
    return [f"pos_weight={[one / zero for zero, one in table]}"]


def load_module(folder: Path) -> FittedModule | None:
    """Return what :meth:`FittedModule.save` wrote, None where there is none.

    Raises:
        StoreError: it is damaged.
    """
    if not (folder / CARD).is_file():
        return None
    return read_record(folder / CARD, lambda card: _module(folder, card))


def _module(folder: Path, card: Mapping[str, Any]) -> FittedModule:
    slots = [card[slot]["name"] for slot in ("criterion", "lr")]
    if not all(map(str.isidentifier, [*card["args"], *card["point"]["params"], *slots])) or not re.fullmatch(
        r"[\w./\\:<>-]+", card["module"]
    ):
        raise damaged(folder / CARD, "it has a name that Python knows no such thing by")
    weights, _ = read_tensors(folder / WEIGHTS)
    return FittedModule(
        Point.from_json(card["point"]),
        card["kind"],
        card["module"],
        card["args"],
        Slot(**card["criterion"]),
        Slot(**card["lr"]),
        TargetStatistics(**{k: tuple(v) for k, v in card["statistics"].items()}),
        None if card["class_weights"] is None else tuple(map(tuple, card["class_weights"])),
        card["seed"],
        card["epoch"],
        weights,
    )
