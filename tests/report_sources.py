"""Records of made-up studies, as complete as real ones, for the tests of reports."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from contracts.records import example_study_record

from lossearch.kinds import KINDS, Predictions
from lossearch.metrics.registry import METRICS
from lossearch.pairs import Rejection
from lossearch.records.confirmations import Confirmation, Confirmed
from lossearch.records.evidence import Evidence
from lossearch.records.study import SpaceRecord, StudyRecord, TaskRecord
from lossearch.records.trial import TrialRecord
from lossearch.report import frames
from lossearch.report.sources import Sources
from lossearch.space import Point
from lossearch.training.contract import Outcome
from lossearch.verdict.decision import judge

RATES = (0.001, 0.01, 0.1, 0.3, 1.0)
SEEDS, FRESH, ROWS, EPOCHS = 3, 5, 60, 6

PAIRS = {
    "binary": ("bce/sigmoid", "focal/sigmoid", "hinge/identity"),
    "multiclass": ("cross_entropy/softmax", "focal_ce/softmax", "hinge/identity"),
    "regression": ("mse/identity", "huber/identity", "mae/identity"),
}


@dataclass(frozen=True)
class Study:
    """What a made-up study is like."""

    kind: str = "binary"
    name: str = "study"
    pairs: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    metric: str = ""
    notes: tuple[str, ...] = ("a note",)

    @property
    def names(self) -> tuple[str, ...]:
        return self.pairs or PAIRS[self.kind]

    @property
    def judge(self) -> str:
        return self.metric or ("rmse" if self.kind == "regression" else "accuracy")

    @property
    def direction(self) -> str:
        return METRICS[self.judge].direction


def sources(study: Study, *, confirmed: bool = True, curves: bool = True) -> Sources:
    """Return the records of a study, with or without its confirmation and its curves."""
    records = _records(study)
    recorded = _recorded(study)
    board = frames.search_leaderboard(
        records,
        direction=study.direction,
        metric=study.judge,
        pairs=study.names,
        conventional=recorded.conventional,
        searched=recorded.space.pairs,
    )
    found = Sources(recorded, records, board, _curves(study, records) if curves else pd.DataFrame())
    if not confirmed:
        return found
    evidence = _evidence(study)
    confirmation = _confirmed(study, records)
    verdict = judge(
        evidence,
        direction=study.direction,
        conventional=recorded.conventional,
        search_scores={c.point.pair: c.search for c in confirmation.confirmations},
        validation_scores={c.point.pair: c.scores[f"val_{study.judge}"] for c in confirmation.confirmations},
        draws=200,
    )
    return Sources(recorded, records, board, found.curves, verdict, evidence, confirmation)


def _worth(study: Study, place: int, lr: float) -> float:
    """A score with its best learning rate at 0.1, falling from pair to pair."""
    good = 0.9 - 0.02 * place - 0.05 * np.log10(lr / 0.1) ** 2
    return float(good if study.direction == "maximize" else 100 * (1 - good))


def _records(study: Study) -> list[TrialRecord]:
    found = []
    for place, pair in enumerate(study.names):
        own = (("gamma", 2.0),) if pair.startswith("focal/") else ()
        for lr in RATES:
            value = _worth(study, place, lr)
            bad = lr == 1.0 and place == 2
            found.append(
                TrialRecord(
                    len(found), "cover", Point(pair, lr, own), "zero_one", tuple(range(SEEDS)),
                    Outcome.DIVERGED if bad else Outcome.COMPLETED, value, EPOCHS,
                    scores={f"val_{study.judge}": value, "val_loss": 0.4},
                    spread={f"val_{study.judge}": abs(value) * 0.01},
                    n_diverged=SEEDS if bad else 0, seconds=1.0,
                )
            )  # fmt: skip
    return found


def _curves(study: Study, records: list[TrialRecord]) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {
            "trial": r.number, "pair": r.point.pair, "lr": r.point.lr, "seed": s, "epoch": e, "outcome": "completed",
            "train_loss": 1 / e, "val_loss": 1.1 / e,
            f"train_{study.judge}": r.value, f"val_{study.judge}": r.value + 0.01 * rng.normal(),
        }
        for r in records for s in r.seeds for e in range(1, EPOCHS + 1)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _recorded(study: Study) -> StudyRecord:
    gamma = {"focal.gamma": {"low": 0.0, "high": 5.0, "log": False, "integer": False}}
    pairs = {p: gamma if p.startswith("focal/") else {} for p in study.names}
    base = example_study_record(study.name, "abc123")
    return replace(
        base,
        task=TaskRecord(
            name="data", kind=study.kind, data="d1", metric=study.judge, direction=study.direction,
            rows={"train": 100, "validation": 30, "test": ROWS},
        ),
        space=SpaceRecord(kind=study.kind, lr=(0.001, 1.0), pairs=pairs),
        search=replace(base.search, seeds=SEEDS),
        train=replace(base.train, epochs=EPOCHS),
        conventional=KINDS[study.kind].conventional,
        min_trials=2,
        classes=study.classes,
        versions={"python": "3.11.7", "torch": "2.11"},
        git_revision=None,
        rejections=(Rejection("hinge/sigmoid", "Out of range.", "Use tanh."),),
        notes=study.notes,
    )  # fmt: skip


def _evidence(study: Study) -> Evidence:
    rng = np.random.default_rng(1)
    count = max(len(study.classes), 3)
    if study.kind == "regression":
        target = torch.from_numpy(rng.normal(size=(ROWS, 1)) * 10)
    elif study.kind == "binary":
        target = torch.from_numpy(rng.integers(0, 2, (ROWS, 1))).double()
    else:
        target = torch.from_numpy(np.arange(ROWS) % count)
    predictions = {
        pair: [_predicted(study, pair, target, 0.8 + 0.3 * place, count, rng) for _ in range(FRESH)]
        for place, pair in enumerate(study.names)
    }
    return Evidence(
        kind=study.kind,
        metric=METRICS[study.judge],
        part="test",
        seeds=tuple(range(FRESH)),
        target=target,
        rows=[np.arange(ROWS)] * FRESH,
        predictions=predictions,
        diverged={p: np.array([i == 0 and p == study.names[-1] for i in range(FRESH)]) for p in study.names},
        constants=np.full(FRESH, 10.0 if study.kind == "regression" else 0.5),
    )


def _predicted(study, pair, target, noise, count, rng):
    if study.kind == "regression":
        return Predictions(value=target + torch.from_numpy(rng.normal(size=target.shape)) * 3 * noise)
    with_probability = "hinge" not in pair
    if study.kind == "binary":
        raw = (2 * target[:, 0] - 1) + torch.from_numpy(rng.normal(size=ROWS)) * noise
        p = torch.sigmoid(2 * raw)
        return Predictions((raw > 0).long(), p if with_probability else None, raw, codes=(0.0, 1.0))
    raw = 2 * torch.nn.functional.one_hot(target, count).double()
    raw = raw + torch.from_numpy(rng.normal(size=raw.shape)) * noise
    p = raw.softmax(dim=1)
    return Predictions(raw.argmax(dim=1), p if with_probability else None, raw)


def _confirmed(study: Study, records: list[TrialRecord]) -> Confirmed:
    best = frames.best_records(records, direction=study.direction)
    other = "mae" if study.kind == "regression" else "f1_macro"
    found = []
    for pair in study.names:
        value = float(best[pair].value)
        scores = {
            f"{part}_{metric}": tuple(value + 0.001 * s for s in range(FRESH))
            for part in ("test", "val")
            for metric in (study.judge, other)
        }
        found.append(
            Confirmation(
                best[pair].point, "zero_one", best[pair].number, value, EPOCHS, f"test_{study.judge}",
                tuple(range(FRESH)), (Outcome.COMPLETED,) * FRESH, scores, ("label",),
            )
        )  # fmt: skip
    return Confirmed(
        "test", study.judge, tuple(range(FRESH)), {"test": {}}, tuple(found), {"mae/tanh": "too few"}
    )
