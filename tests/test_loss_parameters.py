"""Any parameter of a loss is searched, or fixed, by the same spelling on the command line, in files and in Python."""

from __future__ import annotations

import optuna
import pytest
from click.testing import CliRunner

import lossearch
from lossearch.cli.run import configure, run
from lossearch.cli.study_options import ParameterType
from lossearch.config import parse_config
from lossearch.errors import InputError
from lossearch.study.prepare import prepare
from lossearch.study.resolve import ranges

WAYS = {
    "command line": lambda: configure(
        None,
        {
            "task.data": "circles",
            "space.losses": "bce,focal,hinge",
            **dict(
                map(
                    ParameterType().convert, ["focal.alpha=0.1:0.9", "hinge.margin=2"], [None] * 2, [None] * 2
                )
            ),
        },
    ),
    "--set": lambda: configure(
        None,
        {"task.data": "circles", "space.losses": "bce,focal,hinge"},
        [("params.focal.alpha", "[0.1, 0.9]"), ("space.params.hinge.margin", "2")],
    ),
    "file": lambda: parse_config(
        '[task]\ndata = "circles"\n[space]\nlosses = ["bce", "focal", "hinge"]\n'
        "params = { focal.alpha = [0.1, 0.9], hinge.margin = 2 }\n"
    ),
    "table": lambda: parse_config(
        '[task]\ndata = "circles"\n[space]\nlosses = ["bce", "focal", "hinge"]\n'
        '[space.params]\n"focal.alpha" = [0.1, 0.9]\nhinge.margin = 2\n'
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_spelling_searches_and_fixes(way):
    space = prepare(WAYS[way]()).plan.space
    searched = {d.name: (d.low, d.high) for d in space.dimensions("focal/sigmoid")}
    assert searched["focal.alpha"] == (0.1, 0.9)
    assert "focal.gamma" in searched
    assert [d.name for d in space.dimensions("hinge/identity")] == ["lr"]
    assert space.point("hinge/identity", {"lr": 0.1}).params == {"margin": 2.0}


def test_a_suggested_point_has_it():
    study = optuna.create_study()
    trial = study.ask()
    given = {"focal.alpha": (0.1, 0.9), "focal": {"gamma": 1.5}}
    point = lossearch.suggest(trial, losses=["focal"], params=given)
    assert 0.1 <= trial.params["focal.alpha"] <= 0.9
    assert point.params == {"alpha": trial.params["focal.alpha"], "gamma": 1.5}
    assert "focal.gamma" not in trial.params
    assert point.criterion().params["alpha"] == trial.params["focal.alpha"]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"focal.alfa": (0.1, 0.9)}, "Did you mean 'focal.alpha'?"),
        ({"focal.alpha": (0.9, 0.1)}, "low to high"),
        ({"focal.alpha": 3}, "must lie between -1 and 1"),
        ({"alpha": 0.5}, "loss.parameter"),
        ({"hinge.margin": 2}, "focal.alpha"),
    ],
)
def test_what_is_no_parameter_is_refused(params, said):
    with pytest.raises(InputError) as error:
        lossearch.suggest(optuna.create_study().ask(), losses=["focal"], params=params)
    assert said in str(error.value)


@pytest.mark.parametrize(
    "text", ["focal=1", "focal.alpha", "focal.alpha=a:b", ".alpha=1", "focal.alpha=1:2:3"]
)
def test_another_form_on_the_command_line_is_a_usage_error(text):
    done = CliRunner().invoke(run, ["--data", "circles", "--param", text])
    assert done.exit_code == 2
    assert "--param" in done.output


def test_nothing_given_is_nothing_changed():
    assert ranges({}, ()) == {}
