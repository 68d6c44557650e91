"""The steps of a user's module for many replicates at once: what is handed in under vmap, and what comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
import torchmetrics
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._pytree import tree_leaves, tree_map

from lossearch._random import seed_draws
from lossearch.errors import InputError
from lossearch.kinds import KINDS, TargetForm
from lossearch.pairs.shapes import lifted
from lossearch.training.own_module.criterion import Calls, RecordingCriterion
from lossearch.training.own_module.loaders import step_arguments
from lossearch.training.own_module.predicting import Given, predicted
from lossearch.training.population.dropout import SharedDropout

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class State:
    """Parameters and buffers of replicates, each stacked over them."""

    parameters: Tensors
    buffers: Tensors

    def each(self, change: Callable[[Tensor], Tensor]) -> State:
        """Return it with every tensor changed in one way."""
        return State(
            {n: change(t) for n, t in self.parameters.items()},
            {n: change(t) for n, t in self.buffers.items()},
        )


class BatchedCriterion(RecordingCriterion):
    """A criterion under vmap: it takes targets that were checked before, and parameters that are tensors."""

    def _canonical(self, raw_output: Tensor, raw_target: Tensor) -> tuple[Tensor, Tensor]:
        kind = KINDS[self.pair.kind]
        raw, form = lifted(kind.flat(raw_output)), kind.form
        target = raw_target if form is TargetForm.INDEX else kind.flat(raw_target)
        target = target.clamp(min=0) if form is TargetForm.ZERO_ONE else target
        if self.calls is not None:
            self.calls.met.append((raw, target))
        return raw, target

    def _checked_weights(self, sample_weight: Tensor, rows: int) -> Tensor:
        return sample_weight


class _Collecting:
    """A module whose log keeps tensors instead. Joined with the class of the user's module."""

    _logged: dict[str, Tensor]

    def log(self, name: str, value: Any, *_: Any, **__: Any) -> None:
        """Keep what is logged, where it is a tensor."""
        if isinstance(value, Tensor):
            self._logged[name] = value.detach()

    def log_dict(self, dictionary: Mapping[str, Any], *_: Any, **__: Any) -> None:
        """Keep each of them."""
        for name, value in dictionary.items():
            self.log(name, value)

    def print(self, *_: Any, **__: Any) -> None:
        """Say nothing."""


class _SilentMetric(nn.Module):
    """Stands for a metric object, which would keep what it is given; what it gives means nothing."""

    def forward(self, *_: Any, **__: Any) -> Tensor:
        return torch.zeros(())

    def update(self, *_: Any, **__: Any) -> None:
        """Keep nothing."""

    def compute(self) -> Tensor:
        """Return nothing of meaning."""
        return torch.zeros(())

    def reset(self) -> None:
        """Keep nothing."""


@dataclass
class StepTrainer:
    """What a module may ask its Trainer while it is trained together with others."""

    max_epochs: int
    num_training_batches: int
    datamodule: Any
    lightning_module: Any = None
    current_epoch: int = 0
    global_step: int = 0
    training: bool = True
    sanity_checking: bool = False
    logger: Any = None
    loggers: Sequence[Any] = ()
    world_size: int = 1
    global_rank: int = 0
    is_global_zero: bool = True
    gradient_clip_val: Any = None
    callback_metrics: Mapping[str, Tensor] = field(default_factory=dict)
    max_steps: int = -1
    accumulate_grad_batches: int = 1
    optimizers: Sequence[Any] = ()

    @property
    def estimated_stepping_batches(self) -> int:
        """The steps of the whole training."""
        return self.max_epochs * self.num_training_batches

    @property
    def model(self) -> Any:
        """The module."""
        return self.lightning_module

    @property
    def log_every_n_steps(self) -> int:
        """As a Trainer has it."""
        return 50


def template(module: Any, trainer: Any) -> Any:
    """Return a module whose steps can run under vmap: it logs into a dict, and its metric objects keep nothing."""
    of = type(module)
    module.__class__ = type(of.__name__, (_Collecting, of), {"__module__": of.__module__})
    module._logged = {}  # noqa: SLF001 - of our class
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, (torchmetrics.Metric, torchmetrics.MetricCollection)):
                setattr(parent, name, _SilentMetric())
    module.trainer = trainer
    return module


class _Call(nn.Module):
    """Calls a step of a module, so that ``functional_call`` reaches it."""

    def __init__(self, module: Any, step: Callable[[Any], Any]) -> None:
        super().__init__()
        self.module, self.step = module, step

    def forward(self, *arguments: Any) -> Any:
        return self.step(*arguments)


