"""What the processes of one distributed training agree on, so that all of them stop together or none."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import distributed

from lossearch.errors import InputError, RunFailedError

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """This process among those of its training; each method is called by all of them, in the same order.

    Args:
        strategy: the trainer's; None where there is one process.
        rank: this process's number.
        count: of processes.
    """

    strategy: Any = None
    rank: int = 0
    count: int = 1

    def first(self, happened: bool) -> int | None:
        """Return the lowest rank on which it happened, None where it did on none."""
        if self.count == 1:
            return 0 if happened else None
        mine = torch.tensor(self.rank if happened else self.count, device=self.strategy.root_device)
        lowest = int(self.strategy.reduce(mine, reduce_op="min"))
        return lowest if lowest < self.count else None

    def told(self, thing: T, by: int = 0) -> T:
        """Return what one rank has."""
        told: T = thing if self.count == 1 else self.strategy.broadcast(thing, src=by)
        return told

    def on_zero(self, act: Callable[[], T]) -> T:
        """Return what a function gives on rank zero, where alone it is called.

        Raises:
            Exception: what it raises there; on the other ranks as RunFailedError.
        """
        if self.count == 1:
            return act()
        if self.rank != 0:
            found, problem = self.told((None, ""))
            if problem:
                raise RunFailedError(f"On rank zero: {problem}")
            return found  # type: ignore[return-value]  # what rank zero found, which is a T
        try:
            mine = act()
        except Exception as error:
            self.told((None, f"{type(error).__name__}: {error}"))
            raise
        self.told((mine, ""))
        return mine


def several_ranks() -> bool:
    """Return whether ``torch.distributed`` runs with more than one process."""
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def publish(message: Mapping[str, Any]) -> None:
    """Leave a message of rank zero for the other ranks, each of which may take it or not."""
    if several_ranks() and distributed.get_rank() == 0:
        _store().set(_turn("sent"), json.dumps(message))


def taken() -> dict[str, Any]:
    """Return the next message of rank zero, waiting for it.

    Raises:
        InputError: there is no rank zero to wait for.
    """
    if not several_ranks() or distributed.get_rank() == 0:
        raise InputError(
            "trial is None: that is for ranks other than zero, after torch.distributed.init_process_group(). Start "
            "the script with `torchrun --nproc-per-node N`, call that first, and give rank zero the trial."
        )
    message: dict[str, Any] = json.loads(_store().get(_turn(f"taken by {distributed.get_rank()}")))
    return message


def _store() -> Any:
    world: Any = distributed.group.WORLD
    return world.get_group_store()


def _turn(what: str) -> str:
    # counted in the store, where it ends with the process group
    return f"lossearch/{_store().add(f'lossearch/{what}', 1)}"
