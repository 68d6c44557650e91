"""Numbers written as text: read in the one notation that fits every cell, or refused with the odd cell named."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lossearch._notation import notation_of
from lossearch._numerals import Notation, numbers
from lossearch.data.columns import clean, conform
from lossearch.data.inputs import Inputs
from lossearch.data.sources import from_arrays, read_data
from lossearch.errors import InputError
from lossearch.kinds import read_target
from lossearch.tasks.build import make_task

CURE = "Do this."


def message(call: Any) -> str:
    with pytest.raises(InputError) as caught:
        call()
    return str(caught.value)


def read(cells: list[Any], **options: Any) -> tuple[Notation | None, list[float]]:
    column = pd.Series(cells, dtype=object)
    found = notation_of(column, "c", CURE, **options).notation
    return found, [] if found is None else numbers(column, found, "c").tolist()


# One notation for all cells

SEPARATORS = [(d, t) for d in ".," for t in ("", *",.' ") if t != d]
SPACES, APOSTROPHES, MINUS = " \u00a0\u2009\u202f", "'\u2019", "-\u2212\u2013"
UNITS = ["", "$ ", "$", "€", "EUR ", "CHF ", "US$", "Rs. "]
AFTER = ["", " %", "%", " €", "€", " kg", " km/h", " m²", " °C", "USD", " zł"]


@st.composite
def written(draw: st.DrawFn) -> tuple[list[str], list[float]]:
    """Numbers, and how someone writes them."""
    decimal, thousands = draw(st.sampled_from(SEPARATORS))
    before = draw(st.sampled_from(UNITS))
    after = "" if before else draw(st.sampled_from(AFTER))
    digits = draw(st.integers(1, 6))
    minus = draw(st.sampled_from([*MINUS, "trailing", "brackets", "inner"]))
    values = draw(st.lists(st.integers(-(10**9), 10**9), min_size=3, max_size=20))
    values = [
        1_234_567_8 * 10**digits + 1,
        -5 * 10**digits + 1,
        *values,
    ]  # both separators and both signs occur
    cells = []
    for v in values:
        whole, part = divmod(abs(v), 10**digits)
        body = f"{whole:,}".replace(",", thousands) + decimal + f"{part:0{digits}}"
        for one, several in ((" ", SPACES), ("'", APOSTROPHES)):
            body = body.replace(one, draw(st.sampled_from(several)))
        amount = f"{before}{body}{after}"
        signed = {
            "trailing": f"{before}{body}{after}-",
            "brackets": f"({amount})",
            "inner": f"{before}-{body}{after}",
        }
        cells.append(amount if v >= 0 else signed.get(minus, f"{minus}{amount}"))
    return cells, [v / 10**digits for v in values]


@given(
    written(),
    st.lists(
        st.sampled_from(["?", "-", "--", "n/a", "#N/A", "NULL", ".", "missing", " NaN ", None]), max_size=4
    ),
)
def test_any_notation_is_read_exactly(case: tuple[list[str], list[float]], marks: list[Any]) -> None:
    cells, values = case
    notation, found = read([*cells, *marks])
    assert notation is not None, cells
    np.testing.assert_array_equal(found, [*values, *[np.nan] * len(marks)])


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
@example([1e300, -1e-300, 0.1])
def test_numbers_as_python_writes_them(values: list[float]) -> None:
    values = [*values, 0.5]  # a few whole numbers could be names
    assert read(list(map(repr, values))) == (Notation(), values)


@pytest.mark.parametrize(
    ("cells", "notation", "values"),
    [
        (["1,5", "2", "3,25"], Notation(","), [1.5, 2, 3.25]),
        (["9,123.45", "12.5", "1,000,000"], Notation(".", ","), [9123.45, 12.5, 1e6]),
        (["9.123,45", "12,5"], Notation(",", "."), [9123.45, 12.5]),
        (["1.234.567", "12.345"], Notation(",", "."), [1234567, 12345]),
        (["1,234,567", "12,345"], Notation(".", ","), [1234567, 12345]),
        (["950", "1,234", "12,500"], Notation(".", ","), [950, 1234, 12500]),
        (["0,123", "1,234"], Notation(","), [0.123, 1.234]),
        (["12,34,567", "1,00,000.5"], Notation(".", ","), [1234567, 100000.5]),
        (["$ 12", "$13.50", "-$4", "$-5"], Notation(unit="$"), [12, 13.5, -4, -5]),
        (["45 %", "7%", "100 %"], Notation(unit="%"), [45, 7, 100]),
        (["(5.00)", "3.20"], Notation(), [-5, 3.2]),
        (["$(5.00)", "$ 3.20", "$ (1.00)"], Notation(unit="$"), [-5, 3.2, -1]),
        (["\uff11\uff12.5", "3.25"], Notation(), [12.5, 3.25]),
        (["\u0661\u0662\u066b\u0665", "\u0663"], Notation(), [12.5, 3]),
        (["1e5", "2.5E-3", "+1.5e+2"], Notation(), [1e5, 0.0025, 150]),
        (["1,260e-01", "2,345e+02"], Notation(","), [0.126, 234.5]),
        ([".5", "5.", "-.25"], Notation(), [0.5, 5, -0.25]),
        (["inf", "1.5", "-Infinity"], Notation(), [np.inf, 1.5, -np.inf]),
        (["1 000", "20", "3 000 000"], Notation(".", " "), [1000, 20, 3e6]),
    ],
)
def test_notations(cells: list[str], notation: Notation, values: list[float]) -> None:
    assert read(cells) == (notation, values)


@pytest.mark.parametrize(
    "cells",
    [
        ["01234", "80331", "10115", "99999"],  # post codes
        ["+491701234567", "+498912345678"],  # telephone numbers
        ["0170 123 456", "0171 999 888"],
        ["A12", "B7", "C3"],
        ["1st", "2nd", "3rd"] * 5,
        ["1st", *["3rd"] * 9] * 5,
        ["0", "1", "2", "3+"] * 10,
        ["<18", "18-25", "26-65", "65+"] * 3,
        ["12A", "12B", "13C", "14D"],
        ["192.168.0.1", "10.0.0.1"],
        ["12:30", "13:45"],
        ["1/2", "3/4"],
        ["red", "green", "7"],
        ["(1)", "(2)"],
        ["0", "1", "2"] * 5,
        ["?", "?"],
        [None, None],
        ["2020-01", "2020-02"],
        ["1-800-555-1234", "1-800-555-9999"],
        ["PC 17599", "C 4", *map(str, range(113803, 113820))],  # tickets
        ["1.5k", "2M", "3.25k", "800", "7 bn"],
        ["0.0", "1.0"] * 10,
        ["0", "1"] * 2,
        ["1", "2", "A"] * 3,
    ],
)
def test_names_stay_names(cells: list[Any]) -> None:
    assert read(cells)[0] is None


# What is refused


def test_an_odd_cell_is_named() -> None:
    cells = [*(f"{i}.5" for i in range(20)), "<0.5", *(f"{i}.25" for i in range(20)), "3,5"]
    assert message(lambda: read(cells)) == (
        "c holds numbers, and 2 of 42 cells are not: '<0.5' in row 20, '3,5' in row 41. Do this."
    )
    assert message(lambda: read(["$ 1.5", "$ 2.5", "3.5"])) == (
        "c holds numbers in $, and 1 of 3 cells is not: '3.5' in row 2. Do this."
    )
    assert message(lambda: read(["1,5", "2,5", "3,75", "2.5"])) == (
        "c holds numbers with a decimal comma, and 1 of 4 cells is not: '2.5' in row 3. Do this."
    )
    assert message(lambda: read(["$ 1.5", "$ 2.5", "€ 3.5"])) == (
        "c holds numbers in $, and 1 of 3 cells is not: '€ 3.5' in row 2. Do this."
    )


@pytest.mark.parametrize("cells", [["1,234", "2,345"], ["1,234", "1234"], ["-1,234 €", "2,500 €"]])
def test_a_comma_that_may_be_either_is_refused(cells: list[str]) -> None:
    found = message(lambda: read(cells))
    assert found.startswith(f"c: {cells[0]!r} may be ")
    assert "and no cell decides" in found


def test_numbers_that_are_asked_for_are_read_whatever_they_look_like() -> None:
    assert read(["0", "1", "2"] * 5, asked=True) == (Notation(), [0, 1, 2] * 5)
    assert read(["007", "010"], asked=True) == (Notation(), [7, 10])
    assert "'3+' in row 3" in message(lambda: read(["0", "1", "2", "3+"] * 10, asked=True))


# Features, and new rows for a model

G = np.random.default_rng(0)
AMOUNT = G.normal(2000, 900, 80).round(2)
GERMAN = [f"{v:,.2f} €".translate(str.maketrans(",.", ".,")) for v in AMOUNT]
LABEL = np.where(AMOUNT > 2000, "high", "low")


def test_a_column_is_the_numbers_it_writes() -> None:
    table, _, notes = clean(pd.DataFrame({"price": [*GERMAN, "n/a"]}))
    np.testing.assert_array_equal(table["price"], [*AMOUNT, np.nan])
    assert notes == (
        (
            "column 'price': numbers written as text, with a decimal comma, with dots between thousands, in €; 'n/a' "
            "for a missing value"
        ),
    )


def test_a_model_keeps_the_notation() -> None:
    x = pd.DataFrame({"price": GERMAN, "town": ["Ulm", "Bonn"] * 40, "other": AMOUNT})
    inputs = make_task(from_arrays(x, LABEL)).blueprint.inputs(0, whole=True)
    again = Inputs.from_json(inputs.as_json())
    assert again == inputs
    expected = inputs(x)
    for new in (x, x.assign(price=AMOUNT), x.assign(price=x["price"].astype("string"))):
        np.testing.assert_array_equal(again(new), expected)
    # one row says nothing of its notation
    assert again(x.assign(price="1.234 €").iloc[:1])[0, 0] == inputs(x.assign(price=1234.0).iloc[:1])[0, 0]
    assert message(lambda: again(x.assign(price="1234.5"))).startswith(
        "Column 'price' must hold numbers with a decimal comma, with dots between thousands, in €, and 80 of 80 cells "
        "are not: '1234.5' in row 0, "
    )


def test_an_older_model_reads_plain_numbers() -> None:
    found = conform(pd.DataFrame({"a": ["1.5", "?"], "b": [1.0, None]}), ["a"], ["b"])
    assert found["a"].tolist()[0] == 1.5
    assert np.isnan(found["a"][1])
    assert found["b"].tolist() == ["1", "(missing)"]


def test_numbers_and_text_in_one_column() -> None:
    table = clean(pd.DataFrame({"c": [1, "2.5", "?", 3.0, None]})).x
    np.testing.assert_array_equal(table["c"], [1, 2.5, np.nan, 3, np.nan])
    assert clean(pd.DataFrame({"c": [1.5, "?", 2.5]})).notes == (
        "column 'c': text such as '?' for a missing value",
    )


def test_odd_cells_of_a_feature_say_what_to_do() -> None:
    x = pd.DataFrame({"c": [*map(str, AMOUNT), "<0.5"]})
    assert message(lambda: clean(x)) == (
        "Column 'c' holds numbers, and 1 of 81 cells is not: '<0.5' in row 80. Write every cell alike, and leave it "
        "empty where the value is missing. If they are names, make the column categorical: X['c'].astype('category')."
    )
    assert len(clean(x.astype("category")).x["c"].unique()) == 81


# Targets


@pytest.mark.parametrize(
    "cells",
    [
        [f"$ {v:.2f}" for v in AMOUNT],
        [f"{v:.2f} %" for v in AMOUNT],
        [f"{v:.2f}".replace(".", ",") for v in AMOUNT],
        [f"{v:,.2f}" for v in AMOUNT],
        [f"{v:.2f}" for v in AMOUNT],
    ],
    ids=["currency", "percent", "comma", "thousands", "plain"],
)
@pytest.mark.parametrize("kind", [None, "regression"])
def test_a_target_of_numbers_as_text_is_a_regression(cells: list[str], kind: str | None) -> None:
    found = read_target(from_arrays(AMOUNT, cells).y, kind)
    assert found.kind == "regression"
    np.testing.assert_array_equal(found.y[:, 0], AMOUNT)
    assert "numbers written as text" in found.reason


def test_a_target_with_odd_cells_says_what_to_do_and_that_works() -> None:
    y = np.array([*map(str, AMOUNT), "<0.5", "<0.5"], dtype=object)
    expected = (
        "y holds numbers, and 2 of 82 cells are not: '<0.5' in row 80, '<0.5' in row 81. Correct such rows, or leave them "
        "out. If they are names of classes, say so: kind = 'multiclass'."
    )
    for kind in (None, "regression"):
        assert message(lambda kind=kind: read_target(y, kind)) == expected
    assert read_target(y[:-2]).kind == "regression"
    doubled = np.concatenate([y, y])
    assert len(read_target(doubled, "multiclass").classes) == len(set(y))


def test_a_target_mostly_of_other_text_can_be_no_regression_and_says_why() -> None:
    y = np.array([*["<0.5"] * 80, *map(str, AMOUNT[:40])], dtype=object)
    assert "80 of 120 cells are not: '<0.5' in row 0, " in message(lambda: read_target(y, "regression"))
    k = np.array(["1.5k", "2M", "3.25k", "800", "7 bn"], dtype=object)
    assert "'2M' in row 1" in message(lambda: read_target(k, "regression"))


def test_a_categorical_target_is_names() -> None:
    y = pd.Series([f"{v:.2f}" for v in AMOUNT[:5]] * 6)
    features = np.arange(30.0)
    assert make_task(from_arrays(features, y)).kind == "regression"
    for categorical in (y.astype("category"), pd.Categorical(y), y.astype("category").to_frame("y")):
        task = make_task(from_arrays(features, categorical))
        assert (task.kind, task.blueprint.labels) == ("multiclass", tuple(sorted(set(y))))
        assert make_task(from_arrays(features, categorical), kind="regression").kind == "regression"


def test_infinite_targets_as_text_are_refused() -> None:
    y = np.array(["inf", *map(str, AMOUNT)], dtype=object)
    assert message(lambda: read_target(y)) == "y has 1 infinite values (row 0): leave those rows out."


def test_decimals_are_numbers() -> None:
    money = [Decimal(f"{v:.2f}") for v in AMOUNT]
    np.testing.assert_array_equal(clean(pd.DataFrame({"c": pd.Series(money, dtype=object)})).x["c"], AMOUNT)
    np.testing.assert_array_equal(read_target(from_arrays(AMOUNT, money).y).y[:, 0], AMOUNT)


def test_missing_marks_of_a_target_are_missing_values() -> None:
    y = np.array(["?", *map(str, AMOUNT)], dtype=object)
    assert message(lambda: read_target(y)) == (
        "y holds numbers, and '?' for 1 missing values (row 0): leave those rows out. "
        "If they are names of classes, say so: kind = 'multiclass'."
    )


def test_codes_are_classes_and_can_be_numbers() -> None:
    y = np.array(["0", "1", "2"] * 10, dtype=object)
    found = read_target(y)
    assert (found.kind, found.classes) == ("multiclass", ("0", "1", "2"))
    assert found.reason.endswith("; whole numbers written as text: taken for names")
    np.testing.assert_array_equal(read_target(y, "regression").y[:, 0], y.astype(float))


def test_labels_of_a_model_are_the_targets_as_read() -> None:
    y = np.array(["$ 10", "$ 9", "$ 11"] * 10, dtype=object)
    task = make_task(from_arrays(np.arange(30.0), y))
    assert (task.kind, task.blueprint.labels) == ("multiclass", (9.0, 10.0, 11.0))


def test_several_targets_as_text() -> None:
    y = pd.DataFrame({"a": GERMAN, "b": AMOUNT})
    found = read_target(from_arrays(AMOUNT, y).y)
    np.testing.assert_array_equal(found.y, np.c_[AMOUNT, AMOUNT])
    names = y.assign(b=LABEL)
    assert message(lambda: read_target(from_arrays(AMOUNT, names).y)) == (
        "y has several columns of names; give one column."
    )


# Files


def test_a_csv_of_another_country(tmp_path: Path) -> None:
    y = [f"{v:.2f}".replace(".", ",") for v in AMOUNT]
    pd.DataFrame({"price": GERMAN, "plz": ["01067", "80331"] * 40, "y": y}).to_csv(
        tmp_path / "t.csv", sep=";", index=False
    )
    data = read_data(str(tmp_path / "t.csv"), target="y")
    np.testing.assert_array_equal(data.x["price"], AMOUNT)
    assert set(data.x["plz"]) == {"01067", "80331"}
    assert make_task(data).kind == "regression"
