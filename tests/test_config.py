"""The study file: every problem at once, in plain words; and the way out and back."""

from __future__ import annotations

import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossearch.config import (
    StudyConfig,
    TaskTable,
    config_toml,
    load_config,
    make_config,
    parse_config,
    with_overrides,
    with_values,
)
from lossearch.config.tables import TABLES
from lossearch.config.toml import parse_value
from lossearch.errors import InputError
from lossearch.kinds import KINDS


def problems(values) -> str:
    with pytest.raises(InputError) as caught:
        make_config(values)
    return str(caught.value)


def written(tmp_path, text, name="churn.toml"):
    file = tmp_path / name
    file.write_text(text)
    return file


# --- what is accepted


def test_an_empty_file_is_a_study_of_defaults(tmp_path):
    found = load_config(written(tmp_path, ""))
    assert found.records.name == "churn"
    assert with_values(found, {"records.name": None}) == StudyConfig()


def test_values_arrive_where_they_belong(tmp_path):
    text = """
    [task]
    data = "circles"
    data_options = { noise = 0.1 }
    rows = { train = "0:500", validation = "500:" }
    test = false
    [space]
    losses = ["bce", "hinge"]
    lr = [1e-3, 1.0]
    [space.params]
    focal.gamma = [0.5, 5.0]
    "huber.delta" = 1
    [space.settings]
    batch_size = [16, 64]
    weight_decay = { low = 1e-6, high = 1e-2, log = true }
    momentum = { choices = [0.0, 0.9] }
    [budget]
    time = "1h30m"
    [records]
    name = "mine"
    """
    found = load_config(written(tmp_path, text))
    assert found.task.data_options == {"noise": 0.1}
    assert found.task.rows is not None
    assert found.task.rows.validation == "500:"
    assert found.task.test is False
    assert found.space.losses == ("bce", "hinge")
    assert found.space.lr == (1e-3, 1.0)
    assert found.space.params == {"focal.gamma": (0.5, 5.0), "huber.delta": 1.0}
    sizes = found.space.settings["batch_size"]
    assert (sizes.low, sizes.high, sizes.integer) == (16.0, 64.0, True)
    assert found.space.settings["weight_decay"].log
    assert not found.space.settings["weight_decay"].integer
    assert found.space.settings["momentum"].choices == (0.0, 0.9)
    assert found.budget.seconds == 5400.0
    assert found.name == "mine"


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("1h30m", 5400), ("1.5h", 5400)])
def test_durations(text, seconds):
    assert make_config({"budget": {"time": text}}).budget.seconds == seconds


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("circles", "circles"),
        ("data/churn.csv", "churn"),
        ("my data (v2).parquet", "my-data-v2"),
        ("openml:554", "openml-554"),
        ("nets:make_data", "make_data"),
        (None, "study"),
        ("../.csv", "csv"),
    ],
)
def test_a_study_without_a_name_is_named_after_its_data(data, name):
    assert make_config({"task": {"data": data}}).name == name


def test_data_beside_the_study_file_is_found_from_anywhere(tmp_path):
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    file = written(tmp_path, '[task]\ndata = "rows.csv"\n')
    assert load_config(file).task.data == str(tmp_path / "rows.csv")
    (tmp_path / "rows.csv").unlink()
    assert load_config(file).task.data == "rows.csv"


def test_the_kinds_are_those_there_are():
    literal = next(a for a in get_args(TaskTable.model_fields["kind"].annotation) if get_args(a))
    assert get_args(literal) == tuple(KINDS)


# --- what is refused


