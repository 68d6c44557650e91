"""Whether replicates of a user's module can be trained together, by training a few both ways."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lossearch._random import stream
from lossearch.space import Point
from lossearch.tasks.own_module import OwnModule
from lossearch.training.contract import Outcome, Replicate, ReplicateResult, TrainingCall, TrainSettings
from lossearch.training.own_module.packages import overrides, package_of
from lossearch.training.own_module.population import ModulePopulation
from lossearch.training.own_module.train import module_of, train_module
from lossearch.training.trainer import contained, device_of, first_sentence, fit, make_trainer, seconds_of

if TYPE_CHECKING:
    from lossearch.training.population.module import PopulationModule

UNDERSTOOD = frozenset(
    {
        "accelerator", "devices", "precision", "gradient_clip_val", "enable_progress_bar",
        "enable_model_summary", "enable_checkpointing", "num_sanity_val_steps", "limit_train_batches",
        "limit_val_batches", "limit_test_batches", "deterministic", "log_every_n_steps", "default_root_dir",
    }
)  # fmt: skip
"""Arguments of a Trainer that mean the same, or nothing, where replicates are trained together."""
HARMLESS = (
    "on_validation_epoch_start", "on_validation_epoch_end", "on_validation_start", "on_validation_end",
    "on_validation_batch_start", "on_validation_batch_end", "on_test", "on_predict", "on_save_checkpoint",
    "on_load_checkpoint", "on_fit_end", "on_train_end", "on_validation_model",
)  # fmt: skip
"""Hooks, or what their names begin with, that do not change how a module is trained."""
STEPS_OWN = (
    "backward", "optimizer_step", "optimizer_zero_grad", "lr_scheduler_step", "configure_gradient_clipping",
    "transfer_batch_to_device", "configure_model", "toggle_optimizer", "setup",
)  # fmt: skip
"""Methods that, overridden, make a training of their own."""
STEPS = 3
"""Steps an epoch after which both ways are compared."""
CLOSE = {"64-true": 1e-6, "32-true": 2e-3}
"""Relative difference of losses that rounding explains after so few steps."""
COPIES = 8
"""Configurations by which the cost of one is measured."""
LEAST = 1.2
"""How many times as fast training together must be."""


def obstacle_to_batching_module(
    call: TrainingCall, own: OwnModule, seeds: Sequence[int], settings: TrainSettings
) -> str | None:
    """Return why replicates of the user's module cannot be trained together, None where they can."""
    strange = [name for name, value in own.trainer.items() if name not in UNDERSTOOD and value]
    if strange:
        return f"trainer_kwargs has {strange[0]}"
    if settings.precision not in CLOSE or own.trainer.get("precision", settings.precision) not in CLOSE:
        return f"its precision is {own.trainer.get('precision', settings.precision)}"
    with contained(stream(seeds[0], "fitness"), 1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _overridden(call, own, seeds[0], settings) or _compared(call, own, seeds[:2], settings)
        except Exception as error:  # noqa: BLE001 - whatever batching the user's module raises is the reason
            return f"{own.title} cannot be batched ({type(error).__name__}: {first_sentence(error)})"


def _overridden(call: TrainingCall, own: OwnModule, seed: int, settings: TrainSettings) -> str | None:
    """Return which hook or optimisation of a module's own stands in the way."""
    point = _points(call)[0]
    module, _ = module_of(call, own, Replicate(point, seed), settings.of(point))
    package = package_of(module, own.name)
    if not module.automatic_optimization:
        return f"{own.title} optimises by hand"
    data = own.data({})
    for of, base in ((module, package.LightningModule), (data, package.LightningDataModule)):
        for name in _hooks(base):
            if overrides(of, name, base) and not (of is data and name == "setup"):
                return f"{type(of).__name__} overrides {name}"
    return None


def _hooks(base: Any) -> Iterator[str]:
    for name in dir(base):
        hook = name.startswith("on_") and callable(getattr(base, name)) and not name.startswith(HARMLESS)
        if (hook and name != "on_gpu") or (name in STEPS_OWN and hasattr(base, name)):
            yield name


def _points(call: TrainingCall) -> list[Point]:
    """Return a point of each of the first two pairs, or two of one, apart in rate and parameters."""
    space = call.space
    names = space.names[:2] if len(space.names) > 1 else (*space.names, *space.names)
    found = []
    for share, name in zip((0.4, 0.6), names, strict=True):
        values = {d.name: d.choices[0] if d.choices else _at(d, share) for d in space.dimensions(name)}
        found.append(space.point(name, values))
    return found


def _at(dimension: Any, share: float) -> float | int:
    low, high = dimension.low, dimension.high
    value = low ** (1 - share) * high**share if dimension.log else low + share * (high - low)
    return round(value) if dimension.integer else float(value)


def _compared(
    call: TrainingCall, own: OwnModule, seeds: Sequence[int], settings: TrainSettings
) -> str | None:
    few = replace(own, trainer={**own.trainer, "limit_train_batches": STEPS})
    short = replace(settings, epochs=2, epoch="last")
    task = replace(call.task, module=few)
    tried = replace(call, task=task, keep_weights=False, prune=None, stop=lambda: False)
    points = sorted(_points(call), key=lambda p: p.pair)
    alone, precision = _alone(tried, few, points, seeds, short)
    if isinstance(alone, str):
        return alone
    short = replace(short, precision=precision)
    together = _together(tried, points, seeds, short)
    for replicate, one in alone.items():
        other = together.get(replicate)
        reason = _difference(one, other, CLOSE[precision])
        if reason is not None:
            return f"batched and alone {own.title} {reason}"
    return _slow(tried, few, points, seeds, replace(short, precision=settings.precision))


Results = Mapping[Replicate, ReplicateResult]


def _alone(
    call: TrainingCall, own: OwnModule, points: Sequence[Point], seeds: Sequence[int], settings: TrainSettings
) -> tuple[Results | str, str]:
    """Return what each replicate comes to alone, in float64 where it can be trained so, and the precision."""
    fixed = "precision" in own.trainer
    for precision in (settings.precision,) if fixed else ("64-true", settings.precision):
        try:
            found = {
                r: train_module(call, own, r, replace(settings, precision=precision))
                for r in (Replicate(p, s) for p in points for s in seeds)
            }
        except Exception as error:
            if precision == settings.precision:
                raise
            del error
            continue
        return {r: one for r, one in found.items() if one is not None}, precision
    raise AssertionError("one of the precisions returns or raises")


def _together(
    call: TrainingCall, points: Sequence[Point], seeds: Sequence[int], settings: TrainSettings
) -> Results:
    module = _trained(call, points, seeds, settings)
    found = {}
    for s, seed in enumerate(seeds):
        for c, point in enumerate(points):
            outcome, reason = module.outcome_of(s, c)
            curves = {n: v[s, c] for n, v in module.curves.items() if c not in module.lacking.get(n, set())}
            found[Replicate(point, seed)] = ReplicateResult(
                Replicate(point, seed), outcome, curves, 0.0, reason
            )
    return found


def _trained(
    call: TrainingCall, points: Sequence[Point], seeds: Sequence[int], settings: TrainSettings
) -> PopulationModule:
    population = ModulePopulation(call, points, seeds, settings, device_of(settings))
    from lossearch.training.population.module import PopulationModule

    module = PopulationModule(population, [None] * len(points))
    fit(make_trainer(settings, automatic=False), module, range(1))
    return module


def _difference(one: ReplicateResult, other: ReplicateResult | None, close: float) -> str | None:
    if other is None or one.outcome is not other.outcome:
        return "does not end in the same way"
    if one.outcome is not Outcome.COMPLETED:
        return None
    for name in ("train_loss", "val_loss"):
        if name in one.curves and name in other.curves:
            x, y = one.curves[name], other.curves[name]
            if not np.allclose(x, y, rtol=close, atol=close * max(1.0, float(np.abs(x).max()))):
                return f"does not come to the same {name.replace('_', ' ').replace('val', 'validation').replace('train', 'training')}"
    return None


def _slow(
    call: TrainingCall, own: OwnModule, points: Sequence[Point], seeds: Sequence[int], settings: TrainSettings
) -> str | None:
    """Return how little training together saves where it is not worth it."""
    device = device_of(settings)
    alone = seconds_of(lambda: train_module(call, own, Replicate(points[0], seeds[0]), settings), device)
    many = sorted(
        [replace(p, lr=p.lr * (1 + 1e-9 * i)) for i in range(COPIES) for p in points], key=lambda p: p.pair
    )
    whole = seconds_of(lambda: _trained(call, many, seeds, settings), device)
    together = whole / (len(many) * len(seeds))
    times = alone / max(together, 1e-9)
    return f"batching saves too little ({times:.1f} times)" if times < LEAST else None
