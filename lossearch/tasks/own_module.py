"""A LightningModule of the user's own that is trained in the place of a network: what is to be known of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Slot:
    """Where a module takes something: an argument of its constructor, or an attribute that is set afterwards."""

    name: str
    argument: bool


class DataModules(Protocol):
    """Gives the data module for searched settings; each is set up once a process."""

    def __call__(self, settings: Mapping[str, Any]) -> Any:
        """Return a data module that is ready for training."""
        ...

    def with_test(self, settings: Mapping[str, Any]) -> Any:
        """Return a data module that is ready for its test part."""
        ...


@dataclass(frozen=True, eq=False)
class OwnModule:
    """The user's module, its data and its Trainer.

    ``factory`` makes a module, called with ``args`` and what is searched; ``name`` says which it is. ``criterion``
    and ``lr`` are where it takes these. ``settings`` and ``data_settings`` are the names of searched settings that the
    module and the data module take. ``trainer`` are the user's arguments of the Trainer. ``logged`` are the names
    under which the module logs metrics in validation: name of the metric -> name in the log; ``untrained`` what it logs
    before its first step. ``optimizers`` are the class names of its optimisers,
    ``batch_size`` is that of its training loader, and ``random`` says whether a training step draws at random.
    ``predicts`` gives what ``predict_step`` takes of a batch, where that alone shows raw output; else None. ``width`` is how many
    numbers a row its network gives, 0 where that is not known.
    """

    factory: Callable[..., Any]
    name: str
    args: Mapping[str, Any]
    criterion: Slot
    lr: Slot
    data: DataModules
    settings: frozenset[str] = frozenset()
    data_settings: frozenset[str] = frozenset()
    trainer: Mapping[str, Any] = field(default_factory=dict)
    logged: Mapping[str, str] = field(default_factory=dict)
    untrained: Mapping[str, float] = field(default_factory=dict)
    optimizers: tuple[str, ...] = ()
    batch_size: int = 1
    random: bool = True
    predicts: Callable[[Any], Any] | None = None
    width: int = 0

    @property
    def title(self) -> str:
        """The name of the class or function alone."""
        return self.name.rpartition(":")[2]
