"""How the MLflow UI shows a study when it is opened: tags of its experiment.

A saved view is an undocumented format of the UI, which lists it by name in its menu of views (seen in 3.17); where
the UI does not know it, it is ignored.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lossearch.records.study import StudyRecord

Json = dict[str, Any]

ROLE = "tags.`lossearch.role`"
RANK = "lossearch.rank"
"""Tag of each pair's best trial: its place among the pairs, of two digits or more."""


@dataclass(frozen=True)
class View:
    """A page of the UI: ``key`` is in its address; ``charts`` tells whether it opens with charts or as a table."""

    key: str
    name: str
    charts: bool = False


PAIRS = View("lossearch-pairs", "1 Pairs, best first")
LEARNING = View("lossearch-curves", "2 Learning curves", charts=True)
RATES = View("lossearch-rates", "3 Learning rates and scores", charts=True)
CONFIRMED = View("lossearch-confirmed", "4 Confirmed pairs")
DIVERGED = View("lossearch-diverged", "5 What diverged")
TRIALS = View("lossearch-trials", "6 All trials")
OVERVIEW = View("lossearch-overview", "Studies, newest first")
"""Of the experiment that has a run a study."""


def experiment_view(study: StudyRecord) -> dict[str, str]:
    """Return the experiment's tags that the UI reads: its kind, its objective, and ready views."""
    return {
        "mlflow.experiment.primaryMetric.name": "score",
        "mlflow.experimentKind": "custom_model_development",
        **{f"mlflow.sharedViewState.{v.key}": saved(v, study.created, of(study)) for v, of in VIEWS.items()},
    }


def saved(view: View, created: float, state: Json) -> str:
    """Return a view as the UI saves it; ``created`` in seconds since 1970."""
    milliseconds = round(1000 * created)
    times = {"createdAt": milliseconds, "updatedAt": milliseconds}
    return json.dumps({"name": view.name, **times, "state": json.dumps(state)})


def page(experiment_id: str, view: View = PAIRS) -> str:
    """Return the part of an MLflow address that opens a study's runs in one of its views."""
    mode = "&compareRunsMode=CHART" if view.charts else ""
    return f"#/experiments/{experiment_id}/runs?viewStateShareKey={view.key}{mode}"


def trials_view(study: StudyRecord) -> Json:
    """Return the table of all trials, best first, with what a reader compares."""
    return _table(study, f"{ROLE} = 'trial'")


def pairs_view(study: StudyRecord) -> Json:
    """Return the table of each pair's best trial, best first, with bars of the scores beside it."""
    bars = _chart("BAR", 0, metricKey="score", selectedMetricKeys=["score"])
    return {
        **_table(study, f"{ROLE} = 'trial' AND tags.`{RANK}` LIKE '%'"),
        **_charts([bars]),
    }


def learning_view(study: StudyRecord) -> Json:
    """Return the learning curves of each pair's best trial, in the score: losses have no common scale."""
    names = [f"curve/val_{study.task.metric}", f"curve/train_{study.task.metric}"]
    lines = [_chart("LINE", i, **_line(name)) for i, name in enumerate(names)]
    return {**pairs_view(study), **_charts(lines)}


def rates_view(study: StudyRecord) -> Json:
    """Return how the score of all trials depends on their learning rate."""
    shown = {"selectedParams": ["loss", "activation"], "selectedMetrics": ["lr_log10", "score"]}
    charts = [
        _chart("SCATTER", 0, xaxis=_axis("lr_log10"), yaxis=_axis("score")),
        _chart("PARALLEL", 1, **shown, showAllRuns=True),
    ]
    return {**trials_view(study), **_charts(charts)}


def confirmed_view(study: StudyRecord) -> Json:
    """Return the table of the confirmed pairs, best first: scores on test rows beside those on validation rows."""
    part = "test" if study.task.rows.get("test") else "val"
    judged = [f"{part}_{study.task.metric}", f"{part}_{study.task.metric}_sd"]
    others = dict.fromkeys([*judged, f"val_{study.task.metric}", f"val_{study.task.metric}_sd"])
    shown = [
        *_columns("metrics", "lr", *others),
        *_columns("params", "pair", "n_seeds"),
    ]
    bars = _chart("BAR", 0, metricKey=judged[0], selectedMetricKeys=[judged[0]])
    return {
        **_table(study, f"{ROLE} = 'confirmation'"),
        "selectedColumns": shown,
        **_charts([bars]),
    }


def diverged_view(study: StudyRecord) -> Json:
    """Return the table of trials of which a replicate diverged or that failed, the most first."""
    return {
        **_table(study, f"{ROLE} = 'trial' AND metrics.n_diverged > 0"),
        "selectedColumns": [
            *_columns("metrics", "lr", "n_diverged", "score"),
            *_columns("params", "n_seeds", "pair"),
            *_columns("tags", "lossearch.state", "lossearch.reason"),
        ],
        "orderByKey": "metrics.`n_diverged`",
        "orderByAsc": False,
    }


def overview_view() -> Json:
    """Return the table of all studies, newest first: what to take for each."""
    return {
        "orderByKey": "attributes.`Created`",
        "orderByAsc": False,
        "searchFilter": "",
        "selectedColumns": [
            *_columns("metrics", "best_score", "gain_over_conventional", "tied_pairs"),
            *_columns("tags", "lossearch.best", "lossearch.kind", "lossearch.metric"),
        ],
        "runsHiddenMode": "SHOW_ALL",
    }


def _table(study: StudyRecord, which: str) -> Json:
    """Return a table of runs, best first, of few columns: the UI orders them by name, and shows three on a laptop."""
    return {
        "searchFilter": which,
        "orderByKey": "metrics.`score`",
        "orderByAsc": study.task.direction == "minimize",
        "selectedColumns": [
            *_columns("metrics", "lr", "score", f"val_{study.task.metric}_sd"),
            *_columns("params", "pair"),
        ],
        "runsHiddenMode": "SHOW_ALL",
    }


def _charts(charts: list[Json]) -> Json:
    section = {
        "uuid": "lossearch",
        "name": "Charts",
        "display": True,
        "isReordered": False,
        "deleted": False,
        "isGenerated": False,
        "columns": 1,
        "cardHeight": 420,
    }
    return {"compareRunCharts": charts, "compareRunSections": [section], "isAccordionReordered": True}


def _columns(kind: str, *names: str) -> list[str]:
    return [f"{kind}.`{name}`" for name in names]


def _chart(kind: str, number: int, **config: Any) -> Json:
    place = {
        "uuid": f"lossearch-{number}",
        "metricSectionId": "lossearch",
        "deleted": False,
        "isGenerated": False,
    }
    return {"type": kind, "runsCountToCompare": 1000, **place, **config}


def _axis(metric: str) -> Json:
    return {"key": metric, "type": "METRIC"}


def _line(metric: str) -> Json:
    return {
        "metricKey": metric,
        "selectedMetricKeys": [metric],
        "lineSmoothness": 0,
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "range": {},
        "xAxisKey": "step",
        "selectedXAxisMetricKey": "",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "ignoreOutliers": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
    }


VIEWS: dict[View, Callable[[StudyRecord], Json]] = {
    PAIRS: pairs_view,
    LEARNING: learning_view,
    RATES: rates_view,
    CONFIRMED: confirmed_view,
    DIVERGED: diverged_view,
    TRIALS: trials_view,
}
"""Every view, and what gives its state."""
