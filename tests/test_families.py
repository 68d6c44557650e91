"""Families of losses, and all of them, by one name."""

from __future__ import annotations

import json
import re

import loss_table
import numpy as np
import optuna
import pytest

import lossearch
from lossearch import InputError
from lossearch.cli import invoke
from lossearch.config import make_config
from lossearch.data.sources import from_arrays
from lossearch.kinds import KINDS
from lossearch.losses import ALL, BUILT_IN, FAMILIES, losses_for, members
from lossearch.pairs import legal_pairs
from lossearch.pairs.legality import no_such_family
from lossearch.study.prepare import prepare

Y = {
    "binary": np.arange(40) % 2,
    "multiclass": np.arange(40) % 4,
    "multilabel": np.stack([np.arange(40) % 2, np.arange(40) % 3 == 0], axis=1).astype(int),
    "segmentation": np.stack([np.arange(40) % 2, np.arange(40) % 3 == 0], axis=1).astype(int)[:, None],
    "reconstruction": None,
    "regression": np.linspace(-1, 1, 40),
    "count": np.arange(40) % 7,
    "ordinal": np.arange(40) % 4,
    "positive": np.linspace(1, 2, 40),
    "angles": np.linspace(-3, 3, 40),
    "compositional": np.linspace([0.1, 0.9], [0.8, 0.2], 40),
    "probabilistic": np.linspace(-1, 1, 40),
}


def space(kind, **options):
    x = np.random.default_rng(0).normal(size=(40, 3))
    config = make_config({"task": {"kind": kind, "data": "given"}, "space": options})
    return prepare(config, dataset=from_arrays(x, Y[kind])).plan.space


def test_every_family_has_members_and_no_loss_its_name():
    names = {
        name for kind in KINDS for loss in losses_for(kind).values() for name in (loss.name, *loss.aliases)
    }
    assert not names & {ALL, *FAMILIES}
    assert {f for loss in BUILT_IN for f in loss.families} == FAMILIES.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_all_of_a_kind_are_searched_but_for_those_that_cannot_be(kind):
    found = space(kind, losses=["all"])
    legal, _ = legal_pairs(losses_for(kind).values())
    left_out = {r.name for r in found.rejections}
    assert {p.name for p in legal} <= {*found.names, *left_out}
    assert len(found.names) == len({p.equivalent or p.name for p in found.pairs})


def test_a_family_beside_a_loss():
    found = space("regression", losses=["robust", "mse"])
    wanted = {loss.name for loss in members("robust", losses_for("regression"))} | {"mse"}
    assert {p.loss.name for p in found.pairs} == wanted - {
        "smooth_l1", "quantile", "huber_quantile",  # huber and mae again
        "smape", "log_mae",  # of numbers above 0
        "adaptive_wing",  # of numbers from 0 to 1
    }  # fmt: skip
    assert "smooth_l1/identity" in {r.name for r in found.rejections}


LACKING = [(k, f) for k in KINDS for f in FAMILIES if not members(f, losses_for(k))]


@pytest.mark.parametrize(("kind", "family"), LACKING, ids=[f"{k} {f}" for k, f in LACKING])
def test_of_a_family_that_a_kind_has_none_of_it_is_told_which_it_has_and_who_has_that(kind, family, capsys):
    said = no_such_family(kind, family)
    assert said.startswith(f"No {kind} loss is of the family {family}. Its ")
    known = re.search(r"Its families: (.*?)\.", said)
    assert set(known[1].split(", ") if known else []) == {f for f in FAMILIES if members(f, losses_for(kind))}
    where = re.split(", | and ", said.partition("are for ")[2].removesuffix(" tasks."))
    assert set(where) == {k for k in KINDS if members(family, losses_for(k))}
    assert invoke(["losses", "--task", kind, "--family", family]) == 2
    assert said in capsys.readouterr().err


def test_a_family_that_a_kind_has_none_of_is_told():
    with pytest.raises(
        InputError, match=r"No count loss is of the family sparse\. Its families: robust, likelihood\."
    ):
        space("count", losses=["sparse"])


def test_a_misspelt_family_is_answered():
    with pytest.raises(
        InputError, match=r"No regression loss named 'robst'. Did you mean 'robust'.* Known: mse, mae, rmse"
    ):
        space("regression", losses=["robst"])


def test_families_are_suggested():
    study = optuna.create_study()
    found = {lossearch.suggest(study.ask(), "multiclass", losses=["sparse"], lr=0.1).pair for _ in range(20)}
    assert found == {"sparsemax_loss/identity", "entmax15_loss/identity"}


def test_the_list_of_a_family(capsys):
    assert invoke(["losses", "--family", "sparse", "--format", "json"]) == 0
    assert [r["name"] for r in json.loads(capsys.readouterr().out)] == ["sparsemax_loss", "entmax15_loss"] * 3
    assert invoke(["losses", "--family", "margins"]) == 2
    assert "No family of losses named 'margins'. Did you mean 'margin'?" in capsys.readouterr().err


def test_the_table_of_the_kinds_is_what_the_declarations_give():
    found = loss_table.PAGE.read_text()
    assert found == loss_table.text(found), "run: python tests/loss_table.py"
    assert loss_table.table() in found
