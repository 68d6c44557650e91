"""The catalogue: names, declarations as objects, rows to print."""

from __future__ import annotations

import copy
import json
import math
import pickle
from dataclasses import fields

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from lossearch.cli import invoke
from lossearch.errors import InputError, UnknownNameError
from lossearch.kinds import KINDS
from lossearch.losses import ACTIVATIONS, BUILT_IN, ENCODINGS, RANGES, Loss, loss, losses_for
from lossearch.losses.properties import PROPERTIES
from lossearch.pairs import Pair, find_pair, pair_up
from lossearch.pairs.catalogue import rows
from lossearch.pairs.making import criterion

EVERY = list(BUILT_IN)
PAIRS = [p for x in EVERY for a in ACTIVATIONS.values() if isinstance(p := pair_up(x, a), Pair)]


def pair_id(pair):
    return f"{pair.kind}-{pair.name}"


# --- names ---------------------------------------------------------------------------------------------

KERAS = {
    "regression": {
        "mse": ["mse", "MSE", "mean_squared_error", "MeanSquaredError"],
        "mae": ["mae", "MAE", "mean_absolute_error", "MeanAbsoluteError"],
        "huber": ["huber", "Huber"],
        "log_cosh": ["log_cosh", "LogCosh"],
        "msle": ["msle", "MSLE", "mean_squared_logarithmic_error", "MeanSquaredLogarithmicError"],
    },
    "binary": {
        "bce": ["bce", "BCE", "binary_crossentropy", "BinaryCrossentropy"],
        "focal": ["binary_focal_crossentropy", "BinaryFocalCrossentropy"],
        "hinge": ["hinge", "Hinge"],
        "squared_hinge": ["squared_hinge", "SquaredHinge"],
    },
    "multiclass": {
        "cross_entropy": ["sparse_categorical_crossentropy", "SparseCategoricalCrossentropy"],
        "cross_entropy_one_hot": ["categorical_crossentropy", "CategoricalCrossentropy"],
        "focal": ["categorical_focal_crossentropy", "CategoricalFocalCrossentropy"],
        "kl_div": ["kl_divergence", "KLDivergence", "kld", "KLD"],
        "crammer_singer": ["categorical_hinge", "CategoricalHinge"],
    },
}
TORCH = {
    "regression": {
        "mse": ["mse_loss", "MSELoss"],
        "mae": ["l1_loss", "L1Loss"],
        "huber": ["huber_loss", "HuberLoss"],
    },
    "binary": {
        "bce": ["binary_cross_entropy", "binary_cross_entropy_with_logits", "BCELoss", "BCEWithLogitsLoss",
                "soft_margin_loss", "SoftMarginLoss", "logistic"],
    },
    "multiclass": {
        "cross_entropy": ["cross_entropy", "CrossEntropyLoss", "nll_loss", "NLLLoss"],
        "kl_div": ["kl_div", "KLDivLoss"],
    },
}  # fmt: skip


@pytest.mark.parametrize("table", [KERAS, TORCH], ids=["keras", "torch"])
def test_names_of_other_libraries(table):
    for kind, names in table.items():
        for name, aliases in names.items():
            for alias in aliases:
                assert losses_for(kind)[alias].name == name


def test_torch_names_exist_in_torch():
    for names in TORCH.values():
        for aliases in names.values():
            for alias in set(aliases) - {"logistic"}:
                assert hasattr(torch.nn, alias) or hasattr(F, alias), alias


def test_unknown_names_are_answered():
    with pytest.raises(UnknownNameError) as caught:
        losses_for("binary")["hing"]
    assert str(caught.value).startswith(
        "No binary loss named 'hing'. Did you mean 'hinge'? "
        "Known: bce, focal, hinge, squared_hinge, mse, mae"
    )  # fmt: skip
    with pytest.raises(UnknownNameError) as caught:
        losses_for("binry")
    assert str(caught.value) == (
        f"No kind of task named 'binry'. Did you mean 'binary'? Known: {', '.join(KINDS)}."
    )


# --- declarations as objects ---------------------------------------------------------------------------


def test_short_representations():
    hinge = losses_for("binary")["hinge"]
    assert repr(hinge) == "Loss('hinge', kinds=('binary', 'multilabel', 'segmentation'))"
    assert repr(ACTIVATIONS["tanh"]) == "Activation('tanh')"
    assert repr(ENCODINGS["plus_minus_one"]) == "Encoding('plus_minus_one')"
    assert repr(RANGES["unit"]) == "Range('unit')"
    assert repr(find_pair("hinge/tanh", "binary")) == "Pair('hinge/tanh')"
    assert repr(criterion("focal/sigmoid", gamma=1.0)) == "Criterion(focal/sigmoid, gamma=1.0, alpha=-1.0)"


@pytest.mark.parametrize("pair", PAIRS, ids=pair_id)
def test_declarations_travel_between_processes(pair):
    # what a worker process is sent: nothing is stored this way
    for other in (pickle.loads(pickle.dumps(pair)), copy.deepcopy(pair)):  # noqa: S301
        assert other == pair
        assert other.loss.name == pair.loss.name
        assert other.encoding is pair.encoding


def test_a_declaration_can_be_called():
    hinge = losses_for("binary")["hinge"]
    assert float(hinge(torch.tensor(0.5), torch.tensor(1.0), margin=2.0)) == 1.5