def test_every_problem_is_told_at_once_with_file_and_table(tmp_path):
    file = written(
        tmp_path,
        """
        losses = ["a"]
        [task]
        kind = "binry"
        [spcae]
        x = 1
        [space]
        lossses = ["bce"]
        trials = 5
        lr = [1, 0.1]
        [budget]
        trials = 0
        """,
    )
    with pytest.raises(InputError) as caught:
        load_config(file)
    assert str(caught.value).splitlines() == [
        f"{file}: 7 problems:",
        f"  - [task] kind must be one of {', '.join(KINDS)} (did you mean 'binary'?); got \"binry\".",
        "  - [space] lr must go from low to high; got [1, 0.1].",
        (
            "  - No key 'lossses' in [space]. Did you mean 'losses'? "
            "Known: losses, activations, pairs, lr, extend, params, settings."
        ),
        "  - No key 'trials' in [space]; it belongs in [budget].",
        "  - [budget] trials must be at least 1; got 0.",
        "  - 'losses' stands outside any table; it belongs in [space].",
        (
            "  - No table [spcae]. Did you mean [space]? "
            "Tables: [task], [space], [budget], [train], [records], [published]."
        ),
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"task": {"data": 5}}, '[task] data must be text in quotes, as in "name"; got 5.'),
        ({"task": {"data": ""}}, '[task] data must not be empty; got "".'),
        ({"task": 3}, "[task] must be a table; got 3."),
        ({"task": {"hidden": [50, 0]}}, "[task] hidden must be at least 1; got 0."),
        ({"task": {"hidden": 50}}, "[task] hidden must be a list, as in [1, 2]; got 50."),
        ({"task": {"scale": 1}}, "[task] scale must be true or false; got 1."),
        (
            {"task": {"test": True}},
            "[task] test must be false (no test part) or a share between 0 and 1; got true.",
        ),
        (
            {"task": {"test": 1.5}},
            "[task] test must be false (no test part) or a share between 0 and 1; got 1.5.",
        ),
        ({"task": {"validation": 0}}, "[task] validation must be a share between 0 and 1; got 0."),
        (
            {"task": {"metric": "val_loss"}},
            (
                "[task] metric cannot be 'val_loss': values of different losses have different units. "
                "Name what judges them all alike, such as accuracy or rmse."
            ),
        ),
        (
            {"task": {"rows": {"train": "0:5", "validation": "4:9"}}},
            "[task] rows must not overlap; train and validation share rows.",
        ),
        (
            {"task": {"rows": {"train": ":", "validation": "0:9"}}},
            "[task] rows must not overlap; validation and train share rows.",
        ),
        (
            {"task": {"rows": {"train": "5:5", "validation": "5:9"}}},
            '[task] rows.train must be at least one row, written from:to, as in "0:500"; got "5:5".',
        ),
        ({"task": {"rows": {"train": "0:5"}}}, "[task] rows.validation is missing."),
        (
            {"task": {"rows": {"train": "0:5", "validation": "5:9"}, "validation": 0.2}},
            "[task] gives both rows and validation: the rows already say which part validates.",
        ),
        (
            {"task": {"rows": {"train": "0:5", "validation": "5:9", "test": "9:"}, "test": False}},
            "[task] gives both rows.test and test: the rows already say which part tests.",
        ),
        ({"task": {"groups": "a", "time": "b"}}, "[task] gives both groups and time: split by one of them."),
        ({"space": {"lr": 0}}, "[space] lr must be above 0; got 0."),
        ({"space": {"lr": -0.1}}, "[space] lr must be above 0; got -0.1."),
        ({"space": {"lr": [0, 1]}}, "[space] lr must be above 0; got [0, 1]."),
        ({"space": {"lr": math.nan}}, "[space] lr must be a number or [low, high]; got nan."),
        ({"space": {"lr": "0.1"}}, '[space] lr must be a number or [low, high]; got "0.1".'),
        ({"space": {"lr": True}}, "[space] lr must be a number or [low, high]; got true."),
        (
            {"space": {"losses": []}},
            "[space] losses must name at least one, or be left out for the usual ones.",
        ),
        ({"space": {"losses": ["a", "a"]}}, "[space] losses names a more than once."),
        ({"space": {"losses": [1]}}, '[space] losses must be a list of names, as in ["a", "b"]; got [1].'),
        (
            {"space": {"pairs": ["hinge"]}},
            '[space] pairs must be names of the form loss/activation, as in "hinge/tanh"; got "hinge".',
        ),
        (
            {"space": {"pairs": ["hinge/tanh"], "losses": ["bce"]}},
            "[space] gives pairs beside losses or activations: give the pairs alone, or leave them out.",
        ),
        (
            {"space": {"params": {"gamma": 2}}},
            '[space] params are named loss.parameter, as in focal.gamma; got "gamma".',
        ),
        (
            {"space": {"settings": {"lr": [0.1, 1]}}},
            "[space] settings cannot hold lr: write lr = [low, high] in [space] itself.",
        ),
        (
            {"space": {"settings": {"batch_size": 5}}},
            "[space] settings.batch_size must be [low, high] or {choices = [...]}; got 5. A fixed value belongs in [train].",
        ),
        ({"space": {"settings": {"a": {"low": 1}}}}, "[space] settings.a must have both low and high."),
        ({"space": {"settings": {"a": {}}}}, "[space] settings.a must have either low and high, or choices."),
        ({"space": {"settings": {"a": [2, 1]}}}, "[space] settings.a must go from low to high; got 2 to 1."),
        (
            {"space": {"settings": {"a": {"low": 0, "high": 1, "log": True}}}},
            "[space] settings.a must be above 0 to be searched on a log scale; got 0.",
        ),
        (
            {"space": {"settings": {"a": {"choices": [[1]]}}}},
            "[space] settings.a choices must be numbers or text.",
        ),
        ({"budget": {"seeds": 0}}, "[budget] seeds must be at least 1; got 0."),
        ({"budget": {"seeds": 1.5}}, "[budget] seeds must be a whole number; got 1.5."),
        (
            {"budget": {"time": "0s"}},
            '[budget] time must be a time above zero, as in "90s", "10m" or "1h30m"; got "0s".',
        ),
        (
            {"budget": {"time": 10}},
            '[budget] time must be a time above zero, as in "90s", "10m" or "1h30m"; got 10.',
        ),
        (
            {"records": {"weights": "bets"}},
            "[records] weights must be one of best, all, none (did you mean 'best'?); got \"bets\".",
        ),
        ({"train": {"epoch": 3}}, "[train] epoch must be one of best, last; got 3. Did you mean epochs?"),
        ({"train": {"epoch": "x"}}, '[train] epoch must be one of best, last; got "x".'),
        ({"budget": {"mode": 3}}, "[budget] mode must be one of equal, adaptive; got 3."),
        ({"budget": {"mode": "x"}}, '[budget] mode must be one of equal, adaptive; got "x".'),
        ({"train": {"epochs": "10"}}, '[train] epochs must be a whole number; got "10".'),
        ({"train": {"clip": 0}}, "[train] clip must be above 0; got 0."),
        (
            {"train": {"options": {"lr": 0.1}}},
            "[train] options cannot hold lr: write lr in [space], a number to fix it or [low, high].",
        ),
        (
            {"records": {"name": "../x"}},
            (
                "[records] name must be up to 100 letters, digits, '-', '_' or '.', a letter or digit first and no '.' "
                'last; got "../x".'
            ),
        ),
        ({"published": {"pair": "a/b"}}, '[[published]] must be a list, as in [1, 2]; got {"pair": "a/b"}.'),
        ({"train": {"compile": "maybe"}}, '[train] compile must be true or false; got "maybe".'),
        ({"published": [{"pair": "a/b", "label": "x"}]}, "[[published]] row 1 metric is missing."),
        (
            {"published": [{"pair": "a/b", "label": "x", "metric": "mse", "tets": 1.0}]},
            "No key 'tets' in [[published]] row 1. Did you mean 'test'? Known: pair, label, metric, train, test, note.",
        ),
    ],
)
def test_a_wrong_value_is_told_in_plain_words(values, message):
    assert problems(values) == message


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.", max_size=3), inner, max_size=3)
    ),
    max_leaves=4,
)
PLACES = [(table, key) for table, model in TABLES.items() for key in model.model_fields]


