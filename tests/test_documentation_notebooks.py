"""The notebooks of the documentation run from top to bottom, and are kept without what they printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
LARGEST = 200_000


def code(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_there_are_some():
    assert len(NOTEBOOKS) >= 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_nothing_that_was_printed_is_kept(path):
    cells = code(json.loads(path.read_text()))
    assert cells
    assert [c["outputs"] for c in cells] == [[]] * len(cells)
    assert path.stat().st_size < LARGEST


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs_and_shows_tables_and_figures(path, tmp_path):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(path, 4)
    place = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=place).execute()
    shown = [output for cell in code(notebook) for output in cell["outputs"]]
    assert [o["text"] for o in shown if o.get("name") == "stderr"] == []
    displays = [o["data"]["text/plain"] for o in shown if o["output_type"] == "display_data"]
    # a study's progress is one output, of which its notes stay
    studies = [text for text in displays if "All trials done after" in text]
    assert studies or path.stem == "several_tasks"  # whose studies say nothing
    assert not [text for text in studies if "about" in text.splitlines()[-1]]
    results = [o["data"] for o in shown if o["output_type"] == "execute_result"]
    assert any("<table" in data.get("text/html", "") for data in results)
    assert any("image/png" in data for data in results)
