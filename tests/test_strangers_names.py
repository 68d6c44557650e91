"""Names of a stranger's records: no page, table or terminal takes them for more than text."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from strangers import NAME, Around

import lossearch
from lossearch import api
from lossearch._json import dumps
from lossearch._text import escaped, in_code, printable
from lossearch.cli import invoke
from lossearch.report.formatting import as_csv
from lossearch.report.html import to_html
from lossearch.report.markdown import to_markdown

STEERS = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp\u2066\r\x00"
MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>[red]![x](http://e.org)|# *b* `c` www.e.org"
EVIL = f"=cmd('{MARKUP}{STEERS}')"
BAD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@pytest.fixture
def around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Around:
    """A study of which every name, sentence and number as text is hostile."""
    (tmp_path / "empty.db").touch()
    found = Around.make(tmp_path / "around", tmp_path / "empty.db")
    found.rename("focal/sigmoid", f"{EVIL}/sigmoid")

    def change(study: dict[str, Any]) -> None:
        study["identity"]["task"]["name"] = EVIL
        study["notes"] = [f"note {EVIL}", EVIL]
        study["classes"] = [EVIL, "1"]
        header = study["header"]
        header["target"] = EVIL
        header["describe"] = {EVIL: EVIL}
        header["versions"] = {"torch": EVIL, "lossearch": EVIL}

    found.edit("study.json", change)
    found.edit("verdict.json", lambda v: v.update(notes=[EVIL]) if "notes" in v else None)
    monkeypatch.chdir(found.out)
    return found


def test_the_terminal_shows_them(around: Around, capsys: pytest.CaptureFixture[str]) -> None:
    store = ["--store", str(around.store)]
    for arguments in (["ls"], ["report", NAME], ["rerun", NAME, "9"], ["export", NAME, "model"]):
        for form in ([], ["--format", "json"]):
            if form and arguments[0] == "export":
                continue
            invoke([*arguments, *store, *form])
            shown = capsys.readouterr()
            for text in (shown.out, shown.err):
                assert not BAD.search(text), (arguments, BAD.search(text))
            assert "not expected" not in shown.err
    (row,) = api.studies(around.store)
    assert json.loads(dumps(row)) == row, "JSON gives them back whole"


def test_pages_show_them(around: Around) -> None:
    result = lossearch.load(NAME, around.store)
    page, scripts, own = to_html(result.report()).partition("<script>")
    assert scripts
    assert "alert(1)" in page
    assert "alert(1)" not in own
    assert not re.search(r"<script|<img|onerror=alert\(1\)>", page)
    assert not BAD.search(page)
    text = to_markdown(result.report())
    assert not BAD.search(text)
    shown = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    plain = re.sub(r"<(pre|code)>.*?</\1>", "", shown, flags=re.DOTALL)
    assert not re.search(r"<(script|img|a|b|em)[ >]", plain)
    assert len(re.findall("<h1>", shown)) == 1


def test_spreadsheets_show_them(around: Around) -> None:
    files = {path.name: path for path in lossearch.load(NAME, around.store).save(around.out / "saved")}
    rows = list(csv.reader(io.StringIO(files["leaderboard.csv"].read_text())))
    assert any(cell.startswith("'=cmd") for row in rows for cell in row)
    assert not [c for row in rows for c in row if c[:1] in "=+@" and c]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_text_is_a_formula(name: str) -> None:
    frame = pd.DataFrame({name: [name, "plain"], "n": [-1.5, 2.0]}, index=pd.Index([name, "b"], name="row"))
    assert as_csv(frame).splitlines()[1 if name[0] != "\r" else -1].endswith(("-1.5", "2.0"))
    read = pd.read_csv(io.StringIO(as_csv(frame, index=True)), lineterminator="\n")
    assert list(read["n"]) == [-1.5, 2.0], "numbers stay numbers"
    assert read["row"][0] == read.iloc[0, 1] == f"'{name}"
    assert read.columns[1] == f"'{name}"


@given(st.text(max_size=40))
def test_any_text_is_printed_as_text(text: str) -> None:
    assert not BAD.search(printable(text))
    assert printable(printable(text)) == printable(text)
    assert [c for c in text if not BAD.match(c)] == [
        c for c, old in zip(printable(text), text, strict=True) if c == old
    ]
    assert json.loads(dumps(text)) == text
    assert not BAD.search(dumps(text))


@given(st.text("ab*_`#|[]()<>!\\:/.w~\n\x1b", max_size=30))
def test_any_name_is_text_to_markdown(name: str) -> None:
    for given_text in (escaped(name), in_code(name)):
        shown = MarkdownIt("commonmark", {"html": True}).render(f"x {given_text} y")
        assert not re.search(r"<(?!/?(p|code)>)", shown), (name, shown)
        assert shown.count("<p>") == 1
