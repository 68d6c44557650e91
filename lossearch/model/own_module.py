"""A trained module of the user's own, as a directory: module.json, weights.safetensors and a README."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from lossearch._json import read_json, write_json, write_text
from lossearch.errors import InputError
from lossearch.records.tensors import read_tensors, write_tensors
from lossearch.space import Point

CARD = "module.json"
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, eq=False)
class FittedModule:
    """The weights that a replicate of the user's module ended with, and where they belong.

    ``name`` is the module as module:Class, ``args`` are the plain ones of its arguments; criterion and learning
    rate are the point's. ``weights`` are its ``state_dict`` after ``epoch`` under ``seed``.
    """

    point: Point
    name: str
    args: Mapping[str, Any]
    criterion: str
    seed: int
    epoch: int
    weights: Mapping[str, Tensor]

    def save(self, directory: str | Path) -> Path:
        """Write it to a directory that is new or empty, and return that.

        Raises:
            InputError: the directory exists and is not empty, or cannot be written.
        """
        folder = Path(directory).expanduser()
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            what = "is not empty" if folder.is_dir() else "is a file"
            raise InputError(f"{folder} {what}: name a directory that is new or empty.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tensors = {k: v for k, v in self.weights.items() if isinstance(v, Tensor)}
            write_tensors(folder / WEIGHTS, tensors)
            write_text(folder / "README.md", self._readme())
            write_json(folder / CARD, self._card())  # last: where it is, the rest is
        except OSError as error:
            raise InputError(f"{folder} cannot be written: {error.strerror or error}.") from error
        return folder

    def _card(self) -> dict[str, Any]:
        return {
            "module": self.name,
            "args": dict(self.args),
            "criterion": self.criterion,
            "point": self.point.as_json(),
            "seed": self.seed,
            "epoch": self.epoch,
        }

    def _readme(self) -> str:
        module, _, of = self.name.partition(":")
        point = self.point
        given = "".join(f", {k}={v:g}" for k, v in point.params.items())
        return (
            f"# {of}, trained with {point.pair}\n\n"
            f"Learning rate {point.lr:g}, seed {self.seed}, the end of epoch {self.epoch}.\n\n"
            "```python\n"
            "import lossearch\n"
            f"from {module} import {of}\n"
            "from safetensors.torch import load_file\n\n"
            f'criterion = lossearch.criterion("{point.pair}"{given})\n'
            f"module = {of}({self.criterion}=criterion, ...)  # its arguments: {dict(self.args)}\n"
            f'module.load_state_dict(load_file("{WEIGHTS}"))\n'
            "module.eval()\n"
            "```\n"
        )

    def __repr__(self) -> str:
        return f"FittedModule({self.name!r}, {self.point.pair} at lr {self.point.lr:.3g}, epoch {self.epoch})"


def load_module(folder: Path) -> FittedModule | None:
    """Return what :meth:`FittedModule.save` wrote, None where there is none.

    Raises:
        StoreError: it is damaged.
    """
    if not (folder / CARD).is_file():
        return None
    card = read_json(folder / CARD)
    weights, _ = read_tensors(folder / WEIGHTS)
    return FittedModule(
        Point.from_json(card["point"]),
        card["module"],
        card["args"],
        card["criterion"],
        card["seed"],
        card["epoch"],
        weights,
    )
