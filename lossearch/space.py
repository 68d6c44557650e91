"""What is searched: legal pairs, learning rate, the losses' own parameters, training settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lossearch._process import left_as_it_was
from lossearch.errors import InputError
from lossearch.kinds import TargetStatistics
from lossearch.losses import own_places
from lossearch.pairs import Pair, Rejection, write_criterion

if TYPE_CHECKING:
    from lossearch.pairs import Criterion

Value = float | int | str


@dataclass(frozen=True)
class Dimension:
    """One searched number (``low`` to ``high``) or choice."""

    name: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    integer: bool = False
    choices: tuple[Value, ...] = ()

    @property
    def fixed(self) -> bool:
        """Whether it has one value only."""
        return not self.choices and self.low == self.high

    def as_json(self) -> dict[str, Any]:
        """Return the declared values only."""
        if self.choices:
            return {"choices": list(self.choices)}
        return {"low": self.low, "high": self.high, "log": self.log, "integer": self.integer}


@dataclass(frozen=True)
class Point:
    """One pair with its learning rate, the loss's own parameters and other searched settings.

    Frozen and hashable. ``pair`` is the name; ``definition`` is the pair itself where it is at hand,
    and takes no part in equality.

    Example:
        >>> import lossearch
        >>> point = lossearch.Point("focal/sigmoid", lr=0.1, own=(("gamma", 1.0),))
        >>> point.loss, point.params
        ('focal', {'gamma': 1.0})
        >>> point.criterion()
        Criterion(focal/sigmoid, gamma=1.0, alpha=-1.0)
        >>> point.text, lossearch.criterion(point.text)
        ('focal/sigmoid(gamma=1.0)', Criterion(focal/sigmoid, gamma=1.0, alpha=-1.0))
    """

    pair: str
    lr: float
    own: tuple[tuple[str, float], ...] = ()
    other: tuple[tuple[str, Value], ...] = ()
    definition: Pair | None = field(default=None, compare=False, repr=False)

    @property
    def loss(self) -> str:
        """The loss's name."""
        return self.pair.partition("/")[0]

    @property
    def activation(self) -> str:
        """The activation's name."""
        return self.pair.partition("/")[2]

    @property
    def params(self) -> dict[str, float]:
        """The loss's own hyper-parameters."""
        return dict(self.own)

    @property
    def settings(self) -> dict[str, Value]:
        """Training settings that this point sets, such as batch size."""
        return dict(self.other)

    @property
    def values(self) -> dict[str, Value]:
        """Every value by the name under which it is searched: ``lr``, ``loss.parameter``, settings."""
        return {"lr": self.lr, **{f"{self.loss}.{k}": v for k, v in self.own}, **self.settings}

    @property
    def text(self) -> str:
        """The criterion of this point as text, which :func:`lossearch.criterion` takes back to the last digit.

        The learning rate is not part of it, nor are settings of training. A loss of your own is named by its module;
        of one that is in none, give ``lossearch.criterion`` the loss too, as ``losses=[my_loss]``.
        """
        return write_criterion(self.definition or self.pair, self.params)

    def criterion(self, statistics: TargetStatistics | None = None) -> Criterion:
        """Return the criterion of this point, for raw targets in their own units.

        Settings of training are not part of it, weights of classes among them.

        Args:
            statistics: of the training targets, as :func:`lossearch.criterion` takes them.

        Raises:
            InputError: the pair itself is not at hand, and its name is not that of one of lossearch's.
        """
        with left_as_it_was():
            from lossearch.pairs import Criterion
            from lossearch.pairs.making import criterion

        if self.definition is not None:
            return Criterion(self.definition, self.params, statistics)
        if own_places(self.pair.rpartition("/")[0]):
            raise InputError(
                f"A point names its pair, and {self.pair!r} names a place, as no point of lossearch's does. Where you know "
                f"it: lossearch.criterion({self.pair!r})."
            )
        own: dict[str, Any] = self.params
        return criterion(self.pair, task=None, losses=(), statistics=statistics, **own)

    def as_json(self) -> dict[str, Any]:
        """Return plain values, the inverse of :meth:`from_json`."""
        return {"pair": self.pair, "lr": self.lr, "params": self.params, "settings": self.settings}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], definition: Pair | None = None) -> Point:
        """Return the point that :meth:`as_json` described."""
        return cls(
            values["pair"],
            values["lr"],
            tuple(sorted(values.get("params", {}).items())),
            tuple(sorted(values.get("settings", {}).items())),
            definition,
        )


@dataclass(frozen=True)
class Space:
    """Legal pairs times ranges, as data. Knows no optimiser library.

    ``lr`` is (low, high), equal where it is fixed. ``params[loss.parameter]`` replaces a declared
    range, or fixes the parameter where its ends are equal; ``settings`` are training settings searched beside the pair.
    ``added`` is the pair that is searched for comparison though nobody asked for it, "" where there is none.
    """

    kind: str
    pairs: tuple[Pair, ...]
    lr: tuple[float, float]
    params: Mapping[str, Dimension] = field(default_factory=dict)
    settings: tuple[Dimension, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    added: str = ""

    def __getitem__(self, name: str) -> Pair:
        return {p.name: p for p in self.pairs}[name]

    def pair_of(self, point: Point) -> Pair:
        """Return a point's pair."""
        return point.definition or self[point.pair]

    @property
    def names(self) -> tuple[str, ...]:
        """The pairs' names, in order."""
        return tuple(p.name for p in self.pairs)

    @property
    def asked(self) -> tuple[str, ...]:
        """The names of the pairs that were asked for, in order."""
        return tuple(name for name in self.names if name != self.added)

    def dimensions(self, pair: str, lr: tuple[float, float] | None = None) -> tuple[Dimension, ...]:
        """Return what is searched within a pair, learning rate first; own parameters as ``loss.name``."""
        low, high = lr or self.lr
        found = [Dimension("lr", low, high, log=True)] if low < high else []
        loss = self[pair].loss
        for p in loss.params:
            key = f"{loss.name}.{p.name}"
            if key in self.params:
                found += [] if self.params[key].fixed else [self.params[key]]
            elif p.search:
                found.append(Dimension(key, p.low, p.high, p.log, p.integer))
        return (*found, *self.settings)

    def point(self, pair: str, values: Mapping[str, Value]) -> Point:
        """Return the point of a pair from searched values; what is not searched takes its default."""
        loss = self[pair].loss
        fixed = {key: d.low for key, d in self.params.items() if d.fixed}
        own = {p.name: {**fixed, **values}.get(f"{loss.name}.{p.name}", p.default) for p in loss.params}
        other = {d.name: values[d.name] for d in self.settings}
        return Point(
            pair,
            float(values.get("lr", self.lr[0])),
            tuple(sorted((k, float(v)) for k, v in own.items())),
            tuple(sorted(other.items())),
            self[pair],
        )

    def searched(self, point: Point) -> dict[str, Value]:
        """Return the values of a point that this space searches, the inverse of :meth:`point`."""
        values = point.values
        return {d.name: values[d.name] for d in self.dimensions(point.pair)}

    def as_json(self) -> dict[str, Any]:
        """Return the declared space as plain values, for the digest and for a diff."""
        return {
            "kind": self.kind,
            "lr": list(self.lr),
            "pairs": {
                p.name: {d.name: d.as_json() for d in self.dimensions(p.name) if d.name != "lr"}
                for p in self.pairs
            },
        }

    def digest(self) -> str:
        """Return a short hash of the declared space."""
        return hashlib.blake2b(json.dumps(self.as_json(), sort_keys=True).encode(), digest_size=8).hexdigest()
