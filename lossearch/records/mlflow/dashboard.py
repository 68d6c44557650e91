"""How the MLflow UI shows a study when it is opened: tags of its experiment.

A shared view is an undocumented format of the UI (seen in 3.17); where the UI does not know it, it is ignored.
"""

from __future__ import annotations

import json
from typing import Any

from lossearch.records.study import StudyRecord

TRIALS = "lossearch-trials"
CHARTS = "lossearch-charts"
LOSSES = "lossearch-losses"
CONFIRMED = "lossearch-confirmed"

Json = dict[str, Any]


def experiment_view(study: StudyRecord) -> dict[str, str]:
    """Return the experiment's tags that the UI reads: its kind, its objective, and ready views."""
    views = {
        TRIALS: trials_view(study),
        CHARTS: charts_view(study),
        LOSSES: losses_view(study),
        CONFIRMED: confirmed_view(study),
    }
    return {
        "mlflow.experiment.primaryMetric.name": "score",
        "mlflow.experimentKind": "custom_model_development",
        **{f"mlflow.sharedViewState.{key}": json.dumps(view) for key, view in views.items()},
    }


def page(experiment_id: str, view: str = TRIALS) -> str:
    """Return the part of an MLflow address that opens a study's runs in one of its views."""
    mode = "" if view == TRIALS else "&compareRunsMode=CHART"
    return f"#/experiments/{experiment_id}/runs?viewStateShareKey={view}{mode}"


def trials_view(study: StudyRecord) -> Json:
    """Return the table of all trials, best first, with what a reader compares."""
    params = [*_columns("params", "pair"), *_columns("metrics", "score", f"val_{study.task.metric}_sd", "lr")]
    more = _columns("metrics", "epoch", "n_diverged", "seconds")
    state = _columns("tags", "lossearch.state", "lossearch.stage")
    return {
        "searchFilter": "tags.`lossearch.role` = 'trial'",
        "orderByKey": "metrics.`score`",
        "orderByAsc": study.task.direction == "minimize",
        "selectedColumns": [*params, *state, *more],
        "runsHiddenMode": "SHOW_ALL",
    }


def confirmed_view(study: StudyRecord) -> Json:
    """Return the table of the confirmed pairs, best first: scores on test rows beside those on validation rows."""
    part = "test" if study.task.rows.get("test") else "val"
    judged = [f"{part}_{study.task.metric}", f"{part}_{study.task.metric}_sd"]
    others = dict.fromkeys([*judged, f"val_{study.task.metric}", f"val_{study.task.metric}_sd"])
    return {
        **trials_view(study),
        "searchFilter": "tags.`lossearch.role` = 'confirmation'",
        "selectedColumns": [
            *_columns("params", "pair", "n_seeds"),
            *_columns("metrics", *others, "lr", "epoch", "n_diverged"),
        ],
    }


def charts_view(study: StudyRecord) -> Json:
    """Return the charts of all trials: what each loss reached, at which learning rate, and how."""
    shown = {"selectedParams": ["loss", "activation"], "selectedMetrics": ["lr_log10", "score"]}
    charts = [
        _chart("PARALLEL", 0, **shown, showAllRuns=True),
        _chart("SCATTER", 1, xaxis=_axis("lr_log10"), yaxis=_axis("score"), runsCountToCompare=1000),
    ]
    return _charts(study, charts)


def _charts(study: StudyRecord, charts: list[Json]) -> Json:
    curves = [f"curve/val_{study.task.metric}", "curve/train_loss", "curve/val_loss"]
    lines = [_chart("LINE", len(charts) + i, **_line(metric)) for i, metric in enumerate(curves)]
    section = {
        "uuid": "lossearch",
        "name": "Trials",
        "display": True,
        "isReordered": False,
        "deleted": False,
        "isGenerated": False,
    }
    return {
        "searchFilter": "tags.`lossearch.role` = 'trial'",
        "orderByKey": "metrics.`score`",
        "orderByAsc": study.task.direction == "minimize",
        "selectedColumns": _columns("metrics", "score"),
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": [*charts, *lines],
        "compareRunSections": [section],
        "isAccordionReordered": True,
    }


def losses_view(study: StudyRecord) -> Json:
    """Return the charts of the losses: the mean curve over each one's trials."""
    by_loss = {"aggregateFunction": "average", "groupByKeys": [{"mode": "param", "groupByData": "loss"}]}
    score = _chart("BAR", 0, metricKey="score", selectedMetricKeys=["score"])
    return {**_charts(study, [score]), "groupBy": by_loss, "useGroupedValuesInCharts": True}


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
