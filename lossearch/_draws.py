"""Random operations of torch, seen one by one; apart, since a mode of torch cannot be declared without it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class BeforeEachDraw(TorchDispatchMode):
    """Calls ``begin`` with the number, from 0, of every random operation before that draws."""

    def __init__(self, begin: Callable[[int], None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.begin = begin
        self.draws: int = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if torch.Tag.nondeterministic_seeded in func.tags:
            self.begin(self.draws)
            self.draws += 1
        return func(*args, **(kwargs or {}))