@dataclass(eq=False)
class Steps:
    """The steps of one pair's module for its replicates.

    ``params`` are the loss's own parameters, one value a configuration, (c,).
    """

    module: Any
    criterion: BatchedCriterion
    params: Tensors
    predicts: Given | None = None
    apart: bool | None = None
    """Whether every configuration is handed a batch of its own; None where that is not known yet."""

    def _called(self, step: Callable[..., Any], tensors: tuple[Tensors, ...], batch: Any, index: int) -> Any:
        """Return what a step of the module gives with these tensors in their places."""
        self.module._logged = {}  # noqa: SLF001 - of our class
        named = {f"module.{name}": tensor for of in tensors for name, tensor in of.items()}
        return functional_call(_Call(self.module, step), named, step_arguments(step, batch, index))

    def _loss(self, parameters: Tensors, buffers: Tensors, params: Tensors, batch: Any, index: int) -> Tensor:
        self.criterion.params = cast("dict[str, Any]", dict(params))
        found = self._called(self.module.training_step, (parameters, buffers), batch, index)
        loss = found.get("loss") if isinstance(found, Mapping) else found
        if not isinstance(loss, Tensor):
            raise InputError("training_step returns no loss")
        return loss.squeeze()

    def losses(self, state: State, batches: Any, index: int, seeds: Sequence[int] | None) -> Tensor:
        """Return the losses (S, c) of one step.

        Args:
            state: (S, c, ...); buffers that a step changes are changed.
            batches: of every seed, (S, B, ...).
            index: the number of the batch.
            seeds: what each seed's random layers are seeded with; None where nothing is drawn.
        """

        def one(parameters: Tensors, buffers: Tensors, params: Tensors, batch: Any) -> Tensor:
            return self._loss(parameters, buffers, params, batch, index)

        def drawing(parameters: Tensors, buffers: Tensors, params: Tensors, batch: Any) -> Tensor:
            with SharedDropout(next(iter(parameters.values()))):
                return one(parameters, buffers, params, batch)

        if seeds is None:
            return self._of_all(one, state, batches)
        over = torch.vmap(drawing, in_dims=(0, 0, 0, None), randomness="same")
        every = []
        for s, seed in enumerate(seeds):
            # its random layers draw what the replicate alone would draw
            seed_draws(seed)
            own = state.each(lambda t, s=s: t[s])  # type: ignore[misc]
            batch = tree_map(lambda t, s=s: t[s], batches)
            every.append(over(own.parameters, own.buffers, self.params, batch))
        return torch.stack(every)

    def _of_all(self, one: Callable[..., Tensor], state: State, batches: Any) -> Tensor:
        """Return the losses (S, c) of one step in one call, in which configurations share their seed's batch.

        Some operations have no rule for a batch that is shared so (torch 2.13: ``mse_loss``): then each has its own.
        """
        if not self.apart:
            kept = {n: t.clone() for n, t in state.buffers.items()} if self.apart is None else {}
            shared = torch.vmap(one, in_dims=(0, 0, 0, None), randomness="error")
            try:
                found: Tensor = torch.vmap(shared, in_dims=(0, 0, None, 0), randomness="error")(
                    state.parameters, state.buffers, self.params, batches
                )
            except RuntimeError:
                if self.apart is False:
                    raise
                self.apart = True
                for name, before in kept.items():
                    state.buffers[name].copy_(before)
            else:
                self.apart = False
                return found
        count = next(iter(state.parameters.values())).shape[1]
        params = {n: v.expand(len(tree_leaves(batches)[0]), -1) for n, v in self.params.items()}
        own = tree_map(lambda t: t.unsqueeze(1).expand(-1, count, *t.shape[1:]), batches)
        each = torch.vmap(torch.vmap(one, randomness="error"), randomness="error")
        losses: Tensor = each(state.parameters, state.buffers, params, own)
        return losses

    def _predicted(self, batch: Any) -> Calls:
        assert self.predicts is not None  # noqa: S101 - asked before
        return predicted(self.module, self.criterion, batch, self.predicts)

    def outputs(
        self, state: State, params: Tensors, batch: Any, index: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return raw output (K, N, n_out) of a validation batch that all share, and what is logged of it, (K,) each.

        ``state`` and ``params`` are of K replicates.
        """
        logged: list[str] = []

        def one(parameters: Tensors, buffers: Tensors, own: Tensors) -> tuple[Tensor, tuple[Tensor, ...]]:
            self.criterion.params = cast("dict[str, Any]", dict(own))
            with self.criterion.recording() as calls:
                self._called(self.module.validation_step, (parameters, buffers), batch, index)
            if not calls.met and not calls.read and self.predicts is not None:
                calls = self._called(self._predicted, (parameters, buffers), batch, index)
            if not calls.met and not calls.read:
                raise InputError("validation_step does not show what it predicts")
            raw = torch.cat([raw for raw, _ in calls.met]) if calls.met else calls.read[-1]
            found: dict[str, Tensor] = self.module._logged  # noqa: SLF001 - of our class
            numbers = {name: value for name, value in found.items() if value.numel() == 1}
            logged[:] = numbers
            return raw, tuple(value.reshape(()) for value in numbers.values())

        raw, values = torch.vmap(one, randomness="error")(state.parameters, state.buffers, params)
        return raw, dict(zip(logged, values, strict=True))
