"""What tensors take while something is computed: bytes alive now, and the most there were."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Ledger(TorchDispatchMode):
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
                self._enter(storage, 0 if storage in given else storage.nbytes())
        return found

    def _enter(self, storage: torch.UntypedStorage, size: int) -> None:
        self._sizes[weakref.ref(storage, self._strike)] = size
        self.live += size
        self.peak = max(self.peak, self.live)

    def _strike(self, reference: weakref.ref[torch.UntypedStorage]) -> None:
        self.live -= self._sizes.pop(reference)


def _storages(tree: Any) -> list[torch.UntypedStorage]:
    return [leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]
