"""What README and documentation show works as it stands there."""

from __future__ import annotations

import ast
import re
import tomllib
from itertools import pairwise
from pathlib import Path

import click
import documentation
import pytest
from documentation import BLOCKS, ERROR, PAGES, ROOT, RUN, blocks_of, failures, missing, studies_of

import lossearch
from lossearch import cli
from lossearch.config import make_config

LANGUAGES = {*RUN, "sh", "toml", "yaml", "text", "diff", ""}
NOT_HERE = ("optuna-dashboard ", "make ", "pip ", ".venv/", "python3 -m venv", "git clone", "cd ", "source ")
"""How commands begin that a test does not run, beside those of lossearch that need a server, a cluster or minutes."""
FOLLOWED = [page for page in PAGES if any(block.language in RUN for block in blocks_of(page))]


def of(*languages):
    return [block for block in BLOCKS if block.language in languages]


@pytest.mark.slow
@pytest.mark.parametrize("page", FOLLOWED, ids=lambda p: p.stem)
@pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice on few workers and few batches
def test_a_page_can_be_followed(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong = list(failures(page))
    assert not wrong, "\n\n".join(wrong)


def test_there_is_something_to_run_and_nothing_that_is_not_looked_at():
    assert len(of(*RUN)) >= 55
    assert {block.language for block in BLOCKS} == LANGUAGES
    hidden = {p.name: re.findall(r"^[ \t>]+```.*", p.read_text(), flags=re.MULTILINE) for p in PAGES}
    assert not any(hidden.values()), f"an indented block is not run: {hidden}"


def test_two_pages_can_be_followed_in_one_directory():
    """No page makes a study under the name of another's, nor a model in its directory."""
    made: dict[str, dict[str, str]] = {}
    for block, after in pairwise(BLOCKS):
        if after.language == "text" and ERROR.search(after.text) and len(block.commands) == 1:
            continue  # it is refused, and makes nothing
        for name, declared in studies_of(block):
            made.setdefault(name, {})[declared] = block.page.name
        for line in block.commands if block.language == "console" else ():
            if line.startswith("lossearch export "):
                made.setdefault(f"{line.split()[3]}/", {})[block.place] = block.page.name
    assert {"circles", "churn", "tumours", "own-module", "circles-model/"} <= made.keys()
    pages = {name: set(found.values()) for name, found in made.items() if len(found) > 1}
    assert {name: found for name, found in pages.items() if len(found) > 1} == {}


def test_study_files_are_such():
    found = of("toml")
    assert found
    for block in found:
        assert make_config(tomllib.loads(block.text)).name, block.place


@pytest.mark.parametrize("block", of("console", "sh"), ids=lambda b: b.place)
def test_every_command_and_option_exists(block):
    for line in block.commands:
        if not line.startswith("lossearch "):
            assert line.startswith(NOT_HERE), f"{block.place}: {line}"
            continue
        _, name, *words = line.split()
        command = cli.commands.commands[name]
        known = {
            option for parameter in command.get_params(click.Context(command)) for option in parameter.opts
        }
        assert {w for w in words if w.startswith("--")} <= known, f"{block.place}: {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_files_targets_and_extras_it_names_exist(page):
    text = page.read_text()
    for path in re.findall(r"\b(?:studies|benchmarks|examples|tests)/[\w/]+\.\w+", text):
        assert (ROOT / path).is_file(), path
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)", text, flags=re.MULTILINE):
        assert re.search(rf"^{''.join(target)}:", makefile, flags=re.MULTILINE), target
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra in re.findall(r"(?:lossearch|checkout|\.)\[(\w+)\]", text):
        assert extra in extras, extra


def test_pages_are_in_the_site():
    """What is not in its navigation nobody finds."""
    navigation = (ROOT / "mkdocs.yml").read_text()
    for page in (*PAGES[1:], *(ROOT / "docs").rglob("*.ipynb")):
        assert f": {page.relative_to(ROOT / 'docs')}\n" in navigation, page


def literals() -> list[str]:
    """Return the texts of the package, with \\0 where a value is put in."""
    found: list[str] = []
    for path in sorted(Path(lossearch.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (str(v.value) if isinstance(v, ast.Constant) else "\0" for v in node.values)
                found.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


def told(heading: str, texts: list[str]) -> bool:
    """Return whether a message has the words of a heading, in which ... is what changes."""
    pattern = r".*".join(re.escape(part.strip(" ?")) for part in heading.split("...") if part.strip(" ?"))
    return any(re.search(pattern, text, flags=re.DOTALL) for text in texts)


def test_every_heading_of_the_troubleshooting_is_a_message_of_ours():
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    known = literals()
    printed = [
        block.text for block in BLOCKS if block.page.stem == "troubleshooting" and block.language == "text"
    ]
    headings = re.findall(r"^### (.+)$", page, flags=re.MULTILINE)
    assert len(headings) > 20
    assert [h for h in headings if not told(h, known) and not told(h, printed)] == ["pip finds no lossearch"]


def test_a_message_that_is_none_is_seen():
    assert not told("the loss is out of cheese", literals())
    assert told("is being run by ...", literals())


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("```python\n1 / 0\n```\n", "page.md:1 failed"),
        ("```python\n1\n```\n\n```text\nValueError: no\n```\n", "page.md:1 did not fail"),
        ("```python\n1 / 0\n```\n\n```text\nZeroDivisionError: no\n```\n", "shows what was not printed"),
        ("```console\nlossearch losses --task nothing\n```\n", "page.md:1 failed"),
        ("```console\nlossearch losses --task count\n```\n```text\nno such word\n```\n", "page.md:4 shows"),
    ],
)
def test_a_page_that_cannot_be_followed_is_seen(written, said, tmp_path, monkeypatch):
    monkeypatch.setattr(documentation, "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(written)
    (found,) = failures(page)
    assert said in found


def test_what_is_shown_and_not_printed_is_seen():
    assert missing("a tie at 0.84", "a tie at 0.83\n") == []
    assert missing("Take bce/sigmoid", "Take hinge/tanh") == ["Take bce/sigmoid"]
    assert missing("first ... last\n...", "first of all\nlast") == []
    assert missing("Error: 3 rows of ...", "Error: 4 rows of two") == ["Error: 3 rows of ..."]
