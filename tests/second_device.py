"""A device that is none: tensors on ``meta`` that hold numbers, and refuse to meet those of the processor.

What a GPU would refuse is refused here, wherever it is met: an operation on tensors of both devices, unless one of
them is a single number, or an index.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map_only

DEVICE = torch.device("meta")
_ATEN = torch.ops.aten
_ACROSS = {_ATEN.copy_.default, _ATEN._to_copy.default}
_INDEXED = {
    _ATEN.index.Tensor,
    _ATEN.index_put.default,
    _ATEN.index_put_.default,
    _ATEN._index_put_impl_.default,
}
_ASKED = {_ATEN.equal.default, _ATEN._local_scalar_dense.default, _ATEN.is_nonzero.default}


class OtherDeviceError(RuntimeError):
    """Tensors of two devices have met."""


class _Elsewhere(Tensor):
    """A tensor on the other device, and the one that holds its numbers."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> Self:
        """Return the tensor that stands for ``held``."""
        found: Self = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            layout=held.layout, device=DEVICE, requires_grad=held.requires_grad,
        )  # fmt: skip
        found.held = held
        return found

    def __repr__(self, **_: Any) -> str:
        """Return the numbers and where they are."""
        return f"{self.held!r} elsewhere"

    def tolist(self) -> Any:
        """Return the numbers as Python's own."""
        return self.held.tolist()

    def numpy(self, *, force: bool = False) -> Any:
        """Return the numbers as an array, where that is insisted on.

        Raises:
            TypeError: it is not.
        """
        if not force:
            raise TypeError("can't convert a tensor of another device to numpy")
        return self.held.detach().numpy()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute where no mode is on."""
        return _computed(func, args, kwargs or {})


def _computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    leaves = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
    theirs = [t for t in leaves if isinstance(t, _Elsewhere)]
    to = kwargs.get("device")
    if not theirs and (to is None or torch.device(to) != DEVICE):
        return func(*args, **kwargs)
    ours = [t for t in leaves if not isinstance(t, _Elsewhere) and t.ndim]
    if func in _INDEXED:
        ours = [t for t in ours if t.is_floating_point()]
    if theirs and ours and func not in _ACROSS:
        shapes = [(tuple(t.shape), "other" if isinstance(t, _Elsewhere) else "cpu") for t in leaves]
        raise OtherDeviceError(f"{func} meets tensors of two devices: {shapes}")
    held_args, held = tree_map_only(_Elsewhere, lambda t: t.held, (args, kwargs))
    if to is not None:
        held["device"] = torch.device("cpu")
    found = func(*held_args, **held)
    if func in _ASKED or (to is not None and torch.device(to) != DEVICE):
        return found.clone() if isinstance(found, Tensor) else found
    if func is _ATEN.copy_.default and not isinstance(args[0], _Elsewhere):
        return args[0]
    wrapped = tree_map_only(Tensor, _Elsewhere, found)
    return return_and_correct_aliasing(func, args, kwargs, wrapped)


class _Dispatch(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


class _FromNumbers(TorchFunctionMode):
    """Sees what no operation shows: tensors made of Python's numbers, and what ``data`` is set to."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        own, to = dict(kwargs or {}), None
        if func in (torch.tensor, torch.as_tensor):
            to = own.pop("device", None)
        elif func is Tensor.new_tensor:
            own.setdefault("dtype", args[0].dtype)
            to, func, args = own.pop("device", args[0].device), torch.tensor, args[1:]
        elif func in (Tensor.__getitem__, Tensor.__setitem__):
            args = (args[0], _index(args[1]), *args[2:])
        elif func == Tensor.data.__set__ and isinstance(args[0], _Elsewhere):  # type: ignore[attr-defined]
            args[0].held = args[1].held
        found = func(*args, **own)
        return found if to is None else found.to(to)


def _index(given: Any) -> Any:
    """Return an index with tensors in the place of lists."""
    if isinstance(given, tuple):
        return tuple(map(_index, given))
    return torch.tensor(given) if isinstance(given, list) else given


@contextmanager
def second_device() -> Iterator[None]:
    """Have tensors on :data:`DEVICE` hold numbers, and meet none of another device, inside."""
    with _FromNumbers(), _Dispatch():
        yield


def elsewhere(tensor: Tensor) -> Tensor:
    """Return a tensor of the same numbers on the other device."""
    with second_device():
        return tensor.to(DEVICE)