@given(place=st.sampled_from(PLACES), junk=JUNK)
def test_no_value_makes_anything_but_a_config_or_a_plain_message(place, junk):
    table, key = place
    try:
        found = make_config({table: {key: junk}})
    except InputError as error:
        text = str(error)
        assert f"[{table}]" in text
        assert "is not of a form this key takes" not in text
        assert "Input should" not in text
    else:
        assert getattr(getattr(found, table), key) is not None or junk is None


def test_a_syntax_error_has_file_line_and_text(tmp_path):
    file = written(tmp_path, '[space]\nlosses = ["bce",\nlr = [1e-3 1.0]\n')
    with pytest.raises(InputError) as caught:
        load_config(file)
    head, shown = str(caught.value).splitlines()
    assert head == f"{file}, line 3, column 1 is not valid TOML: invalid value."
    assert shown == "    lr = [1e-3 1.0]"


def test_a_missing_file_is_told_with_the_nearest(tmp_path):
    written(tmp_path, "", "circles.toml")
    with pytest.raises(InputError) as caught:
        load_config(tmp_path / "circle.toml")
    assert str(caught.value) == (
        f"No study file '{tmp_path / 'circle.toml'}'. Did you mean '{tmp_path / 'circles.toml'}'?"
    )


def test_a_directory_and_a_data_file_are_told_apart(tmp_path):
    written(tmp_path, "", "a.toml")
    with pytest.raises(
        InputError, match=r"is a directory; name one study file\. Study files in it: '.*a\.toml'\."
    ):
        load_config(tmp_path)
    with pytest.raises(InputError) as caught:
        load_config("churn.csv")
    assert str(caught.value) == (
        "'churn.csv' is data, not a study file. Write: lossearch run --data churn.csv --target COLUMN"
    )


def test_a_file_that_is_not_text_is_told(tmp_path):
    file = tmp_path / "a.toml"
    file.write_bytes(b"\xff\xfe[task]")
    with pytest.raises(InputError) as caught:
        load_config(file)
    assert str(caught.value) == f"{file} is not text in UTF-8 (byte 0)."


# --- overrides


