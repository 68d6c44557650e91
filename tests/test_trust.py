"""What is outside of the records is used where it is given, and a message says how, safe to be copied to a shell."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from contracts.records import example_study_record
from hypothesis import given
from hypothesis import strategies as st

from lossearch._options import on_the_command_line, option
from lossearch._trust import as_trust, require_trusted, saying_so
from lossearch._urls import Url
from lossearch.errors import InputError, StoreError
from lossearch.records import Store
from lossearch.records.places import given_urls, storage_among, storage_of, tracking_of


def test_one_name_or_several() -> None:
    assert as_trust("nets:make") == {"nets:make"}
    assert as_trust(["a:b", "c:d"]) == as_trust(("c:d", "a:b")) == {"a:b", "c:d"}
    assert as_trust(()) == frozenset()


def test_code_that_is_not_named_is_listed() -> None:
    code = {"nets:make": "model", "rows:load": "data", "mine:loss": "losses"}
    require_trusted(code, as_trust(code), "Study 'x'")
    require_trusted({}, frozenset(), "Study 'x'")
    with pytest.raises(InputError) as error:
        require_trusted(code, as_trust("mine:loss"), "Study 'x'")
    assert str(error.value) == (
        "Study 'x' names code outside of the records, which is not run unasked: model 'nets:make' and data 'rows:load'. "
        "Where you know it, say so: trust=['nets:make', 'rows:load']."
    )
    with (
        on_the_command_line(),
        pytest.raises(InputError, match=r"say so: --trust nets:make --trust rows:load\.$"),
    ):
        require_trusted(code, as_trust("mine:loss"), "Study 'x'")


def test_code_of_the_program_itself_is_not_asked_for_where_it_cannot_be_found() -> None:
    code = {"__main__:Net": "module", "rows:load": "data"}
    require_trusted(code, as_trust(code), "Study 'x'")
    with pytest.raises(
        InputError, match=r"run that program again, .*, and say trust=\['__main__:Net', 'rows:load'\] in it"
    ):
        require_trusted(code, frozenset(), "Study 'x'")
    with on_the_command_line(), pytest.raises(InputError) as error:
        require_trusted(code, frozenset(), "Study 'x'")
    assert "run that program again, which trains nothing anew. Defined in a module" in str(error.value)
    assert "--trust" not in str(error.value)


@given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=3, unique=True))
def test_what_is_copied_to_a_shell_is_a_name_and_no_command(names: list[str]) -> None:
    with on_the_command_line():
        words = shlex.split(saying_so(names))
        options = shlex.split(" ".join(option("storage", name) for name in names))
    assert words == [word for name in names for word in ("--trust", name)]
    assert options == [word for name in names for word in ("--storage", name)]


POSTGRES = "postgresql://host/optuna"


@pytest.mark.parametrize(
    ("recorded", "named", "opened"),
    [
        (POSTGRES, POSTGRES, POSTGRES),
        (POSTGRES, "postgresql://me:secret@host/optuna", "postgresql://me:secret@host/optuna"),
        ("postgresql://me@host:5432/optuna", "postgresql://me:new@host:5432/optuna", "postgresql://me:new@host:5432/optuna"),
        (POSTGRES, "postgresql://host/other", None),
        (POSTGRES, "postgresql://elsewhere/optuna", None),
        (POSTGRES, "postgresql://host:5433/optuna", None),
        (POSTGRES, "mysql://host/optuna", None),
        ("sqlite:////tmp/a.db", "sqlite:////tmp/a.db", "sqlite:////tmp/a.db"),
        ("sqlite:////tmp/a.db", "sqlite:////tmp/b.db", None),
        ("postgresql://host/optuna", "postgresql+psycopg://host/optuna?sslmode=require", "postgresql+psycopg://host/optuna?sslmode=require"),
        ("postgresql:///optuna?host=a", "postgresql://a/optuna", "postgresql://a/optuna"),
        ("postgresql:///optuna?host=a", "postgresql:///optuna?host=b", None),
        ("http://[::1]:5000", "http://me:secret@[::1]:5000/", "http://me:secret@[::1]:5000/"),
        ("http://[::1]:5000", "https://[::1]:5000", None),
        ("databricks", "databricks", "databricks"),
        ("databricks", "uc", None),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("which", "of"), [("storage", storage_of), ("tracking_uri", tracking_of)])
def test_an_address_is_opened_where_its_place_is_given(
    tmp_path: Path, recorded: str, named: str, opened: str | None, which: str, of: Callable[..., Url]
) -> None:
    store, named = Store.open(tmp_path / "store"), named.format(here=Path.cwd())
    study = replace(example_study_record(), **{which: recorded})
    with pytest.raises(StoreError, match="outside of the store, which is not opened unasked") as error:
        of(store, study)
    assert str(error.value).endswith(f" say so: {which}={recorded!r}.")
    if opened is None:
        with pytest.raises(InputError, match=f"is recorded in .* Give {which}="):
            of(store, study, named)
    else:
        assert of(store, study, named).whole == opened.format(here=Path.cwd())
        # as its user and its driver are, so are secrets those that are given
        again = replace(study, **{which: Url(recorded.replace("://host", "://me:old@host"))})
        assert of(store, again, named).whole == opened.format(here=Path.cwd())
    among = storage_among(store, replace(study, storage=None), given_urls("storage", [named]))
    assert among is None


def test_of_several_storages_each_study_has_its_own(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    given = given_urls("storage", ["postgresql://me:a@host/one", "postgresql://me:b@host/two"])
    for name, password in (("one", "a"), ("two", "b")):
        study = replace(example_study_record(), storage=f"postgresql://me@host/{name}")
        assert storage_among(store, study, given).whole == f"postgresql://me:{password}@host/{name}"
    with pytest.raises(StoreError, match="not opened unasked"):
        storage_among(store, replace(study, storage="postgresql://me@host/three"), given)
    assert given_urls("storage", None) == ()
    assert given_urls("storage", str(given[0])) == given[:1]


@pytest.mark.parametrize(
    ("url", "inside"),
    [
        ("sqlite:///{store}/optuna.db", True),
        ("sqlite+pysqlite:///{store}/studies/optuna.db", True),
        ("sqlite:///{store}/../optuna.db", False),
        ("sqlite:///{store}2/optuna.db", False),
        ("sqlite:///{store}/link/optuna.db", False),
        ("sqlite:///file:{store}/optuna.db?uri=true", False),
        ("sqlite:///optuna.db", True),
        ("sqlite:///studies/../optuna.db?timeout=9", True),
        ("sqlite:///../optuna.db", False),
        ("sqlite:///link/optuna.db", False),
        ("sqlite://", False),
        ("http:///{store}/optuna.db", False),
    ],
)
def test_what_is_in_the_store_needs_no_naming(tmp_path: Path, url: str, *, inside: bool) -> None:
    store = Store.open(tmp_path / "store")
    (store.root / "link").symlink_to(tmp_path)
    study = replace(example_study_record(), storage=url.format(store=store.root))
    if inside:
        assert storage_of(store, study).startswith(f"sqlite:///{store.root}/")
    else:
        with pytest.raises(StoreError):
            storage_of(store, study)
