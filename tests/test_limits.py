"""Absurd values: one clear message and code 2 within seconds, before any work, and nothing left behind."""

from __future__ import annotations

import contextlib
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossearch import cli
from lossearch.api import plan
from lossearch.config import KEYS, StudyConfig, make_config, parse_config, with_overrides
from lossearch.errors import InputError

SECONDS = 2.0


@pytest.fixture
def refused(tmp_path, monkeypatch, capfd):
    """Run a command that must be refused in time, and return its message."""
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))

    def run(*arguments: str) -> str:
        begun = time.process_time()
        code = cli.invoke(["run", *arguments])
        took = time.process_time() - begun
        out, err = capfd.readouterr()
        assert (code, out) == (2, ""), err
        assert "Traceback" not in err
        assert len(err) < 6500
        assert took < SECONDS
        left = [
            p for p in tmp_path.rglob("*") if p not in before and p.suffix not in (".toml", ".py", ".pyc")
        ]
        assert [p for p in left if p.name != "__pycache__"] == []
        return err

    plan(make_config({"task": {"data": "circles"}}))  # what is imported once is not counted
    return run


LARGE = [
    key for key in KEYS if int in key.kinds and key.path != "budget.seed" and key.path != "task.held_rows"
]


@pytest.mark.parametrize("key", LARGE, ids=lambda key: key.path)
@pytest.mark.parametrize("number", [10**9, 10**30])
def test_no_count_is_without_limit(refused, key, number):
    assert f"[{key.table}] {key.name} must be at most" in refused(
        "--data", "circles", "--dry-run", key.flag, str(number)
    )


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "space.settings.batch_size=[1, 1000000000000]",
            "[space] settings.batch_size must be at most 10000000; got",
        ),
        (
            "space.settings.epochs={choices=[5, 1000000000]}",
            "[space] settings.epochs must be at most 100000; got",
        ),
        ("space.settings.clip=[-1, 2]", "[space] settings.clip must be above 0; got -1"),
        (
            f"space.losses={','.join(f'l{i}' for i in range(200_000))}",
            "[space] losses must be at most 500 names; got 200000.",
        ),
        (f"task.hidden={[8] * 200}", "[task] hidden must be as many values as 100"),
        (f"seed={10**40}", "[budget] seed must be at most"),
        ("seed=0x" + "f" * 9000, "[budget] seed must be at most"),
        (f"space.lr={10**400}", "[space] lr must be a number or [low, high]"),
        ("train.options.momentum=" + "[" * 3000, "momentum"),
        ("train.options.a=" + "[" * 60 + "]" * 60, "[train] options must be a table of text"),
        ("a.b.c.d=1", "No table [a]."),
        ("train.epochs.b.c=1", "[train] epochs must be a whole number"),
        ("epochs.b.c=1", "[train] epochs must be a whole number"),
        ("task.data.b=1", "[task] data must be text in quotes"),
        ("train.options." + "a." * 5000 + "b=1", "names too many tables within each other"),
        ("records.store=" + "a" * 300, "[records] store has a part of more than 255 bytes"),
        ("records.store=" + "a/" * 3000, "[records] store must be text of at most 4000"),
        ("task.data=" + "a" * 300 + ".csv", "[task] data has a part of more than 255 bytes"),
        ('records.store="a\\u0000b"', "[records] store must not hold the character NUL"),
        ('task.data="a\\u0000b.csv"', "[task] data must not hold the character NUL"),
        ("task.hidden=[2000000000]", "has weights of"),
        ("task.hidden=[100000, 100000, 100000]", "has weights of 75"),
        ("task.data_options.n_samples=25000000000000", "would take"),
        (
            "task.data_options.n_samples=1000000000000000000000000",
            "[task] data_options must be a table of text, numbers",
        ),
    ],
    ids=lambda text: text[:40],
)
def test_an_absurd_setting_is_told(refused, setting, message):
    assert message in refused("--data", "circles", "--set", setting)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[" * 5000 + "]" * 5000, "has lists or tables nested too deeply."),
        ("a = " + "{a=" * 5000 + "1" + "}" * 5000, "has lists or tables nested too deeply."),
        ("[train.options]\n" + "a." * 5000 + "b = 1", "[train] options must be a table of text"),
        ("[space.params]\n" + "a." * 5000 + "b = 1", "[space] params must be a table of text"),
        ("[budget]\ntrials = " + "9" * 5000, "is not valid TOML"),
        ("[train]\n" + "\n".join(f"k{i} = 1" for i in range(20_000)), "And 19970 more."),
        ("[space.params]\n" + "\n".join(f"a.k{i} = 1" for i in range(20_000)), "at most 500 values"),
        ('[task]\ndata = "circles"\n[records]\nstore = "a\\u0000b"', "NUL"),
    ],
    ids=lambda text: text[:20],
)
def test_an_absurd_study_file_is_told(refused, tmp_path, text, message):
    (tmp_path / "x.toml").write_text(text)
    assert message in refused("x.toml", "--dry-run")


