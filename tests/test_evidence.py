"""What a verdict rests on, read from the records alone: rows, groups, targets, metrics, and what may be missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from confirming import BINARY, CLASSES, REAL, Notes, X, prepared, searched, way

from lossearch.confirm.confirmation import Confirmer
from lossearch.confirm.judging import judge_study
from lossearch.confirm.selection import select_points
from lossearch.errors import InputError, StoreError
from lossearch.kinds import Predictions
from lossearch.metrics.metric import Metric
from lossearch.metrics.registry import METRICS, scores
from lossearch.records.confirmations import FILE as CONFIRMED
from lossearch.records.confirmations import Confirmed, read_confirmed, write_confirmed
from lossearch.records.evidence import known_metric, read_evidence
from lossearch.records.predictions import FILE as PREDICTIONS
from lossearch.records.predictions import (
    kept_fields,
    prediction_table,
    read_predictions,
    row_numbers,
    write_predictions,
)
from lossearch.tasks.task import Part
from lossearch.training.contract import Outcome

JUDGED = ("binary", "accuracy")


def confirm(study, folder, n=3):
    trials = searched(study.plan)
    return Confirmer(study.plan, way(study), folder, Notes())(select_points(study.plan, trials, 5), n)


def stacked(p):
    fields = ("label", "probability", "score", "value", "output")
    return Predictions(
        **{f: t.unsqueeze(0) for f in fields if (t := getattr(p, f)) is not None}, codes=p.codes
    )


@pytest.fixture(scope="module")
def binary(tmp_path_factory):
    study, folder = (
        prepared(losses=["bce", "hinge"], activations=["sigmoid", "tanh"]),
        tmp_path_factory.mktemp("binary"),
    )
    return study, folder, confirm(study, folder)


@pytest.mark.parametrize("part", ["test", "validation"])
def test_every_recorded_score_follows_from_the_evidence(binary, part):
    _, folder, confirmed = binary
    prefix = {"test": "test_", "validation": "val_"}[part]
    for name in ("accuracy", "log_loss", "auroc", "f1_macro"):
        evidence = read_evidence(folder, "binary", name, part)
        giving = {c.point.pair for c in confirmed.confirmations if prefix + name in c.values}
        assert set(evidence.pairs) == giving
        for pair in evidence.pairs:
            for i, (said, rows) in enumerate(zip(evidence.predictions[pair], evidence.rows, strict=True)):
                (score,) = scores([METRICS[name]], stacked(said), evidence.target[torch.from_numpy(rows)])[
                    name
                ]
                assert float(score) == pytest.approx(confirmed[pair].values[prefix + name][i], abs=1e-6)


def test_a_metric_that_reads_the_codes_finds_them(binary):
    _, folder, _ = binary
    evidence = read_evidence(folder, "binary", "keras2_accuracy")
    assert evidence.predictions["hinge/tanh"][0].codes == (-1.0, 1.0)
    assert evidence.predictions["bce/sigmoid"][0].codes == (0.0, 1.0)
    said = evidence.predictions["hinge/tanh"][0]
    assert said.output is not None
    torch.testing.assert_close(torch.tanh(said.score), said.output)


def test_rows_are_places_of_the_data_as_given(binary):
    study, folder, _ = binary
    test = read_evidence(folder, *JUDGED)
    assert len(test.target) == study.plan.task.sizes["test"]
    assert all(np.array_equal(rows, np.arange(len(test.target))) for rows in test.rows)
    validation = read_evidence(folder, *JUDGED, "validation")
    frame = read_predictions(folder, "validation")
    ids = np.unique(frame["row"])
    assert len(validation.target) == len(ids) > study.plan.task.sizes["validation"]
    assert validation.target[:, 0].tolist() == BINARY[ids].tolist()
    for seed, rows in zip(validation.seeds, validation.rows, strict=True):
        own = frame[(frame["pair"] == "bce/sigmoid") & (frame["seed"] == seed)]
        assert ids[rows].tolist() == own["row"].tolist()
    assert validation.groups is None


def test_rows_of_one_group_are_known_to_belong_together(tmp_path):
    groups = np.array([f"site {i % 30}" for i in range(len(X))])
    study = prepared(groups=groups)
    confirmed = confirm(study, tmp_path)
    frame = read_predictions(tmp_path)
    together = {(group, groups[row]) for group, row in zip(frame["group"], frame["row"], strict=True)}
    assert len(together) == len(dict(together)) == len({name for _, name in together})
    assert len(together) > 10
    evidence = read_evidence(tmp_path, *JUDGED)
    assert evidence.groups is not None
    ids = np.unique(frame.loc[frame["part"] == "test", "row"])
    assert {(g, n) for g, n in zip(evidence.groups.tolist(), groups[ids], strict=True)} <= together
    judge_study(tmp_path, study.plan.question, confirmed, searched(study.plan))


def test_several_targets_and_classes_keep_their_shape(tmp_path):
    y = np.stack([REAL, -2 * REAL], axis=1)
    study = prepared(y, ["mse"], ["identity"])
    confirm(study, tmp_path / "real")
    evidence = read_evidence(tmp_path / "real", "regression", "rmse")
    assert evidence.target.shape == (30, 2)
    assert evidence.predictions["mse/identity"][0].value.shape == (30, 2)
    study = prepared(CLASSES, ["cross_entropy"], ["softmax"])
    confirm(study, tmp_path / "classes")
    evidence = read_evidence(tmp_path / "classes", "multiclass", "accuracy")
    assert (evidence.target.shape, evidence.target.dtype) == ((30,), torch.int64)
    said = evidence.predictions["cross_entropy/softmax"][0]
    assert said.label.dtype == torch.int64
    torch.testing.assert_close(said.probability, torch.softmax(said.score, -1), atol=1e-6, rtol=1e-5)


def test_double_precision_is_kept(tmp_path):
    study = prepared(train={**prepared.__globals__["TABLES"]["train"], "precision": "64-true"})
    confirm(study, tmp_path, n=2)
    assert read_predictions(tmp_path)["score"].dtype == np.float64
    assert read_evidence(tmp_path, *JUDGED).predictions["bce/sigmoid"][0].score.dtype == torch.float64


def own_metric(name="ours"):
    return Metric(name, ("binary",), "maximize", METRICS["accuracy"].fn, "label", "majority")


def test_a_metric_of_the_user_s_own_is_given_again(tmp_path):
    study = prepared(metric=own_metric())
    confirmed = confirm(study, tmp_path)
    judged = ("binary", "ours")
    with pytest.raises(InputError) as caught:
        read_evidence(tmp_path, *judged)
    assert str(caught.value) == (
        "Metric 'ours' is none of lossearch's, and records hold a metric's name alone: give the metric itself, as "
        "in metric=my_metric."
    )
    evidence = read_evidence(tmp_path, "binary", own_metric())
    assert evidence.constants.tolist() == list(confirmed.constants["test"]["ours"])
    assert judge_study(tmp_path, study.plan.question, confirmed, searched(study.plan)).metric == "ours"
    assert known_metric("accuracy", "binary") is METRICS["accuracy"]


def test_a_metric_that_was_not_scored_has_no_constants_to_stand_in(binary, tmp_path):
    _, folder, confirmed = binary
    assert np.isnan(read_evidence(folder, "binary", own_metric()).constants).all()
    c = confirmed.confirmations[0]
    lost = replace(c, outcomes=(Outcome.DIVERGED, *c.outcomes[1:]))
    write_confirmed(tmp_path, replace(confirmed, confirmations=(lost,)))
    (tmp_path / PREDICTIONS).write_bytes((folder / PREDICTIONS).read_bytes())
    with pytest.raises(InputError, match="what a constant predictor scores by 'ours' was not recorded"):
        read_evidence(tmp_path, "binary", own_metric())


def test_what_is_missing_or_damaged_is_said(binary, tmp_path):
    _, folder, confirmed = binary
    with pytest.raises(StoreError, match="Nothing was confirmed"):
        read_evidence(tmp_path, *JUDGED)
    with pytest.raises(InputError) as caught:
        read_evidence(folder, *JUDGED, "tests")
    assert str(caught.value) == (
        "No confirmed part named 'tests'. Did you mean 'test'? Known: test, validation."
    )
    write_confirmed(tmp_path, confirmed)
    with pytest.raises(StoreError, match=r"predictions\.parquet is missing"):
        read_evidence(tmp_path, *JUDGED)
    (tmp_path / PREDICTIONS).write_bytes(b"PAR1 and no more")
    with pytest.raises(StoreError, match="is damaged"):
        read_evidence(tmp_path, *JUDGED)
    (tmp_path / CONFIRMED).write_text('{"format": 1}')
    with pytest.raises(StoreError, match="is damaged: 'part' is not in it"):
        read_confirmed(tmp_path)
    (tmp_path / CONFIRMED).write_text('{"format": 2}')
    with pytest.raises(StoreError, match="has format 2; this lossearch reads 1"):
        read_confirmed(tmp_path)


def test_predictions_of_a_pair_that_are_not_all_there_are_refused(binary, tmp_path):
    _, folder, confirmed = binary
    write_confirmed(tmp_path, confirmed)
    (tmp_path / PREDICTIONS).write_bytes((folder / PREDICTIONS).read_bytes())
    kept = {(pair, seed) for pair in confirmed.pairs for seed in confirmed.seeds}
    write_predictions(tmp_path, [], kept - {("hinge/tanh", confirmed.seeds[1])})
    with pytest.raises(StoreError, match="The predictions of hinge/tanh are not all there"):
        read_evidence(tmp_path, *JUDGED)


def test_rows_without_a_known_place_are_told_apart():
    part = Part(torch.zeros(3, 2), torch.zeros(3, 1))
    assert row_numbers(part, 7, "test").tolist() == row_numbers(part, 8, "test").tolist() == [0, 1, 2]
    assert not set(row_numbers(part, 7, "validation")) & set(row_numbers(part, 8, "validation"))
    known = replace(part, rows=np.array([5, 9, 4]))
    assert row_numbers(known, 7, "validation").tolist() == [5, 9, 4]


def test_nothing_is_kept_twice():
    p = torch.zeros(2)
    assert kept_fields("binary", Predictions(label=p, score=p, output=p)) == ("label", "score", "output")
    assert kept_fields("multiclass", Predictions(p, p, p, output=p)) == ("label", "probability", "score")
    assert kept_fields("regression", Predictions(value=p, output=p)) == ("value",)


def test_the_table_of_a_diverged_replicate_has_its_columns_and_no_numbers():
    part = Part(torch.zeros(2, 1), torch.tensor([[0.0], [1.0]]), np.array([4, 6]), np.array([1, 1]))
    zeros = Predictions(label=torch.zeros(2, dtype=torch.int64), score=torch.zeros(2))
    table = prediction_table("bce/sigmoid", 3, "test", part, zeros, Outcome.DIVERGED, ("label", "score"))
    assert table.to_pydict() == {
        "pair": ["bce/sigmoid"] * 2,
        "seed": [3, 3],
        "part": ["test"] * 2,
        "outcome": ["diverged"] * 2,
        "row": [4, 6],
        "group": [1, 1],
        "target": [0.0, 1.0],
        "label": [None, None],
        "score": [None, None],
    }


def test_a_confirmation_names_its_pairs():
    empty = Confirmed("test", "accuracy", (1, 2), {}, ())
    assert empty.pairs == ()
    with pytest.raises(KeyError):
        _ = empty["bce/sigmoid"]
