"""Losses of other packages: loaded, or left out by name."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from importlib.metadata import EntryPoint

import pytest

from lossearch.errors import InputError
from lossearch.losses import BUILT_IN, Loss
from lossearch.losses.plugins import load, merged

PLUGIN = """
from lossearch.losses import loss

def declared(name):
    @loss(task="binary", encoding="plus_minus_one", source="a plug-in", example=(0.5, 1.0, 0.5), name=name)
    def plain(output, target):
        return (1 - target * output).clamp(min=0)
    return plain

mine = declared("mine")
both = [declared("first"), declared("second")]
taken = declared("hinge")
alias = declared("BCE")
nothing = 3
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    (tmp_path / "acme_losses.py").write_text(PLUGIN)
    (tmp_path / "acme_broken.py").write_text("raise OSError('no licence')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield lambda name, value: EntryPoint(name, value, "lossearch.losses")
    for module in ("acme_losses", "acme_broken"):
        sys.modules.pop(module, None)


def test_plugins_are_loaded(plugin):
    found = load([plugin("one", "acme_losses:mine"), plugin("two", "acme_losses:both")])
    assert [(owner, x.name) for owner, x in found] == [
        ("plug-in 'one' (acme_losses:mine)", "mine"),
        ("plug-in 'two' (acme_losses:both)", "first"),
        ("plug-in 'two' (acme_losses:both)", "second"),
    ]
    table = merged(BUILT_IN, found)
    assert [x.name for x in table["binary"]][-3:] == ["mine", "first", "second"]
    assert all(isinstance(x, Loss) for x in table["binary"])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("acme_broken:mine", "OSError: no licence"),
        ("acme_nowhere:mine", "ModuleNotFoundError: No module named 'acme_nowhere'"),
        ("acme_losses:absent", "AttributeError: module 'acme_losses' has no attribute 'absent'"),
        ("acme_losses:nothing", "TypeError: 'int' object is not iterable"),
        ("acme_losses:PLUGIN", "AttributeError: module 'acme_losses' has no attribute 'PLUGIN'"),
        ("acme_losses:__name__", "TypeError: it names str"),
    ],
)
def test_a_broken_plugin_is_named_and_left_out(plugin, value, reason):
    with pytest.warns(RuntimeWarning) as caught:
        found = load([plugin("bad", value), plugin("good", "acme_losses:mine")])
    assert [x.name for _, x in found] == ["mine"]
    assert str(caught[0].message).startswith(f"Loss plug-in 'bad' ({value}) is left out: {reason}")


def test_a_taken_name_is_an_error_that_names_both(plugin):
    with pytest.raises(InputError) as caught:
        merged(BUILT_IN, load([plugin("acme", "acme_losses:taken")]))
    assert str(caught.value) == (
        "Two binary losses are named 'hinge': the built-in 'hinge' and 'hinge' of plug-in 'acme' "
        "(acme_losses:taken). Rename one, or uninstall the plug-in."
    )
    with pytest.raises(InputError, match="named 'BCE': the built-in 'bce' and 'BCE' of plug-in 'acme'"):
        merged(BUILT_IN, load([plugin("acme", "acme_losses:alias")]))
    with pytest.raises(InputError, match=r"named 'mine': 'mine' of plug-in 'a' .* and 'mine' of plug-in 'b'"):
        merged(BUILT_IN, load([plugin("a", "acme_losses:mine"), plugin("b", "acme_losses:mine")]))


def test_no_plugins_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load([]) == []


@pytest.mark.slow
def test_an_installed_plugin_is_in_the_catalogue(tmp_path):
    (tmp_path / "acme_losses.py").write_text(PLUGIN)
    info = tmp_path / "acme_losses-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-losses\nVersion: 0.1\n")
    points = ["[lossearch.losses]", "one = acme_losses:mine", "bad = acme_losses:absent", ""]
    (info / "entry_points.txt").write_text("\n".join(points))
    code = (
        "import lossearch.losses as l; print(l.losses_for('binary')['mine'].name)\n"
        "from lossearch import criterion; print(criterion('mine/tanh').pair.name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["mine", "mine/tanh"]
    assert (
        "Loss plug-in 'bad' of acme-losses 0.1 (acme_losses:absent) is left out: AttributeError"
        in done.stderr
    )
