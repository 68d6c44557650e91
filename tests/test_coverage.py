"""What other libraries and papers call their losses is known here, or the reason is given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import coverage_table
import pytest

from lossearch.pairs import find_pair


def installed(library):
    """Return the names of an installed library's losses, read by a process of its own: Keras and jax set variables."""
    code = f"import json, coverage_table; print(json.dumps(coverage_table.installed({library!r})))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        env={**os.environ, "KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("library", coverage_table.LIBRARIES)
def test_every_loss_of_others_is_here_or_has_a_reason(library):
    """Of an installed library its own names, else those read of a version before."""
    names = installed(library) or coverage_table.read()[library]["names"]
    assert len(names) > 30
    new = coverage_table.unknown(names)
    assert not new, (
        f"{library} has losses that are unknown here: {', '.join(new)}. Give a loss the name as an alias, or a reason in "
        "OUT of tests/coverage_table.py; then run python tests/coverage_table.py --read."
    )


def test_a_new_name_would_be_noticed():
    assert coverage_table.unknown(["BCELoss", "CTCLoss", "get", "SomeNewLoss"]) == ["SomeNewLoss"]


def test_the_page_is_as_the_declarations_have_it():
    assert coverage_table.PAGE.read_text() == coverage_table.page(), "run python tests/coverage_table.py"


JANOCHA = {
    "L1": "mae/identity",
    "L2": "mse/identity",
    "expectation loss, L1 of probabilities": "mae/softmax",
    "regularised expectation loss, L2 of probabilities": "mse/softmax",
    "Chebyshev": "chebyshev/softmax",
    "hinge": "ovr_hinge/identity",
    "squared hinge": "ovr_squared_hinge/identity",
    "cubed hinge": "ovr_cubed_hinge/identity",
    "log": "cross_entropy/softmax",
    "squared log": "log_squared/softmax",
    "Tanimoto": "tan/softmax",
    "Cauchy-Schwarz divergence": "dcs/softmax",
}
"""Table 1 of Janocha & Czarnecki 2017, which has twelve losses."""


@pytest.mark.parametrize("loss", JANOCHA)
def test_the_twelve_losses_of_janocha_and_czarnecki(loss):
    assert find_pair(JANOCHA[loss], "multiclass").kind == "multiclass"


def test_no_two_of_them_are_one_name():
    assert len(JANOCHA) == len({find_pair(name, "multiclass").name for name in JANOCHA.values()}) == 12
