"""What losses make of outputs, in a study's curves and in its report."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from report_sources import Study, sources

import lossearch
from lossearch.api.report_sources import report_of
from lossearch.pairs import find_pair
from lossearch.pairs.behaviour import BEHAVIOUR
from lossearch.records.curves import read_curves
from lossearch.report.markdown import to_markdown
from lossearch.report.sections import make_report
from lossearch.training.behaviour import ROWS, measured

X = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
Y = (X.norm(dim=1) > 1.2).long()
QUICK = {
    "losses": ["bce", "hinge", "mse"], "trials": 25, "seeds": 2, "confirm_seeds": 0, "epochs": 30, "mlflow": False,
    "workers": 1, "name": "mine",
}  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A small study's result, and the folder of its records."""
    store = tmp_path_factory.mktemp("records") / "mlruns"
    return lossearch.search(X, Y, store=store, **QUICK), store / "studies" / "mine"


def test_curves_have_them_at_the_ends_and_at_the_trials_epoch(study):
    result, folder = study
    curves = read_curves(folder, "search")
    assert {*BEHAVIOUR} <= {*curves.columns}
    for record in result.trials:
        rows = curves[(curves["trial"] == record.number) & curves["epoch"].isin([1, record.epoch, 30])]
        assert np.isfinite(rows.loc[rows["outcome"] == "completed", list(BEHAVIOUR)].to_numpy()).all()
    seen = curves.groupby("epoch")["val_saturation"].count()
    assert (seen > 0).sum() <= 5 + len(result.trials)


def test_they_are_no_scores(study):
    result, _ = study
    assert not {*BEHAVIOUR} & {name for r in result.trials for name in (*r.scores, *r.spread)}
    assert not {*BEHAVIOUR} & {*result.leaderboard.columns}


def test_the_report_says_why(study):
    result, folder = study
    report = report_of(result)
    (section,) = [s for s in report.sections if s.name == "behaviour"]
    (table,) = section.tables
    cells = {row[0]: dict(zip((c.heading for c in table.columns), row, strict=True)) for row in table.rows}
    assert {*cells} == {r.point.pair for r in result.trials}
    assert cells["hinge/identity"]["saturated outputs"] == "0 % → 0 %"
    flat = {
        p: float(row["rows without a gradient"].split(" → ")[1].removesuffix(" %"))
        for p, row in cells.items()
    }
    assert flat["hinge/identity"] > 10 + flat["bce/sigmoid"]
    best = max((r for r in result.trials if r.point.pair == "bce/sigmoid"), key=lambda r: r.value)
    curves = read_curves(folder, "search")
    at = curves[(curves["trial"] == best.number) & (curves["epoch"] == best.epoch)]
    said = float(cells["bce/sigmoid"]["mean size of raw outputs"].split(" → ")[1])
    assert said == pytest.approx(at["val_logit_scale"].mean(), rel=1e-2)
    assert "Why each loss behaves so" in to_markdown(report)


def test_a_study_from_before_has_no_such_section():
    before = sources(Study())
    assert "behaviour" not in [s.name for s in make_report(before).sections]
    with_some = replace(before, curves=before.curves.assign(**dict.fromkeys(BEHAVIOUR, np.nan)))
    assert "behaviour" not in [s.name for s in make_report(with_some).sections]
    with_all = replace(before, curves=before.curves.assign(**dict.fromkeys(BEHAVIOUR, 0.25)))
    (section,) = [s for s in make_report(with_all).sections if s.name == "behaviour"]
    assert section.tables[0].rows[0][1:] == (
        "0.25 → 0.25",
        "25 % → 25 %",
        "0.25 → 0.25",
        "0.25 → 0.25",
        "25 % → 25 %",
    )


def test_they_do_not_depend_on_neighbours_nor_on_how_outputs_lie():
    pair = find_pair("focal/sigmoid", "binary")
    raw = torch.randn(3, 4, 700, 1, generator=torch.Generator().manual_seed(1))
    target = (torch.rand(3, 1, 700, 1, generator=torch.Generator().manual_seed(2)) > 0.5).float()
    together = measured(pair, raw, target, {"gamma": 2.0, "alpha": 0.25})
    across = raw.permute(3, 2, 0, 1).contiguous().permute(2, 3, 1, 0)
    for s in range(3):
        for c in range(4):
            alone = measured(pair, raw[s, c], target[s, 0], {"gamma": 2.0, "alpha": 0.25})
            assert {k: float(v) for k, v in alone.items()} == {k: float(v[s, c]) for k, v in together.items()}
    for name, values in measured(pair, across, target, {"gamma": 2.0, "alpha": 0.25}).items():
        assert np.array_equal(values, together[name])


def test_of_many_rows_some_are_looked_at_from_end_to_end():
    pair = find_pair("bce/sigmoid", "binary")
    raw = torch.linspace(-20, 20, 10 * ROWS)[:, None]
    found = measured(pair, raw, torch.ones(len(raw), 1), {})
    assert float(found["logit_scale"]) == pytest.approx(10, rel=1e-2)
    assert float(found["logit_sd"]) == pytest.approx(40 / 12**0.5, rel=1e-2)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("worst", [torch.inf, -torch.inf, torch.nan, 1e200])
def test_outputs_that_are_not_finite_are_no_warning(worst):
    raw = torch.tensor([[worst], [0.5]], dtype=torch.float64)
    for name in ("mse/identity", "bce/sigmoid", "hinge/tanh"):
        pair = find_pair(name, "binary")
        found = measured(pair, raw, torch.ones(2, 1), pair.loss.defaults)
        assert not np.isfinite(found["logit_sd"])
