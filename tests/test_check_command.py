"""``lossearch check`` ends with one line that says whether a loss is safe, and gives each cause once."""

from __future__ import annotations

from pathlib import Path

import pytest

import lossearch
from lossearch.checks.behaviour import rounding
from lossearch.checks.contract import Finding, conclusion, told
from lossearch.cli import invoke
from lossearch.errors import InputError

MINE = """
import torch
import torch.nn.functional as F
import lossearch

def declared(value):
    return lossearch.loss(
        task="binary", encoding="plus_minus_one", domain="real", source="a test", example=(0.0, 1.0, value)
    )

@declared(0.6931)
def rounded(output, target):
    return F.softplus(-output * target)

@declared(0.6921)
def wrong(output, target):
    return F.softplus(-output * target)

@declared(0.6931471805599453)
def mean(output, target):
    return F.softplus(-output * target).mean()

@declared(0.6931471805599453)
def column(output, target):
    return F.softplus(-output * target)[:, 5]

def raises(output, target):
    raise ValueError("not this")
"""


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(MINE)

    def run(*arguments):
        code = invoke(["check", *arguments])
        return code, capsys.readouterr().out.splitlines()

    return run


@pytest.mark.parametrize(
    "loss", ["mine.py:rounded", "mine.py:rounded + 0.5*hinge", "0.5*hinge + mine.py:column"]
)
def test_it_ends_with_a_verdict(check, loss):
    code, lines = check(loss)
    safe = code == 0
    assert safe is ("column" not in loss)
    assert lines[-1].startswith(f"{loss} is {'safe' if safe else 'not safe'} to search over: ")
    assert any(line.startswith("FAILED") for line in lines) is not safe


@pytest.mark.parametrize("name", ["mean", "column", "raises"])
def test_each_cause_is_given_once(check, name):
    code, lines = check(f"mine.py:{name}")
    assert code == 1
    failed = [line.partition(": ")[2] for line in lines if line.startswith("FAILED")]
    assert failed
    assert len(set(failed)) == len(failed)
    assert " checks, and " in lines[-1]


def test_what_fails_for_one_cause_is_one_line():
    lines = told(
        [
            Finding("a", False, "it raises"),
            Finding("b", True),
            Finding("c", False, "it raises"),
            Finding("d", True),
        ]
    )
    assert lines == ["FAILED  a; c: it raises", "ok  b", "ok  d"]
    assert conclusion("x", [Finding("a", True)], 1) == "x is safe to search over: all 1 checks hold."


@pytest.mark.parametrize(("name", "code"), [("rounded", 0), ("wrong", 1)])
def test_an_example_is_as_exact_as_its_digits(check, name, code):
    assert check(f"mine.py:{name}")[0] == code


@pytest.mark.parametrize(
    ("value", "may"),
    [
        (0.6931, 5e-5),
        (0.693147, 5e-7),
        (12.5, 0.05),
        (0.5, 0.0),
        (1.0, 0.0),
        (100.0, 0.0),
        (1.25e-05, 5e-8),
        (-0.125, 5e-4),
    ],
)
def test_how_far_a_rounded_number_may_be_off(value, may):
    assert rounding(value) == pytest.approx(may)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"domain": (0.0, 1.0)}, r"domain is \(0\.0, 1\.0\): give the name of a range, of real, .*unit"),
        ({"targets": ["real"]}, r"targets is \['real'\]: give the name of a range"),
        (
            {"params": {"g": (0.0, 1.0)}},
            r"params holds \{'g': \(0\.0, 1\.0\)\}: give lossearch\.losses\.Parameter",
        ),
        ({"params": (("g", 0.5, 0.0, 1.0),)}, r"params holds \('g', 0\.5, 0\.0, 1\.0\): give"),
    ],
)
def test_what_is_declared_in_another_form_is_refused_with_the_form(declared, message):
    with pytest.raises(InputError, match=message):
        lossearch.loss(task="binary", encoding="zero_one", source="a test", **declared)


@pytest.mark.parametrize("given", ["circles", Path("churn.csv")])
def test_a_name_as_x_is_answered_with_where_names_go(given):
    with pytest.raises(InputError) as caught:
        lossearch.search(given)
    assert str(caught.value) == (
        f"X is {str(given)!r}, a name: X takes the inputs themselves. Give data={str(given)!r} for a built-in problem, a "
        f"file or OpenML, or lossearch.load({str(given)!r}) for a recorded study."
    )


def test_a_study_file_as_x_is_answered_with_how_it_is_run():
    with pytest.raises(InputError, match=r"A study file is run with lossearch run studies/wine\.toml\."):
        lossearch.search("studies/wine.toml")
