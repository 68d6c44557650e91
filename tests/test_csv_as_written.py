"""CSV files as people write them: lines above the header, names that look missing or like numbers."""

from __future__ import annotations

import gzip
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossearch.data.columns import clean
from lossearch.data.csv import read_csv
from lossearch.data.sources import read_data
from lossearch.errors import InputError
from lossearch.kinds import read_target
from lossearch.tasks.build import make_task

ROWS = "".join(f"{i}.5;{i * 2};{'ab'[i % 2]}\n" for i in range(20))


def written(folder: Path, content: str) -> Path:
    path = folder / "t.csv"
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "top",
    [
        "x;w;y\n",
        "sep=;\nx;w;y\n",
        '"sep=;"\nx;w;y\n',
        "# made by hand, on a Sunday; again\n# and again\nx;w;y\n",
        "\ufeff# hello\n\n\nx;w;y\n",
        "# x;w;y\n",
        "# hello\n#x;w;y\n",
        "sep=;\n# hello\n# x;w;y\n",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_what_stands_above_the_data(tmp_path: Path, top: str, end: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes((top + ROWS).replace("\n", end).encode())
    frame, _ = read_csv(path, "y")
    assert list(frame.columns) == ["x", "w", "y"]
    assert frame["w"].tolist() == list(range(0, 40, 2))
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    pd.testing.assert_frame_equal(read_csv(tmp_path / "t.csv.gz", "y")[0], frame)


def test_a_column_may_be_called_a_number_sign(tmp_path: Path) -> None:
    assert list(read_csv(written(tmp_path, "#;w;y\n" + ROWS), "y")[0].columns) == ["#", "w", "y"]
    named = "#,Name\n1,Bulbasaur\n2,Ivysaur\n"
    assert list(read_csv(written(tmp_path, named), "Name")[0].columns) == ["#", "Name"]


def test_a_number_sign_among_the_data_is_no_comment(tmp_path: Path) -> None:
    frame, _ = read_csv(written(tmp_path, "x,y\n#1,a # b\n#2,b\n"), "y")
    assert frame["x"].tolist() == ["#1", "#2"]
    assert frame["y"].tolist() == ["a # b", "b"]


@pytest.mark.parametrize("name", ["NA", "None", "null", "n/a", "nan", "NULL", "#N/A"])
def test_a_class_may_have_the_name_of_a_missing_value(tmp_path: Path, name: str) -> None:
    content = "x,y\n" + "".join(f"{i}.5,{[name, 'B'][i % 2]}\n" for i in range(20))
    found = read_target(read_data(str(written(tmp_path, content)), target="y").y)
    assert set(found.classes) == {name, "B"}
    assert f"; {name!r} taken for a name, as the other cells are" in found.reason


def test_two_classes_may_have_such_names(tmp_path: Path) -> None:
    content = "x,y\n" + "".join(f"{i}.5,{['NA', 'None'][i % 2]}\n" for i in range(20))
    assert set(read_data(str(written(tmp_path, content)), target="y").y) == {"NA", "None"}


def test_an_empty_class_is_missing(tmp_path: Path) -> None:
    content = "x,y\n" + "".join(f"{i}.5,{['', 'A', 'B'][i % 3]}\n" for i in range(9))
    with pytest.raises(InputError, match="y has 3 missing values"):
        read_data(str(written(tmp_path, content)), target="y")


def test_names_of_missing_values_are_names_among_names_and_missing_among_numbers(tmp_path: Path) -> None:
    content = "garage;price;full;y\n" + "".join(
        f"{['NA', 'brick', 'wood'][i % 3]};{['NA', f'{i},5'][i % 2]};{['NA', i][i % 2]};{'ab'[i % 2]}\n"
        for i in range(30)
    )
    data = read_data(str(written(tmp_path, content)), target="y")
    assert set(data.x["garage"]) == {"NA", "brick", "wood"}
    assert data.x["price"].isna().sum() == data.x["full"].isna().sum() == 15
    assert "column 'garage': 'NA' taken for a name, as the other cells are" in data.notes
    # pandas makes such a name a missing value, and a model knows what it meant
    again = pd.read_csv(tmp_path / "t.csv", sep=";")
    inputs = make_task(data).blueprint.inputs(0, whole=True)
    np.testing.assert_array_equal(inputs(again), inputs(again.fillna({"garage": "NA"})))


@pytest.mark.parametrize("missing", [False, True])
def test_leading_zeros_are_kept(tmp_path: Path, missing: bool) -> None:
    codes = [f"{i % 7:05d}" for i in range(28)]
    if missing:
        codes[3] = ""
    content = "zip,n,y\n" + "".join(f"{c},{i},{'ab'[i % 2]}\n" for i, c in enumerate(codes))
    data = read_data(str(written(tmp_path, content)), target="y")
    assert set(data.x["zip"]) == {f"{i:05d}" for i in range(7)} | ({"(missing)"} if missing else set())
    assert data.x["n"].dtype == np.float64
    assert "column 'zip': digits that are names, such as '00000': taken as they stand" in data.notes


def test_telephone_numbers_are_kept(tmp_path: Path) -> None:
    content = "call,n,y\n" + "".join(f"+49170123456{i % 3},+{i},{'ab'[i % 2]}\n" for i in range(20))
    data = read_data(str(written(tmp_path, content)), target="y")
    assert set(data.x["call"]) == {f"+49170123456{i}" for i in range(3)}
    assert data.x["n"].tolist() == list(range(20))


CELLS = st.sampled_from(
    [
        "NA",
        "None",
        "nan",
        "",
        "?",
        "-",
        "007",
        "1",
        "2.5",
        "1,5",
        "TRUE",
        "a;b",
        'say "no"',
        " x",
        "two\nlines",
        "é",
        "#1",
    ]
)


@given(st.lists(CELLS, min_size=1, max_size=12))
def test_a_column_of_names_is_what_the_file_says(cells: list[str]) -> None:
    cells = [*cells, *["Ulm", "Bonn"] * len(cells)]
    with TemporaryDirectory() as folder:
        path = Path(folder, "t.csv")
        pd.DataFrame({"c": cells, "n": range(len(cells))}).to_csv(path, index=False, sep="|")
        frame, _ = read_csv(path)
    # pandas leaves out spaces before a cell
    assert clean(frame).x["c"].tolist() == [cell.lstrip(" ") or "(missing)" for cell in cells]


def test_empty_files(tmp_path: Path) -> None:
    for content in ("", "\n\n", "sep=;\n"):
        with pytest.raises(InputError, match="is empty"):
            read_csv(written(tmp_path, content))


def test_other_columns_decide_what_dots_and_commas_are(tmp_path: Path) -> None:
    prices = [f"{i},{i:02d}" for i in range(1, 31)]
    people = [950 if i % 3 else 1500 + i for i in range(30)]
    content = "price;people;share;y\n" + "".join(
        f"{p};{f'{n:,}'.replace(',', '.')};{i / 16};{'ab'[i % 2]}\n"
        for i, (p, n) in enumerate(zip(prices, people, strict=True))
    )
    data = read_data(str(written(tmp_path, content)), target="y")
    assert data.x["people"].tolist() == people
    assert data.x["share"].tolist() == [i / 16 for i in range(30)]
    assert (
        "column 'people': numbers written as text, with a decimal comma, with dots between thousands"
        in data.notes
    )
    inputs = make_task(data).blueprint.inputs(0, whole=True)
    rows = pd.read_csv(tmp_path / "t.csv", sep=";", dtype=str)
    np.testing.assert_array_equal(inputs(rows), inputs.of_cleaned(data.x))
    alone = read_data(str(written(tmp_path, content.replace(",", "."))), target="y")
    assert alone.x["people"].tolist() == [n if n < 1000 else n / 1000 for n in people]


def test_other_columns_decide_a_comma_that_may_be_either() -> None:
    either = ["1,234", "2,345", "3,456"]
    assert clean(pd.DataFrame({"a": either, "b": ["1,5", "2,5", "3,5"]})).x["a"].tolist() == [
        1.234,
        2.345,
        3.456,
    ]
    assert clean(pd.DataFrame({"a": either, "b": ["1,234.5", "2", "3.5"]})).x["a"].tolist() == [
        1234,
        2345,
        3456,
    ]
    with pytest.raises(InputError, match="and no cell decides"):
        clean(pd.DataFrame({"a": either, "b": ["1,5", "2,5", "3,5"], "c": ["1,234.5", "2", "3.5"]}))
