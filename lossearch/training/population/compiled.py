"""Functions of tensors compiled, and the criteria of a population as one of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_map_only

from lossearch.training.population.criteria import Criteria, Derivatives, PairSlice

Function = Callable[..., Any]
OPTIONS: dict[str, Any] = {
    "realize_reads_threshold": 256,
    "realize_opcount_threshold": 512,
    "realize_cpu_opcount_threshold": 512,
    "cpp.enable_floating_point_contract_flag": "fast",
}
"""Options under which cheap intermediates are computed where they are used, however often, and not stored,
and processors take a product and a sum as one operation, rounded once. Not every version of torch has all."""
CACHED = 128
"""Compiled functions that a process keeps."""


@dataclass(frozen=True)
class _Signature:
    """What a compiled function depends on: what it does, and type, layout and device of what it takes."""

    identity: Hashable
    inputs: tuple[object, ...]
    work: list[tuple[Function, Sequence[Tensor]]] = field(compare=False)
    """The function and what it is tried with, until it is compiled: kept, they would keep a population."""


def compiled(function: Function, identity: Hashable, given: Sequence[Tensor]) -> Function:
    """Return a function of tensors compiled for tensors of these shapes, types, layouts and devices.

    Compiling takes seconds the first time, less where the compiler's own cache on disk has it, and nothing
    where this process has it.

    Args:
        function: takes tensors and nothing else; returns a tensor or a list of them.
        identity: all that it depends on but for the tensors: what is equal in this is the same function.
        given: tensors like those it will be called with.
    """
    # processor code is made for so many threads
    threads = torch.get_num_threads()
    inputs = (threads, *((t.shape, t.stride(), t.dtype, t.device) for t in given))
    return _compiled(_Signature(identity, inputs, [(function, given)]))


@lru_cache(CACHED)
def _compiled(signature: _Signature) -> Function:
    function, given = signature.work.pop()
    graph = make_fx(function)(*given)
    if captured(given[0].device):
        fast = torch.compile(graph, dynamic=False, options={**_options(), "triton.cudagraphs": True})
        return lambda *tensors: _copied(fast(*tensors))
    # without what torch.compile checks at every call, which takes longer than small populations do
    return torch._inductor.compile(graph, list(given), options=_options())  # type: ignore[no-any-return]  # noqa: SLF001


def _options() -> dict[str, Any]:
    """Return the options that this version of torch has: it refuses to compile with others."""
    known = set(torch._inductor.list_options())  # noqa: SLF001 - made to be asked
    return {name: value for name, value in OPTIONS.items() if name in known}


def captured(device: torch.device) -> bool:
    """Return whether what is compiled for a device is a CUDA graph, which must not write into what it is given."""
    return device.type == "cuda"


def _copied(found: Any) -> Any:
    """Return copies of all tensors: the next CUDA graph that runs overwrites what this one has put out."""
    return tree_map_only(Tensor, torch.clone, found)


@dataclass
class CompiledCriteria(Criteria):
    """The same, compiled once for each shape: one pass over all pairs. All derivatives are one piece."""

    cache: dict[tuple[object, ...], Function] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.held = [t for s in self.slices for t in (*s.params.values(), *s.fitted.values())]

    def derivatives(self, raw: Tensor, encoded: Mapping[str, Tensor]) -> Derivatives:
        """Return what :meth:`Criteria.derivatives` does."""

        def function(criteria: Criteria, raw: Tensor, *targets: Tensor) -> list[Tensor]:
            found, known = criteria.derivatives(raw, dict(zip(encoded, targets, strict=True)))
            return [torch.cat(found, dim=1), *(k for k in known if k is not None)]

        derivative, *known = self.run(function, ("derivatives", *encoded), [raw, *encoded.values()])
        return [derivative], self.by_slice(known)

    def by_slice(self, known: Sequence[Tensor]) -> list[Tensor | None]:
        """Return each slice's losses, None where they are not computed with the derivative."""
        left = iter(known)
        return [None if s.pair.has_derivative else next(left) for s in self.slices]

    def losses(
        self, raw: Tensor, encoded: Mapping[str, Tensor], batches: int = 1, *, unknown: bool = False
    ) -> list[Tensor]:
        """Return what :meth:`Criteria.losses` does."""

        def function(criteria: Criteria, raw: Tensor, *targets: Tensor) -> list[Tensor]:
            return criteria.losses(raw, dict(zip(encoded, targets, strict=True)), batches, unknown=unknown)

        return self.run(function, ("losses", batches, unknown, *encoded), [raw, *encoded.values()])

    def run(
        self,
        function: Function,
        identity: tuple[object, ...],
        given: Sequence[Tensor],
        always: Sequence[Tensor] = (),
    ) -> list[Tensor]:
        """Return what a function of uncompiled criteria and tensors does, compiled.

        Args:
            function: takes criteria and the tensors given, ``always`` last; returns a list of tensors.
            identity: all that it depends on but for these, as in :func:`compiled`.
            given: tensors.
            always: more of them, of shapes that are those of these criteria's population.
        """
        # batches that are copied together have strides in common with no others
        key = (identity, *((t.shape, t.stride()) for t in given))
        every = [*given, *always, *self.held]
        if key not in self.cache:
            count = len(given) + len(always)

            def of_flat(*tensors: Tensor) -> list[Tensor]:
                criteria = Criteria(_holding(self.slices, tensors[count:]))
                return function(criteria, *tensors[:count])  # type: ignore[no-any-return]

            slices = tuple((s.pair, s.start, s.end, *s.params, *s.fitted) for s in self.slices)
            self.cache[key] = compiled(of_flat, (identity, slices), every)
        found: list[Tensor] = self.cache[key](*every)
        return found


def _holding(slices: Sequence[PairSlice], tensors: Sequence[Tensor]) -> list[PairSlice]:
    """Return slices with other tensors in the place of those that they hold."""
    left = iter(tensors)
    return [
        replace(s, params={n: next(left) for n in s.params}, fitted={n: next(left) for n in s.fitted})
        for s in slices
    ]