def test_brute_force_over_too_many_points_is_told(refused):
    message = refused(
        *("--data", "circles", "--sampler", "brute", "--lr", "0.1", "--losses", "bce"),
        *("--set", "space.settings.epochs=[1, 1000]", "--set", "space.settings.batch_size=[1, 1000]"),
    )
    assert "Sampler 'brute' would try 1000000 points" in message


MODULE = """
import sys
if "quits" in __name__:
    sys.exit("no licence")
def data():
    sys.exit(3)
def network(n_in, n_out):
    raise SystemExit
"""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--data", "quits:data"],
            "data 'quits:data': module 'quits' cannot be imported: SystemExit: no licence",
        ),
        (["--data", "leaves:data"], "data 'leaves:data' failed: SystemExit: 3"),
        (
            ["--data", "circles", "--model", "leaves:network"],
            "Model leaves:network cannot be built: SystemExit",
        ),
        (
            ["--data", "circles", "--model", "quits:network"],
            "model 'quits:network': module 'quits' cannot be imported",
        ),
    ],
)
def test_a_module_that_ends_the_process_is_told_by_name(refused, tmp_path, monkeypatch, arguments, message):
    for name in ("quits", "leaves"):
        (tmp_path / f"{name}.py").write_text(MODULE)
        monkeypatch.delitem(sys.modules, f"lossearch_file_{name}", raising=False)
    assert message in refused(*arguments)


@pytest.mark.parametrize("name", ["a" * 300, "a\0b", "~nobody-of-this-name/x"])
def test_no_store_can_be_there(name, capfd):
    assert cli.invoke(["report", "x", "--store", name]) == 2
    assert "No store can be at" in capfd.readouterr().err


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text(st.characters(categories=["Cs"]))
    | st.sampled_from([20, 400, 5000]).map(lambda digits: 10**digits),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(key=st.sampled_from(KEYS), value=ANY)
def test_any_value_gives_a_config_or_one_message(key, value):
    with contextlib.suppress(InputError):
        make_config({key.table: {key.name: value}})


@given(
    path=st.lists(
        st.sampled_from(["task", "train", "options", "epochs", "space", "settings", "", "a"]), max_size=5
    ),
    text=st.text(),
)
def test_any_override_gives_a_config_or_one_message(path, text):
    with contextlib.suppress(InputError):
        with_overrides(StudyConfig(), {".".join(path): text})


@given(st.text())
def test_any_text_is_a_study_file_or_is_told(text):
    with contextlib.suppress(InputError):
        parse_config(text)


def test_a_value_that_holds_itself_is_told():
    options: dict[str, object] = {}
    options["a"] = options
    with pytest.raises(InputError, match="options must be a table of text"):
        make_config({"train": {"options": options}})
