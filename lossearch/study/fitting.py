"""Fitted models of a study: made of a replicate's weights, trained anew, kept in its directory."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from lossearch._trust import NONE, Trust
from lossearch.errors import InputError, RunFailedError
from lossearch.kinds import TargetStatistics
from lossearch.losses import Loss
from lossearch.model import FittedModel, Origin, load_model
from lossearch.model.own_module import CARD as MODULE_CARD
from lossearch.model.own_module import FittedModule
from lossearch.model.saved import CARD
from lossearch.networks.architecture import Architecture
from lossearch.pairs import Pair
from lossearch.records.damage import missing
from lossearch.records.environment import versions
from lossearch.space import Point
from lossearch.study.plan import Plan
from lossearch.study.seeds import confirm_seeds
from lossearch.tasks.blueprint import Blueprint
from lossearch.tasks.task import Fold
from lossearch.tasks.weights import class_weights
from lossearch.training.contract import Outcome, Replicate, ReplicateResult, TrainingMethod

FOLDER = "models"
PARTS = ("train", "train+validation")
"""What a model can be fitted on."""

ATTEMPTS = 3
"""Seeds that are tried where a replicate diverges."""


@dataclass(frozen=True)
class Fitting:
    """Makes models of one study's replicates; ``whole`` says whether validation rows are trained on too."""

    plan: Plan
    whole: bool = False

    @property
    def _blueprint(self) -> Blueprint:
        found = self.plan.task.blueprint
        if found is None:
            raise InputError(
                f"The inputs of {self.plan.task.name} are prepared by no means that could be kept, so there is no "
                "model to fit. Give data as arrays, a table or a file."
            )
        return found

    @property
    def _parts(self) -> str:
        return PARTS[self.whole]

    def _fold(self, seed: int) -> Fold:
        return self._blueprint.whole(seed) if self.whole else self.plan.task.fold(seed)

    def model(self, result: ReplicateResult) -> FittedModel:
        """Return the model of a trained replicate that has weights.

        Raises:
            InputError: the study's task has no blueprint of a model.
        """
        plan, blueprint, seed = self.plan, self._blueprint, result.replicate.seed
        point, n_out = with_definition(result.replicate.point, plan), plan.task.n_out
        pair = plan.space.pair_of(point)
        architecture = Architecture.of(blueprint.network, pair.body_width(n_out), seed)
        network = pair.ended(architecture.build(blueprint.network.factory), n_out)
        network.load_state_dict(dict(result.weights or {}))
        fold, settings = self._fold(seed), plan.settings.of(point)
        return FittedModel(
            point,
            network,
            architecture,
            _read_by(pair, fold.statistics),
            blueprint.inputs(seed, self.whole),
            blueprint.labels,
            n_out,
            self._origin(result, len(fold.train)),
            class_weights(plan.task, fold, settings.class_weight, settings.pos_weight),
            blueprint.shape,
        )

    def _origin(self, result: ReplicateResult, rows: int) -> Origin:
        plan = self.plan
        judged = result.curves.get(f"val_{plan.task.metric.name}")
        name = f"validation {plan.task.metric.name}"
        scores = {} if judged is None or self.whole else {name: float(judged[(result.kept_epoch or 0) - 1])}
        return Origin(
            study=plan.name,
            digest=plan.digest(),
            task=plan.task.name,
            target=plan.task.target,
            seed=result.replicate.seed,
            epoch=result.kept_epoch or 0,
            trained_on=self._parts,
            rows=rows,
            optimizer=plan.settings.optimizer,
            metric=plan.task.metric.name,
            scores=scores,
            versions=versions(),
        )

    def train(self, train: TrainingMethod, point: Point, epoch: int) -> FittedModel:
        """Return a model trained now, to the end of ``epoch``, under the first fresh seed that does not diverge.

        Raises:
            RunFailedError: every seed tried diverged, or training failed.
        """
        return self.model(self.trained(train, point, epoch))

    def trained(self, train: TrainingMethod, point: Point, epoch: int) -> ReplicateResult:
        """Return the result, with weights, of what :meth:`train` trains."""
        plan = self.plan
        task = replace(plan.task, fold=self._fold) if self.whole else plan.task
        reason = ""
        for seed in confirm_seeds(plan.budget.seed, ATTEMPTS, plan.budget.seeds):
            replicate = Replicate(with_definition(point, plan), seed, epoch)
            result = next(train(task, plan.space, [replicate], plan.settings, keep_weights=True))
            if result.outcome is Outcome.COMPLETED and result.weights is not None:
                return result
            reason = result.reason
            if result.outcome is Outcome.FAILED:
                break
        raise RunFailedError(
            f"{point.pair} at lr {point.lr:.3g} could not be fitted on {self._parts}: {reason}"
        )


def with_definition(point: Point, plan: Plan) -> Point:
    """Return a point that knows its pair."""
    return replace(point, definition=plan.space.pair_of(point))


def folder_of(study: Path, pair: str) -> Path:
    """Return where a pair's model is kept in a study's directory."""
    return study / FOLDER / pair.replace("/", "--")


def fitted_module(plan: Plan, result: ReplicateResult) -> FittedModule | None:
    """Return the trained module of a replicate, None where its weights were not kept."""
    own = plan.task.module
    if own is None or result.weights is None:
        return None
    point, seed = with_definition(result.replicate.point, plan), result.replicate.seed
    fold, settings = plan.task.fold(seed), plan.settings.of(point)
    searched = {k: v for k, v in point.settings.items() if k in own.settings}
    return FittedModule(
        point,
        plan.task.kind,
        own.name,
        {k: v for k, v in {**own.args, **searched}.items() if isinstance(v, (str, int, float, bool))},
        own.criterion,
        own.lr,
        _read_by(plan.space.pair_of(point), fold.statistics),
        class_weights(plan.task, fold, settings.class_weight, settings.pos_weight),
        seed,
        result.kept_epoch or 0,
        result.weights,
    )


def _read_by(pair: Pair, statistics: TargetStatistics) -> TargetStatistics:
    """Return the statistics without counts of classes, where the pair's loss does not read them."""
    return statistics if "class_counts" in pair.loss.statistics else replace(statistics, class_counts=())


def save_pair_model(study: Path, model: FittedModel | FittedModule) -> Path:
    """Keep a pair's model in a study's directory, in place of the one before."""
    folder = folder_of(study, model.point.pair)
    shutil.rmtree(folder, ignore_errors=True)
    return model.save(folder)


def load_pair_model(
    study: Path,
    point: Point,
    epoch: int,
    *,
    model: Callable[..., nn.Module] | None = None,
    losses: Sequence[Loss] = (),
    trust: Trust = NONE,
) -> FittedModel | None:
    """Return the model kept of a point trained to the end of an epoch, None where there is none.

    Raises:
        InputError: it needs a network or loss of the user's own, which is neither given nor trusted.
        StoreError: it is damaged.
    """
    folder = folder_of(study, point.pair)
    if not folder.exists() or (folder / MODULE_CARD).exists():
        return None
    if not (folder / CARD).exists():
        raise missing(folder / CARD)
    found = load_model(folder, model=model, losses=losses, trust=trust)
    return found if found.point == point and found.origin.epoch == epoch else None