def test_overrides_are_in_toml_and_text_needs_no_quotes():
    found = with_overrides(
        StudyConfig(),
        {
            "epochs": "5",
            "space.losses": "bce, hinge",
            "space.lr": "[1e-3, 1]",
            "space.params.focal.gamma": "2.0",
            "space.settings.batch_size": "{choices = [16, 32]}",
            "train.options.momentum": "0.9",
            "train.options.nesterov": "true",
            "budget.time": "10m",
            "task.rows.train": "0:5",
            "task.rows.validation": "5:9",
            "name": "churn",
        },
    )
    assert found.train.epochs == 5
    assert found.space.losses == ("bce", "hinge")
    assert found.space.lr == (1e-3, 1.0)
    assert found.space.params == {"focal.gamma": 2.0}
    assert found.space.settings["batch_size"].choices == (16, 32)
    assert found.train.options == {"momentum": 0.9, "nesterov": True}
    assert found.budget.time == "10m"
    assert found.task.rows is not None
    assert found.task.rows.train == "0:5"
    assert found.name == "churn"


def test_overrides_leave_the_rest_and_the_original_as_they_were():
    first = make_config(
        {"train": {"options": {"momentum": 0.9}, "epochs": 7}, "space": {"params": {"focal.gamma": 1.0}}}
    )
    second = with_overrides(first, {"train.options.nesterov": "true", "space.params.huber.delta": "[0.5, 2]"})
    assert first.train.options == {"momentum": 0.9}
    assert second.train.options == {"momentum": 0.9, "nesterov": True}
    assert second.train.epochs == 7
    assert second.space.params == {"focal.gamma": 1.0, "huber.delta": (0.5, 2.0)}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"lr": "0"}, "[space] lr must be above 0; got 0."),
        ({"time": "5m"}, "'time' is in [task] and [budget]; write task.time or budget.time."),
        ({"train.trials": "4"}, "No key 'trials' in [train]; it belongs in [budget]."),
        (
            {"tran.epochs": "1"},
            "No table [tran]. Did you mean [train]? Tables: [task], [space], [budget], [train], [records].",
        ),
        ({"seed": "x"}, '[budget] seed must be a whole number; got "x".'),
    ],
)
def test_wrong_overrides(overrides, message):
    with pytest.raises(InputError) as caught:
        with_overrides(StudyConfig(), overrides)
    assert str(caught.value) == message


def test_an_unknown_bare_key_is_told_with_the_nearest():
    with pytest.raises(InputError, match=r"^No key 'epoch_s' in any table\. Did you mean 'epochs'\?"):
        with_overrides(StudyConfig(), {"epoch_s": "1"})


def test_every_wrong_override_is_told_at_once():
    with pytest.raises(InputError, match="2 problems") as caught:
        with_overrides(StudyConfig(), {"train.a": "1", "nowhere.b": "2"})
    assert "[train]" in str(caught.value)
    assert "[nowhere]" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("[1, 2]", [1, 2]),
        ("true", True),
        ("adam", "adam"),
        ('"5"', "5"),
        ("10m", "10m"),
        ("", ""),
        ("1\nb = 2", "1\nb = 2"),
        ("2024-01-01", "2024-01-01"),
    ],
)
def test_a_value_that_is_no_toml_is_text(text, value):
    assert parse_value(text) == value


# --- out and back

PLAIN = st.recursive(
    st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(), PLAIN, max_size=3))
def test_what_is_written_is_read_back(values):
    config = make_config({"train": {"options": {k: v for k, v in values.items() if k != "lr"}}})
    try:
        text = config_toml(config).encode()
    except UnicodeEncodeError:
        return
    assert parse_config(text.decode()) == config


@given(
    options=st.dictionaries(
        st.text(min_size=1, max_size=5),
        st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.text(max_size=5),
        max_size=3,
    ),
    lr=st.none() | st.floats(1e-8, 10) | st.tuples(st.floats(1e-6, 1e-3), st.floats(1e-2, 1)),
    hidden=st.none() | st.lists(st.integers(1, 99), max_size=3),
    test=st.none() | st.just(False) | st.floats(0.01, 0.99),
    sizes=st.sampled_from(
        [
            {},
            {"batch_size": [16, 64]},
            {"wd": {"low": 1e-6, "high": 1.0, "log": True}},
            {"m": {"choices": ["a", 1, 0.5]}},
        ]
    ),
)
def test_a_config_written_and_loaded_is_the_same(options, lr, hidden, test, sizes):
    first = make_config(
        {
            "task": {"data": "x", "data_options": options, "hidden": hidden, "test": test, "rows": None},
            "space": {"lr": lr, "settings": sizes, "params": {"focal.gamma": [0.5, 2.0]}},
            "published": [{"pair": "a/b", "label": 'say "x"', "metric": "mse", "test": 0.5}],
        }
    )
    assert parse_config(config_toml(first)) == first


def test_given_rows_are_written_and_read_back():
    first = make_config({"task": {"rows": {"train": "0:5", "validation": "5:9"}, "test": False}})
    assert parse_config(config_toml(first)) == first
    assert with_overrides(first, {"epochs": "3"}).task == first.task
