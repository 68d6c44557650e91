"""Which pairs a space holds, which are left out and why, and how they are named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossearch.errors import IllegalPairError, InputError, UnknownNameError
from lossearch.kinds import KINDS, TargetFacts
from lossearch.losses import ACTIVATIONS, losses_for
from lossearch.pairs import find_pair, infer_kind, legal_pairs
from lossearch.pairs.making import criterion

REAL = TargetFacts("regression", 1, -3.0, 4.0)


def raw_form(pair):
    return f"Use {pair}: it is computed from raw output, so the network's last layer stays linear."


def message(name, kind, facts=None):
    with pytest.raises(InputError) as caught:
        find_pair(name, kind, facts)
    return str(caught.value)


UNREACHED = "sigmoid gives a number between 0 and 1; its targets (-1 or +1) lie where sigmoid cannot reach."


# --- spaces --------------------------------------------------------------------------------------------


def names(pairs):
    return [p.name for p in pairs]


def reasons(rejections):
    return {r.name: r.reason for r in rejections}


def searched(kind, facts=None, activations=None):
    return legal_pairs([x for x in losses_for(kind).values() if not x.on_request], activations, facts)


def test_the_usual_pairs():
    assert names(searched("regression", REAL)[0]) == [
        "mse/identity",
        "mae/identity",
        "rmse/identity",
        "huber/identity",
        "log_cosh/identity",
    ]
    assert names(searched("regression", TargetFacts("regression", 1, 0.0, 9.0))[0])[5:] == [
        "msle/softplus",
        "msle/exp",
    ]
    assert names(searched("binary")[0]) == [
        "bce/sigmoid",
        "focal/sigmoid",
        "hinge/identity",
        "squared_hinge/identity",
        "mse/identity",
        "mse/sigmoid",
        "mae/sigmoid",
    ]
    assert names(searched("multiclass")[0]) == [
        "cross_entropy/softmax", "focal/softmax", "label_smoothing_ce/softmax", "mse/identity", "mse/softmax", "mae/softmax",
        "crammer_singer/identity", "ovr_hinge/identity", "ovr_squared_hinge/identity",
    ]  # fmt: skip


def test_what_is_left_out_says_why():
    found = reasons(searched("multiclass")[1])
    assert (
        found["kl_div/softmax"]
        == "same as cross_entropy/softmax: they differ by the target's entropy, 0 for one-hot"
    )
    assert found["cross_entropy_one_hot/softmax"] == (
        "same as cross_entropy/softmax: on a one-hot target the sum has one term, -log p_y"
    )
    found = reasons(searched("binary")[1])
    assert found["mse/tanh"] == "same as mse/sigmoid: (tanh z - s)^2 = 4 (sigmoid(2z) - y)^2"
    assert (
        found["hinge/tanh"]
        == "same as mae/sigmoid: at margin 1, max(0, 1 - s tanh z) = 1 - s tanh z = 2 |sigmoid(2z) - y|"
    )
    assert found["hinge/sigmoid"] == UNREACHED
    assert not any("softmax" in name for name in found)


def test_an_equivalent_pair_stays_where_the_other_is_absent():
    table = losses_for("multiclass")
    pairs, rejections = legal_pairs([table["kl_div"], table["categorical_crossentropy"], table["mae"]])
    assert names(pairs) == ["kl_div/softmax", "mae/softmax"]
    assert reasons(rejections)["cross_entropy_one_hot/softmax"].startswith(
        "same as cross_entropy/softmax (kl_div/softmax is too, and is here): "
    )
    pairs, rejections = searched("binary", activations=[ACTIVATIONS["tanh"]])
    assert names(pairs) == ["hinge/tanh", "squared_hinge/tanh"]
    assert {"mse/tanh", "mae/tanh", "bce/tanh"} <= reasons(rejections).keys()


def test_a_pair_equivalent_to_one_that_is_not_usual_is_not_added():
    table = losses_for("binary")
    pairs, _ = legal_pairs([table["mse"]])
    assert names(pairs) == ["mse/identity", "mse/sigmoid"]


def test_asked_activations_that_fit_no_task_are_reported():
    pairs, rejections = searched("binary", activations=[ACTIVATIONS["softmax"]])
    assert pairs == []
    assert reasons(rejections)["bce/softmax"] == "softmax is not an output activation for binary tasks."


@given(st.sampled_from(list(KINDS)), st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_legal_pairs_are_legal_by_name(kind, low, width):
    facts = TargetFacts(kind, 1, low, low + width) if kind == "regression" else TargetFacts(kind, 3)
    table = losses_for(kind)
    pairs, rejections = legal_pairs(table.values(), None, facts)
    assert len({p.name for p in pairs}) == len(pairs)
    assert all(find_pair(p.name, kind, facts) == p for p in pairs)
    for r in rejections:
        if not r.reason.startswith("same as"):
            with pytest.raises(IllegalPairError):
                find_pair(r.name, kind, facts)
    assert KINDS[kind].conventional in names(pairs)


@pytest.mark.parametrize("kind", KINDS)
def test_no_equivalent_pair_is_searched_twice(kind):
    pairs, _ = legal_pairs(losses_for(kind).values())
    stand_for = [p.equivalent or p.name for p in pairs]
    assert len(set(stand_for)) == len(stand_for)


# --- names ---------------------------------------------------------------------------------------------


def test_wrong_names_are_answered():
    known = "Known: bce, focal, hinge, squared_hinge, mse, mae"
    assert message("hing/tanh", "binary").startswith(
        f"No binary loss named 'hing'. Did you mean 'hinge'? {known}"
    )
    words = message("kl_div/softmax", "binary")
    assert words.startswith(f"No binary loss named 'kl_div'. {known}")
    assert words.endswith(". There is one for compositional, multiclass and ordinal tasks.")
    assert message("binary_crosentropy/sigmoid", "binary").startswith(
        "No binary loss named 'binary_crosentropy'. Did you mean 'binary_crossentropy'?"
    )
    assert message("hinge/tahn", "binary") == (
        "No activation named 'tahn'. Did you mean 'tanh'? Known: identity, sigmoid, tanh, softmax, softplus, exp."
    )
    assert message("mse", "regression") == "'mse' is not a pair: write loss/activation, as in 'mse/identity'."
    assert message("mse/identity", "regresion").startswith(
        "No kind of task named 'regresion'. Did you mean 'regression'?"
    )


def test_the_kind_follows_where_it_can():
    assert [infer_kind(n) for n in ("bce/sigmoid", "focal/softmax", "focal/sigmoid", "huber/identity")] == [
        "binary", "multiclass", "binary", "regression",
    ]  # fmt: skip
    for name, words in {
        "mse/identity": "mse/identity exists for binary, multiclass, regression tasks; say which: task='binary'.",
        "bce": "'bce' is not a pair: write loss/activation, as in 'bce/sigmoid'.",
        "bce/softmax": f"bce/softmax: softmax is not an output activation for binary tasks. {raw_form('bce/sigmoid')}",
    }.items():
        with pytest.raises(InputError) as caught:
            criterion(name)
        assert str(caught.value) == words
    with pytest.raises(UnknownNameError, match=r"^No loss named 'hing'. Did you mean 'hinge'\?"):
        criterion("hing/identity")