def test_numpy_numbers_are_numbers():
    assert criterion("huber/identity", delta=np.float32(0.5)).params == {"delta": 0.5}


def test_every_problem_of_a_declaration_is_named():
    with pytest.raises(InputError) as caught:
        loss(
            task="binary", encoding="zero_one", source="", alias=("b",), fused={"sigmod": torch.sigmoid}, statistics=("sd",)
        )  # fmt: skip
    assert str(caught.value).splitlines()[1:] == [
        (
            "  - No field of a loss named 'alias'. Did you mean 'aliases'? Known: domain, formula, source, aliases, class_name, params, joint, head, distribution, "
            "fused, probability, derivative, fused_derivative, usual, equivalent, contains, caution, targets, cure, statistics, after_mean, gathers, weightable, families, "
            "on_request and 5 more."
        ),
        (
            "  - In fused: No activation named 'sigmod'. Did you mean 'sigmoid'? "
            "Known: identity, sigmoid, tanh, softmax, softplus, exp."
        ),
        "  - No training statistic named 'sd'. Did you mean 'std'? Known: mean, std, scale, low, high, class_counts.",
    ]


def test_wrong_declarations_are_refused():
    with pytest.raises(InputError) as caught:
        loss(task="binary", encoding="pm_one", domain="reel", source="")
    assert str(caught.value).splitlines()[0] == "2 problems:"
    with pytest.raises(
        InputError, match=r"^Encoding 'index' is for .*class indices, and binary targets are .* 0 or 1.$"
    ):
        loss(task="binary", encoding="index", source="")


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("hinge/identity", {"margn": 1.0}, "No parameter of hinge named 'margn'. Did you mean 'margin'? Known: margin."),
        ("bce/sigmoid", {"gamma": 1.0}, "bce has no parameters; got gamma."),
        ("huber/identity", {"delta": 0.0}, "huber: delta must be above 0; got 0."),
        ("focal/sigmoid", {"gamma": -1.0}, "focal: gamma must lie between 0 and 100; got -1."),
        ("focal/sigmoid", {"gamma": math.nan}, "focal: gamma takes a finite number; got nan."),
        ("label_smoothing_ce/softmax", {"smoothing": "0.1"}, "label_smoothing_ce: smoothing takes a finite number; got '0.1'."),
    ],
)  # fmt: skip
def test_wrong_parameters_are_refused(name, params, message):
    with pytest.raises(InputError) as caught:
        criterion(name, **params)
    assert str(caught.value) == message


# --- the catalogue -------------------------------------------------------------------------------------


def test_catalogue_has_a_row_for_every_loss():
    table = rows()
    assert [(r["kind"], r["name"]) for r in table] == [
        (k, x.name) for k in KINDS for x in EVERY if k in x.kinds
    ]
    assert json.loads(json.dumps(table)) == table
    assert [r["name"] for r in rows("binary")] == list(losses_for("binary"))
    for r in table:
        assert r["formula"]
        assert r["source"]
        assert any(a["usual"] for a in r["activations"]) or r["equivalent"]
    with pytest.raises(UnknownNameError):
        rows("binry")


def test_a_row_has_everything_that_is_declared():
    left_out = {"fn", "usual", "caution"}  # the last two under activations
    for r in rows():
        assert {f.name for f in fields(Loss)} - left_out <= r.keys()
    (coral,) = [r for r in rows("ordinal") if r["name"] == "coral"]
    assert (coral["head"], coral["properties"]) == (
        "score and a bias for each level",
        ["proper", "head"],
    )
    (asl,) = [r for r in rows("binary") if r["name"] == "asl"]
    assert [c["loss"] for c in asl["contains"]] == ["bce", "focal"]
    (rmse,) = [r for r in rows("regression") if r["name"] == "rmse"]
    assert rmse["after_mean"] is True
    assert "batch" in rmse["properties"]


@pytest.mark.parametrize("has", PROPERTIES)
def test_a_property_divides_the_losses(has):
    found = {(r["kind"], r["name"]) for r in rows(has=has)}
    assert found == {(r["kind"], r["name"]) for r in rows() if has in r["properties"]}
    assert {PROPERTIES[has].holds(x) for x in EVERY} == {True, False}


def test_losses_are_listed_by_property(capsys):
    assert invoke(["losses", "--task", "ordinal", "--property", "batch", "--format", "json"]) == 0
    found = [r["name"] for r in json.loads(capsys.readouterr().out)]
    assert found == ["qwk_loss", "dice", "jaccard", "tversky"]
    assert invoke(["losses", "--property", "propr"]) == 2
    assert "No property of losses named 'propr'. Did you mean 'proper'?" in capsys.readouterr().err
    assert invoke(["losses", "--task", "binary", "--family", "margin", "--property", "head"]) == 2
    assert "No binary loss is of the family margin and has the property head." in capsys.readouterr().err


def test_catalogue_row():
    (row,) = [r for r in rows("binary") if r["name"] == "hinge"]
    assert row["activations"] == [
        {"name": "identity", "usual": True, "encoding": "plus_minus_one", "caution": ""},
        {
            "name": "tanh",
            "usual": False,
            "encoding": "plus_minus_one",
            "caution": "tanh reaches -1 and +1 only in the limit, so gradients fade before the loss is 0.",
        },
    ]
    assert row["encodings"] == ["plus_minus_one"]
    assert row["domain"] == "any real number"
    assert row["probability"] == []
    assert row["params"][0]["search"] is False
