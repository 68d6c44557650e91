"""Every public name explains itself by an example that runs."""

from __future__ import annotations

import doctest
import inspect

import pytest

import lossearch

NAMES = [name for name in lossearch.__all__ if not name.startswith("__")]


def run(name: str, thing: object) -> int:
    """Run the examples of a docstring, and return how many lines they have."""
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner()
    test = parser.get_doctest(inspect.getdoc(thing) or "", {}, name, None, None)
    assert runner.run(test).failed == 0
    return len(test.examples)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A directory where the search of ``lossearch.search``'s own example is recorded."""
    found = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(found)
        assert run("search", lossearch.search)
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice on few workers and few batches
def test_the_example_of_a_public_name_runs(name, folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert run(name, getattr(lossearch, name)) > 1, f"lossearch.{name} has no example"


def test_a_wrong_example_is_seen():
    def wrong():
        """Say so.

        >>> 1 + 1
        3
        """

    with pytest.raises(AssertionError):
        run("wrong", wrong)
