"""A loss of one's own in a sum of losses: as in a sum of ours, and found, trusted and recorded as it is alone."""

from __future__ import annotations

import pickle
import subprocess
import sys
from itertools import pairwise

import numpy as np
import optuna
import pytest
import torch

import lossearch
from lossearch import api
from lossearch._places import is_compound, names_in, places_in, with_names, with_places
from lossearch.cli import invoke
from lossearch.config import load_config
from lossearch.errors import InputError
from lossearch.losses import loss_of_sum, losses_for, own_loss, own_places, reference_of
from lossearch.pairs import find_loss
from lossearch.space import Point

LOSSES = '''
import torch
import lossearch
print("imported", end="")

@lossearch.loss(task="binary", encoding="zero_one", domain="real", source="ours", example=(0.5, 1.0, 0.25))
def quarter(output, target):
    """(f - y)^2"""
    return (output - target).square()

@lossearch.loss(task="binary", encoding="zero_one", domain="real", source="ours", example=(0.5, 1.0, 0.125),
                params=(lossearch.losses.Parameter("height", 0.5, 0.1, 1.0, search=True),))
def scaled(output, target, height=0.5):
    """h (f - y)^2"""
    return height * (output - target).square()

@lossearch.loss(task="regression", encoding="raw", domain="real", source="ours", example=(0.5, 1.0, 0.25))
def for_numbers(output, target):
    """(f - y)^2"""
    return (output - target).square()

@lossearch.loss(task="binary", encoding="zero_one", domain="real", source="ours", example=(0.5, 1.0, 0.25), name="two words")
def odd(output, target):
    """(f - y)^2"""
    return (output - target).square()

@lossearch.loss(task="binary", encoding="zero_one", domain="real", source="ours", example=(0.5, 1.0, 0.25), name="smooth")
def taken(output, target):
    """(f - y)^2"""
    return (output - target).square()

def undeclared(output, target):
    return (output - target).square()

def reduced(output, target):
    return (output - target).square().mean()
'''
QUICK = {"trials": 10, "seeds": 1, "confirm_seeds": 2, "epochs": 2, "mlflow": False, "workers": 1}
X = np.random.default_rng(0).normal(size=(80, 2)).astype("float32")
Y = (X[:, 0] > 0).astype(int)
RAW, TARGET = torch.linspace(-2, 2, 9, dtype=torch.float64), torch.tensor([0, 1, 1, 0, 1, 0, 0, 1, 1])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with two modules of losses."""
    (tmp_path / "sums_mine.py").write_text(LOSSES)
    (tmp_path / "sums_other.py").write_text(LOSSES)
    rows = "\n".join(f"{a},{b},{c}" for (a, b), c in zip(X.tolist(), Y, strict=True))
    (tmp_path / "rows.csv").write_text(f"a,b,c\n{rows}\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in [m for m in sys.modules if "sums_" in m]:
        del sys.modules[name]


# --- how it is written --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "places", "names"),
    [
        ("mine.py:f + 0.5*dice", ["mine.py:f"], ["dice"]),
        ("0.5*mine:f+[0.1,10]*pkg.mine:g.h", ["mine:f", "pkg.mine:g.h"], []),
        ("pkg.mine.f*2 + bce", ["pkg.mine.f"], ["bce"]),
        ("smooth(./my-dir/mine.py:f, 0.1)", ["./my-dir/mine.py:f"], ["smooth"]),
        ("'a b+c.py:f' + \"d(1).py:g\"", ["a b+c.py:f", "d(1).py:g"], []),
        ("focal(gamma=1.5)+1e-3*mine:f(height = 2)", ["mine:f"], ["focal"]),
        ("C:\\dir\\mine.py:f + bce", ["C:\\dir\\mine.py:f"], ["bce"]),
        ("/home/jörg/mine.py:f + bce", ["/home/jörg/mine.py:f"], ["bce"]),
        ("bce + 0.5*dice", [], ["bce", "dice"]),
    ],
)
def test_places_in_a_sum(text, places, names):
    assert is_compound(text)
    assert list(places_in(text)) == list(own_places(text)) == places
    assert list(names_in(text)) == names
    assert list(places_in(with_places(text, lambda place: f"/x y/{place}:z"))) == [
        f"/x y/{p}:z" for p in places
    ]


@pytest.mark.parametrize("text", ["mine:f", "my-losses.py:f", "pkg.mine.f", "bce", "a b/mine.py:f"])
def test_one_place_is_no_sum(text):
    assert not is_compound(text)
    assert own_places(text) == (() if text == "bce" else (text,))


def test_a_file_that_is_there_is_one_place_whatever_its_path(tmp_path):
    file = tmp_path / "a+b (1)" / "mine.py"
    assert is_compound(f"{file}:f")
    file.parent.mkdir()
    file.touch()
    assert not is_compound(f"{file}:f")
    assert own_places(f"{file}:f") == (f"{file}:f",)


def test_names_are_replaced_and_those_of_arguments_are_not():
    found = with_names("f(gamma=2)+0.5*gamma+mine:f", {"f": "a b.py:f", "gamma": "m:gamma"})
    assert found == '"a b.py:f"(gamma=2)+0.5*m:gamma+mine:f'


# --- what it is worth ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place", ["sums_mine:quarter", "sums_mine.quarter", "sums_mine.py:quarter", "./sums_mine.py:quarter"]
)
@pytest.mark.parametrize("form", ["{} + 0.5*dice", "0.5*dice+{}", "0.5*dice + 1*{}"])
def test_it_is_the_sum(folder, place, form):
    both = lossearch.criterion(f"{form.format(place)}/sigmoid")
    assert set(both.pair.loss.name.split("+")) == {"quarter", "0.5*dice"}
    one, dice = (lossearch.criterion(name) for name in (f"{place}/sigmoid", "dice/sigmoid(task=binary)"))
    expected = one(RAW, TARGET) + 0.5 * dice(RAW, TARGET)
    assert float(both(RAW, TARGET)) == pytest.approx(float(expected), rel=1e-12)


def test_its_parameters_are_the_sums(folder):
    loss = find_loss("bce + [0.1, 10]*sums_mine:scaled", "binary")
    assert set(loss.defaults) == {"scaled_height", "scaled_weight"}
    assert not find_loss("bce+sums_mine:scaled(height=0.2)", "binary").defaults
    smooth = find_loss("smooth(sums_mine:scaled, 0.2)", "binary")
    assert (smooth.name, set(smooth.defaults)) == ("smooth(scaled,0.2)", {"height"})


def test_a_function_that_is_not_declared_is_one_of_the_kind_of_task(folder):
    loss = find_loss("sums_mine:undeclared+mse", "regression")
    assert (loss.name, loss.kinds[0]) == ("undeclared+mse", "regression")
    with pytest.raises(InputError, match="not a declared loss"):
        lossearch.criterion("sums_mine:undeclared+mse/identity")


def test_a_pickle_and_a_text_bring_it_back(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(folder))
    pair = lossearch.criterion("sums_mine:quarter+0.5*dice/sigmoid").pair
    assert pickle.loads(pickle.dumps(pair)) == pair  # noqa: S301 - our own
    assert pickle.loads(pickle.dumps(pair)).loss.own == pair.loss.own  # noqa: S301 - our own
    assert reference_of(pair.loss) == "sums_mine:quarter+0.5*dice"
    assert own_loss(reference_of(pair.loss), "binary") == pair.loss
    point = Point(pair.name, 0.1, definition=pair)
    assert lossearch.criterion(point.text).pair == pair


def test_a_loss_that_is_given_stands_there_by_its_name(folder):
    mine = own_loss("sums_mine:quarter")
    found = lossearch.criterion("log_loss + 0.5*quarter/sigmoid", losses=[mine])
    assert (found.pair.loss.name, found.pair.loss.own) == ("bce+0.5*quarter", (mine,))
    study = optuna.create_study()
    point = lossearch.suggest(study.ask(), losses=[mine, "quarter+dice"], activations=["sigmoid"])
    assert point.pair in {"quarter/sigmoid", "quarter+dice/sigmoid"}
    with pytest.raises(InputError, match="no loss named 'quarter'"):
        lossearch.criterion("bce + 0.5*quarter/sigmoid")


def test_losses_are_put_together_in_python_as_in_text(folder):
    mine, dice = own_loss("sums_mine:quarter"), losses_for("binary")["dice"]
    for found in (mine + 0.5 * dice, mine + dice * 0.5, mine + "0.5*dice", mine + np.float64(0.5) * dice):
        assert found == find_loss("sums_mine:quarter + 0.5*dice", "binary")
        assert found.own == (mine,)
    assert "0.5*dice" + mine == find_loss("0.5*dice + sums_mine:quarter", "binary")
    assert (mine + [0.1, 10] * dice).name == "quarter+[0.1,10]*dice"
    assert (mine + (0.1, 10) * dice + "mse").name == "quarter+[0.1,10]*dice+mse"
    ours = losses_for("binary")["bce"] + 0.5 * dice
    assert ours is losses_for("binary")["bce+0.5*dice"]
    for wrong in (lambda: mine * dice, lambda: mine + 1, lambda: "2" * mine, lambda: mine - dice):
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(InputError, match="this task is binary"):
        mine + own_loss("sums_mine:for_numbers")


def test_a_search_takes_a_sum_of_objects(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(folder))
    import sums_mine

    given = ["bce", sums_mine.quarter + 0.5 * losses_for("binary")["dice"]]
    result = lossearch.search(
        X, Y, losses=given, activations=["sigmoid"], lr=0.05, store="s", name="o", **QUICK
    )
    assert set(result.leaderboard["pair"]) == {"bce/sigmoid", "quarter+0.5*dice/sigmoid"}
    assert result.config.space.losses == ("bce", "sums_mine:quarter+0.5*dice")
    again = lossearch.search(
        X, Y, losses=["bce", "sums_mine:quarter + 0.5*dice"], activations=["sigmoid"], lr=0.05, store="s",
        name="o", **QUICK,
    )  # fmt: skip
    assert len(again.trials) == len(result.trials)


# --- what cannot be -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "place", "said"),
    [
        ("bce + sums_mine:nothing", "sums_mine:nothing", "module 'sums_mine' has no 'nothing'"),
        ("bce + 0.5*sums_mine:quartr", "sums_mine:quartr", "Did you mean 'quarter'"),
        ("bce + no_such.py:f", "no_such.py:f", "There is no file no_such.py"),
        ("bce + no_such.f", "no_such.f", "module 'no_such' cannot be imported"),
        ("bce + sums_mine:for_numbers", "sums_mine:for_numbers", "declared for regression, .* this task is binary"),
        ("bce + sums_mine:reduced", None, "leave out the mean or the sum"),
        ("bce + sums_mine:odd", "sums_mine:odd", "a loss named 'two words' cannot stand in a sum"),
        ("bce + sums_mine:taken", "sums_mine:taken", "a loss named 'smooth' cannot stand in a sum"),
        ("bce - sums_mine:quarter", "bce - sums_mine:quarter", "losses are added with"),
        ("sums_mine:quarter + dicee", "dicee", "Did you mean 'dice'"),
        ("bce + sums_mine:scaled(hight=2)", "hight=2", "scaled has no parameter 'hight'; it has height"),
        ("sums_mine:quarter + sums_other:quarter", None, "two losses of yours that are named 'quarter'"),
        ("sums_mine:quarter + sums_mine:quarter", None, "adds quarter twice"),
        ("hinge + sums_mine:quarter", None, "in ways that exclude each other"),
        ("'sums mine.py:quarter' + bce", "'sums mine.py:quarter'", "There is no file sums mine.py"),
    ],
)  # fmt: skip
def test_a_fault_is_pointed_at(folder, written, place, said):
    with pytest.raises(InputError, match=said) as caught:
        lossearch.search(X, Y, losses=["bce", written], store="s", name="own", **QUICK)
    if place is not None:
        shown, marked = next(both for both in pairwise(str(caught.value).split("\n")) if "^" in both[1])
        at = marked.index("^")
        assert shown[at : at + marked.count("^")] == place
    assert not (folder / "s").exists()


def test_nothing_is_imported_by_a_look_into_the_catalogue(folder, capsys):
    for text in ("sums_mine:quarter+bce", "sums_mine.quarter+bce"):
        assert text not in losses_for("binary")
        with pytest.raises(InputError, match="names a place, as no point"):
            Point(f"{text}/sigmoid", 0.1).criterion()
    assert "sums_mine" not in sys.modules
    assert capsys.readouterr().out == ""
    with pytest.raises(InputError, match="holds no loss of yours"):
        loss_of_sum("bce+dice")


# --- all of it ----------------------------------------------------------------------------------------


def test_a_search_records_where_it_is(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(folder))
    import sums_mine

    result = lossearch.search(
        X, Y, losses=["bce", sums_mine.quarter, "0.5*quarter + dice"], activations=["sigmoid"], lr=0.05, store="s", name="o",
        **QUICK,
    )  # fmt: skip
    assert set(result.leaderboard["pair"]) == {"bce/sigmoid", "quarter/sigmoid", "0.5*quarter+dice/sigmoid"}
    assert result.config.space.losses == ("bce", "sums_mine:quarter", "0.5*sums_mine:quarter + dice")
    assert not [note for note in result.declared.notes if "fails" in note]
    lossearch.search(
        X, Y, losses=["bce", sums_mine.quarter, "0.5*quarter + dice"], activations=["sigmoid"], lr=0.05, store="s", name="o",
        **{**QUICK, "trials": 12},
    )  # fmt: skip


def test_what_it_is_not_is_told_of_each_of_a_sum(folder):
    (folder / "study.toml").write_text(
        '[task]\ndata = "rows.csv"\ntarget = "c"\n[space]\nlosses = ["bce", "sums_mine:undeclared + mse"]\n'
    )
    notes = "\n".join(api.plan(load_config("study.toml")).plan.notes)
    assert notes.count("Loss 'undeclared' is not declared") == 1


def test_code_beside_the_study_file_is_found_from_elsewhere(folder):
    (folder / "in ner").mkdir()
    for name in ("sums_mine.py", "rows.csv"):
        (folder / name).rename(folder / "in ner" / name)
    (folder / "in ner" / "study.toml").write_text(
        '[task]\ndata = "rows.csv"\ntarget = "c"\n[space]\npairs = ["bce/sigmoid", "sums_mine:quarter + 0.5*dice/sigmoid"]\n'
    )
    config = load_config("in ner/study.toml")
    assert config.space.pairs == ("bce/sigmoid", '"in ner/sums_mine.py:quarter" + 0.5*dice/sigmoid')
    assert "quarter+0.5*dice/sigmoid" in api.plan(config).plan.space.names


ELSEWHERE = """
import sys, lossearch
from lossearch.cli import invoke
from lossearch.errors import InputError
run = {run!r}
place = "sums_mine:quarter"
pair = "0.5*dice+quarter/sigmoid"
for arguments in (["report", "rows", "--store", "s"], ["ls", "--store", "s"]):
    assert invoke(arguments) == 0
