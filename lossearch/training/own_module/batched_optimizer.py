"""What ``configure_optimizers`` gives for each configuration, as one optimiser of a population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from lossearch.errors import InputError
from lossearch.training.optimizers import OPTIMIZERS
from lossearch.training.population.batched_optimizers import PerReplicate, Scaled, per_replicate, supported
from lossearch.training.population.weights import Layout

_RATES = (
    "params",
    "lr",
    "initial_lr",
    "max_lr",
    "min_lr",
    "swa_lr",
    "base_momentum",
    "max_momentum",
    "param_names",
)
_DECAY = "weight_decay"
_SAME = 1e-12


@dataclass(eq=False)
class Configured:
    """One configuration's optimiser, its scheduler, and when that steps: "step", "epoch", or "" where there is none."""

    optimizer: torch.optim.Optimizer
    scheduler: LRScheduler | None
    interval: str
    frequency: int

    @property
    def rates(self) -> list[float]:
        """The learning rate of each group now."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]


def configured(module: Any) -> Configured:
    """Return what a module's ``configure_optimizers`` gives.

    Raises:
        InputError: it gives what a population has no form of; the message is the reason.
    """
    found = module.configure_optimizers()
    schedulers: Any = []
    if isinstance(found, tuple) and len(found) == 2 and isinstance(found[0], (list, tuple)):
        found, schedulers = found
    if isinstance(found, (list, tuple)):
        if len(found) != 1:
            raise InputError(f"it has {len(found)} optimisers")
        (found,) = found
    if isinstance(found, Mapping):
        schedulers = [found["lr_scheduler"]] if found.get("lr_scheduler") is not None else schedulers
        found = found["optimizer"]
    if not isinstance(found, torch.optim.Optimizer):
        raise InputError("configure_optimizers gives no optimiser")
    schedulers = schedulers if isinstance(schedulers, (list, tuple)) else [schedulers]
    if len(schedulers) > 1:
        raise InputError(f"it has {len(schedulers)} schedulers")
    given = schedulers[0] if schedulers else None
    told: Mapping[str, Any] = given if isinstance(given, Mapping) else {"scheduler": given}
    scheduler = told["scheduler"]
    if isinstance(scheduler, ReduceLROnPlateau) or told.get("reduce_on_plateau"):
        raise InputError("its scheduler reads a metric")
    if scheduler is not None and not isinstance(scheduler, LRScheduler):
        raise InputError(f"its scheduler is a {type(scheduler).__name__}")
    interval = "" if scheduler is None else str(told.get("interval", "epoch"))
    return Configured(found, scheduler, interval, int(told.get("frequency", 1)))


@dataclass(eq=False)
class BatchedOptimizer:
    """The optimisers of C configurations under S seeds, over the flat weights of a population.

    ``groups`` are the number of the parameter group that each parameter is in.
    """

    each: list[Configured]
    groups: Mapping[str, int]
    seeds: int
    inner: PerReplicate
    layout: Layout
    base: NDArray[np.float64]

    @classmethod
    def of(
        cls, each: Sequence[Configured], module: Any, flat: Tensor, layout: Layout, seeds: int
    ) -> BatchedOptimizer:
        """Return the optimiser of configurations whose modules are like this one.

        Raises:
            InputError: there is no form of it for a population; the message is the reason.
        """
        own = each[0].optimizer
        name = next((o.name for o in OPTIMIZERS.values() if o.make is type(own)), None)
        if name is None:
            raise InputError(f"the optimiser {type(own).__name__} has no batched form")
        options = _shared_options(each)
        if not supported(name, options):
            raise InputError(f"the optimiser {type(own).__name__} with these options has no batched form")
        groups = _groups(each[0], module, layout)
        base = np.array([c.rates for c in each])
        decays = np.array([[float(g.get(_DECAY, 0.0)) for g in c.optimizer.param_groups] for c in each])
        if (decays == decays.flat[0]).all():
            options = {**options, _DECAY: float(decays.flat[0])} if _DECAY in own.defaults else options
        else:
            raise InputError("its parameter groups have a weight decay each")
        rates = _spread(base, groups, layout, seeds, flat)
        return cls(list(each), groups, seeds, per_replicate(name, flat, rates, options), layout, base)

    def scheduled(self, interval: str, count: int) -> None:
        """Let schedulers of this interval take a step after so many steps or epochs."""
        due = [
            c
            for c in self.each
            if c.scheduler is not None and c.interval == interval and count % c.frequency == 0
        ]
        if not due:
            return
        for one in due:
            # a scheduler warns of an optimiser that has not stepped; these never do
            one.optimizer._opt_called = True  # type: ignore[attr-defined]  # noqa: SLF001
            assert one.scheduler is not None  # noqa: S101 - those due have one
            one.scheduler.step()
        self._follow_options()
        now = np.array([c.rates for c in self.each])
        with np.errstate(divide="ignore", invalid="ignore"):
            factors = now / self.base
        if np.isfinite(factors).all() and np.ptp(factors) <= _SAME * abs(factors).max():
            self.inner.factor = float(factors.flat[0])
            return
        self.inner.factor = 1.0
        self.inner.rates.data = _spread(now, self.groups, self.layout, self.seeds, self.inner.rates)

    def _follow_options(self) -> None:
        """Take over what schedulers change beside the rates, such as a cycled momentum."""
        options = _shared_options(self.each)
        changed = {k: v for k, v in options.items() if self.inner.options.get(k) != v}
        if changed and isinstance(self.inner, Scaled):
            raise InputError(f"its scheduler changes {next(iter(changed))}")
        self.inner.options.update(changed)

    def keep(self, places: Sequence[int], layout: Layout) -> None:
        """Keep these configurations only; the inner optimiser's own state is kept by its ``select``."""
        self.each = [self.each[c] for c in places]
        self.base, self.layout = self.base[list(places)], layout


def _shared_options(each: Sequence[Configured]) -> dict[str, Any]:
    found = [
        {k: v for k, v in group.items() if k not in (*_RATES, _DECAY)}
        for c in each
        for group in c.optimizer.param_groups
    ]
    differing = [k for k in found[0] if any(o.get(k) != found[0][k] for o in found)]
    if differing:
        raise InputError(f"its parameter groups or configurations have a {differing[0]} each")
    # what makes an AdamW of an Adam
    always = {"decoupled_weight_decay"} if isinstance(each[0].optimizer, torch.optim.AdamW) else set()
    return {k: v for k, v in found[0].items() if v is not None and k not in always}


def _groups(one: Configured, module: Any, layout: Layout) -> dict[str, int]:
    number = {id(p): i for i, group in enumerate(one.optimizer.param_groups) for p in group["params"]}
    names = {name: number.get(id(p)) for name, p in module.named_parameters()}
    left_out = [name for name in layout.shapes if names.get(name) is None]
    if left_out:
        raise InputError(f"its optimiser leaves out {left_out[0]}")
    return {name: int(names[name] or 0) for name in layout.shapes}


def _spread(
    rates: NDArray[np.float64], groups: Mapping[str, int], layout: Layout, seeds: int, like: Tensor
) -> Tensor:
    """Return a rate for every number of the flat weights, from one a configuration and group."""
    every = torch.as_tensor(rates, dtype=like.dtype, device=like.device).repeat(seeds, 1)
    return layout.flat(
        {
            name: every[:, groups[name]].view(-1, *[1] * len(shape)).expand(-1, *shape)
            for name, shape in layout.shapes.items()
        }
    )
