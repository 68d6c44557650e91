"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from lossearch import cli
from lossearch.config import make_config

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_python_runs(number, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", blocks("python")[number]],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr


def test_the_study_file_is_one():
    (text,) = blocks("toml")
    assert make_config(tomllib.loads(text)).name == "circles"


def test_every_command_and_option_exists():
    lines = [
        line for block in blocks("console") for line in block.splitlines() if line.startswith("lossearch ")
    ]
    assert len(lines) > 8
    for line in lines:
        for part in line.partition("#")[0].split("·"):
            words = part.removeprefix("lossearch ").split()
            command = cli.commands.commands[words[0]]
            known = {
                name for parameter in command.get_params(click.Context(command)) for name in parameter.opts
            }
            assert {w for w in words if w.startswith("--")} <= known, line


def test_files_and_targets_it_names_exist():
    for path in re.findall(r"studies/\w+\.toml", README):
        assert (ROOT / path).is_file(), path
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\S+)", README, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
