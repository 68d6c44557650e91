"""Optimisers with a learning rate for every replicate, over one flat tensor."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from lossearch.training.optimizers import OPTIMIZERS


class PerReplicate(torch.optim.Optimizer):
    """Base: a flat tensor of weights, and ``rates`` laid out like it, one learning rate a replicate.

    ``factor``, the schedule's, multiplies every rate.

    ``laid_out`` names the attributes that hold other tensors laid out like the weights.
    """

    laid_out: ClassVar[tuple[str, ...]] = ()

    def __init__(self, flat: Tensor, rates: Tensor, options: Mapping[str, Any]) -> None:
        super().__init__([flat], {"lr": 1.0})
        self.flat = flat
        self.rates = rates
        self.factor = 1.0
        self.options = dict(options)
        self.steps = 0

    def update(self, gradient: Tensor) -> None:
        """Take one step along a gradient laid out like the weights. May change ``gradient``."""
        raise NotImplementedError

    def select(self, pick: Callable[[Tensor], Tensor]) -> None:
        """Keep some replicates' state only: ``pick`` returns their part of a tensor laid out like the weights."""
        for name in ("rates", *self.laid_out):
            tensor = getattr(self, name, None)
            if tensor is not None:
                # the same object, so that whatever holds it sees the change
                tensor.data = pick(tensor)

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step with the gradient in ``flat.grad``."""
        loss = closure() if closure is not None else None
        with torch.no_grad():
            if self.flat.grad is not None:
                self.update(self.flat.grad)
        return loss


class SGD(PerReplicate):
    """Stochastic gradient descent with momentum, dampening, Nesterov and coupled weight decay."""

    laid_out = ("velocity",)

    def update(self, gradient: Tensor) -> None:
        """Take one step, as torch.optim.SGD does."""
        o = self.options
        momentum, decay = o.get("momentum", 0.0), o.get("weight_decay", 0.0)
        if decay:
            gradient.add_(self.flat, alpha=decay)
        if momentum:
            if self.steps == 0:
                self.velocity = gradient.clone()
            elif dampening := o.get("dampening", 0.0):
                self.velocity.mul_(momentum).add_(gradient, alpha=1 - dampening)
            else:
                # one pass over memory, which large networks wait for
                torch.add(gradient, self.velocity, alpha=momentum, out=self.velocity)
            if o.get("nesterov", False):
                gradient.add_(self.velocity, alpha=momentum)
            else:
                gradient = self.velocity
        self.steps += 1
        self.flat.addcmul_(self.rates, gradient, value=-self.factor)


class Adam(PerReplicate):
    """Adam (Kingma & Ba 2015), and AdamW (Loshchilov & Hutter 2019) where decay is decoupled."""

    laid_out = ("mean", "square", "scratch")

    def __init__(self, flat: Tensor, rates: Tensor, options: Mapping[str, Any], *, decoupled: bool) -> None:
        super().__init__(flat, rates, options)
        self.decoupled = decoupled
        self.mean = torch.zeros_like(flat)
        self.square = torch.zeros_like(flat)
        self.scratch = torch.empty_like(flat)

    def update(self, gradient: Tensor) -> None:
        """Take one step, as torch.optim.Adam does."""
        o = self.options
        beta1, beta2 = o.get("betas", (0.9, 0.999))
        decay = o.get("weight_decay", 1e-2 if self.decoupled else 0.0)
        if decay and self.decoupled:
            self.flat.addcmul_(self.flat, self.rates, value=-decay * self.factor)
        elif decay:
            gradient.add_(self.flat, alpha=decay)
        self.steps += 1
        self.mean.lerp_(gradient, 1 - beta1)
        self.square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        torch.sqrt(self.square, out=self.scratch)
        self.scratch.div_(math.sqrt(1 - beta2**self.steps)).add_(o.get("eps", 1e-8))
        torch.div(self.mean, self.scratch, out=self.scratch)
        self.flat.addcmul_(self.scratch, self.rates, value=-self.factor / (1 - beta1**self.steps))


class Scaled(PerReplicate):
    """Any optimiser whose step is proportional to its learning rate.

    It steps at rate 1 from zero, which gives the direction without rounding against the weights, and
    each replicate goes along it by its own rate. Coupled weight decay is added to the gradient here.
    """

    laid_out = ("direction",)

    def __init__(
        self, flat: Tensor, rates: Tensor, options: Mapping[str, Any], *, make: type[torch.optim.Optimizer]
    ) -> None:
        super().__init__(flat, rates, options)
        self.direction = torch.zeros_like(flat)
        inner = {k: v for k, v in options.items() if k != "weight_decay"}
        self.inner = make([self.direction], lr=1.0, **inner)  # type: ignore[call-arg]  # every subclass takes lr

    def select(self, pick: Callable[[Tensor], Tensor]) -> None:
        """Keep some replicates' state only, the inner optimiser's too."""
        for value in self.inner.state[self.direction].values():
            if isinstance(value, Tensor) and value.shape == self.direction.shape:
                value.data = pick(value)
        self.direction.grad = None
        super().select(pick)

    def update(self, gradient: Tensor) -> None:
        """Take one step along the inner optimiser's direction."""
        decay = self.options.get("weight_decay", 0.0)
        if decay:
            gradient.add_(self.flat, alpha=decay)
        self.direction.grad = gradient
        self.inner.step()
        self.steps += 1
        self.flat.addcmul_(self.rates, self.direction, value=self.factor)
        self.direction.zero_()


UNSUPPORTED_OPTIONS = (
    "amsgrad",
    "decoupled_weight_decay",
    "maximize",
    "differentiable",
    "capturable",
    "fused",
)


def supported(name: str, options: Mapping[str, Any]) -> bool:
    """Return whether a population can use an optimiser with these options."""
    return OPTIMIZERS[name].linear and not any(options.get(o) for o in UNSUPPORTED_OPTIONS)


WRITTEN_OUT: Mapping[type[torch.optim.Optimizer], Callable[..., PerReplicate]] = {
    torch.optim.SGD: SGD,
    torch.optim.Adam: partial(Adam, decoupled=False),
    torch.optim.AdamW: partial(Adam, decoupled=True),
}
"""Optimisers with a form of their own here, because it is faster; any other takes the form of :class:`Scaled`."""


def per_replicate(name: str, flat: Tensor, rates: Tensor, options: Mapping[str, Any]) -> PerReplicate:
    """Return the optimiser of that name over a population's weights."""
    make = OPTIMIZERS[name].make
    return WRITTEN_OUT.get(make, partial(Scaled, make=make))(flat, rates, options)