assert lossearch.load("rows", "s").best.lr > 0
for arguments in (["rerun", "rows", "6", "--store", "s"], ["rerun", "rows", "confirm:" + pair, "--store", "s"]):
    assert invoke(arguments) == 2
assert not [m for m in sys.modules if "sums_" in m], "unasked"
for arguments in (
    ["rerun", "rows", "6", "--store", "s", "--trust", place],
    ["rerun", "rows", "confirm:" + pair, "--store", "s", "--trust", place],
    [*run, "--trials", "12"],
):
    code = invoke(arguments)
    assert code == 0, (arguments, code)
result = lossearch.load("rows", "s", trust=place)
for confirmation in result.confirmed.confirmations:
    assert result._with_pair(confirmation.point).criterion().pair.name == confirmation.point.pair
assert len(result.trials) == 12, len(result.trials)
try:
    lossearch.load_model("model")
except InputError as error:
    assert "names code outside of the records" in str(error) and place in str(error), error
else:
    raise AssertionError("loaded unasked")
assert lossearch.load_model("model", trust=place).point.pair == pair
from lossearch.losses import own_loss
assert lossearch.load_model("model", losses=[own_loss(place)]).point.pair == pair
print("all of it")
"""


@pytest.mark.slow
def test_another_process_resumes_reports_and_reruns_where_it_is_trusted(folder):
    pairs = "bce/sigmoid,0.5*dice + sums_mine:quarter/sigmoid"
    run = ["run", "--data", "rows.csv", "--target", "c", "--pairs", pairs, "--seeds", "1", "--confirm-seeds", "2",
           "--epochs", "2", "--store", "s", "--no-mlflow", "-q", "--workers", "2"]  # fmt: skip
    assert invoke([*run, "--trials", "10"]) == 0
    result = lossearch.load("rows", "s", trust="sums_mine:quarter")
    assert {r.point.pair for r in result.trials} == {"bce/sigmoid", "0.5*dice+quarter/sigmoid"}
    confirmed = result.confirmed["0.5*dice+quarter/sigmoid"]
    result._again.model(result._with_pair(confirmed.point), confirmed.epoch).save(folder / "model")
    done = subprocess.run(
        [sys.executable, "-P", "-c", ELSEWHERE.format(run=run)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("reproduced exactly") == 2
    assert done.stdout.splitlines()[-1] == "all of it"
