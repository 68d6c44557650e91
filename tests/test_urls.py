"""Passwords appear in no record, message or process list, whatever form the URL has that they came in."""

from __future__ import annotations

import copy
import json
import pickle
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest
from contracts.records import example_study_record
from hypothesis import given
from hypothesis import strategies as st
from optuna.exceptions import StorageInternalError
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

import lossearch
from lossearch._json import dumps
from lossearch._urls import Url, hidden
from lossearch.cli import invoke
from lossearch.config import StudyConfig, config_toml, make_config, parse_config, with_values
from lossearch.errors import InputError, LossearchError, RunFailedError, StoreError
from lossearch.integrations.tracking import TrialSnapshot, open_run
from lossearch.records import Store
from lossearch.records.mlflow.client import checked_uri, reach
from lossearch.records.mlflow.server import command
from lossearch.records.mlflow.view import MlflowView
from lossearch.records.optuna import open_storage, reach_storage
from lossearch.records.patience import answering, begun
from lossearch.records.places import storage_of, tracking_of

WORD = "hunter"
"""Stands on either side of what is odd in a password, so that no part of one goes unseen."""
LOGINS = (
    "postgresql://me:{}@127.0.0.1:1/db",
    "postgresql+psycopg2://me:{}@127.0.0.1:1/db?connect_timeout=3",
    "postgresql://:{}@127.0.0.1:1/db",
    "postgresql://me:{}@[::1]:1/db",
    "mysql+pymysql://me:{}@127.0.0.1:1/db",
    "mssql+pyodbc://me:{}@127.0.0.1:1/db?driver=x",
    "http://me:{}@127.0.0.1:1",
    "https://me:{}@127.0.0.1:1/mlflow",
    "http://{}@127.0.0.1:1",
    "https://{}@127.0.0.1:1/mlflow?a=b",
    "nosuch://me:{}@127.0.0.1:1/x",
)
OPTIONS = (
    "postgresql://127.0.0.1:1/db?user=me&password={}",
    "postgresql://me@127.0.0.1:1/db?sslpassword={}&sslmode=require",
    "postgresql:///db?host=127.0.0.1&port=1&PassWord={}",
    "mysql+pymysql://me@127.0.0.1:1/db?pass%77ord={}",
    "http://127.0.0.1:1?token={}",
    "http://127.0.0.1:1/x?a=b&access_token={}",
    "http://127.0.0.1:1/x?api-key={}&a=b",
    "http://127.0.0.1:1/x#token={}",
    "mssql+pyodbc:///?odbc_connect={}",
    "sqlite:///file:/nowhere/x.db?uri=true&password={}",
)
UNREADABLE = (
    "postgresql://me:{}",
    "me:{}@127.0.0.1/db",
    "postgresql://me:1@{}@127.0.0.1/db",
    "http://h:1/{}@x",
)
FORMS = (*LOGINS, *OPTIONS, *UNREADABLE)
ODD = ("", "9", "/", "@", ":", " ", "%40", "%", "?", "#", "'", '"', "\\", "ü", "+", "[", "|", "{", "://")


def with_secret(form: str, odd: str = "9") -> str:
    return form.replace("{}", f"{WORD}{odd}{WORD}")


def told(call: Callable[[], object]) -> str:
    """Return the error of a call with its whole traceback, as Python shows it; '' where it succeeds."""
    try:
        call()
    except LossearchError as error:
        return "".join(traceback.format_exception(error))
    return ""


def read(text: str) -> Url | None:
    """Return the URL, None where it is refused, which shows nothing of it."""
    with suppress(ValueError):
        return Url(text)
    with pytest.raises(ValueError, match="cannot be read as a URL") as refused:
        Url(text)
    assert WORD not in str(refused.value)
    return None


# the URL itself


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("postgresql://me:pw@host:5/db", "postgresql://me@host:5/db"),
        ("postgresql://me:a/b c:d?e#f@host/db?x=1", "postgresql://me@host/db?x=1"),
        ("postgresql://me@host/db?password=pw&x=1", "postgresql://me@host/db?x=1"),
        ("postgresql:///db?host=/run/socket&sslpassword=pw", "postgresql:///db?host=/run/socket"),
        ("postgresql://host/db?passfile=/home/me/.pgpass", "postgresql://host/db?passfile=/home/me/.pgpass"),
        ("http://me:pw@host:5000/x", "http://host:5000/x"),
        ("http://TOKEN@host", "http://host"),
        ("http://host/x?token=t", "http://host/x"),
        ("http://host/x?a=1#token=t", "http://host/x?a=1"),
    ],
)
def test_an_address_has_all_but_the_secrets(text: str, address: str) -> None:
    url = Url(text)
    assert (url, url.secret) == (address, address != text)


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:////a/b@c #1 ü.db",
        "sqlite:///x.db?mode=ro",
        "http://host:80/x",
        "http://[::1]:5000",
        "databricks://profile",
        "databricks",
        "file:runs",
        "plain words",
        "",
    ],
)
def test_what_has_no_secret_stays_as_it_is(text: str) -> None:
    url = Url(text)
    assert (url, url.whole, url.secret) == (text, text, False)
    assert hidden(text) == text


@pytest.mark.parametrize("form", LOGINS)
@given(odd=st.text(st.characters(codec="utf-8"), max_size=9))
def test_a_login_is_read_as_sqlalchemy_reads_it_or_refused(form: str, odd: str) -> None:
    text = with_secret(form, odd)
    url = read(text)
    if url is None:
        assert set("@/?#") & set(odd)
        return
    assert WORD not in url + repr(url) + f"{url}"
    assert WORD not in hidden(url.whole)
    assert WORD not in url.hide(f"no {url.whole} nor {text} nor {WORD}{odd}{WORD}")
    parsed = make_url(url.whole)
    read_as = [parsed.password, parsed.username, f"{parsed.username}:{parsed.password}"]
    assert unquote(f"{WORD}{odd}{WORD}") in read_as
    assert parsed.host == make_url(form.replace("{}", "x")).host


@pytest.mark.parametrize("form", [*LOGINS, *OPTIONS])
@given(odd=st.text(st.characters(codec="utf-8", exclude_characters="&;#@"), max_size=9))
def test_a_url_is_the_same_read_again_copied_or_sent(form: str, odd: str) -> None:
    url = read(with_secret(form, odd))
    if url is None:
        return
    for again in (Url(url.whole), Url(url), copy.deepcopy(url), pickle.loads(pickle.dumps(url))):  # noqa: S301
        assert (again, again.whole, again.secret) == (url, url.whole, True)
    assert url == Url(with_secret(form, "another"))
    assert WORD not in url
    assert WORD not in hidden(url.whole)


@pytest.mark.parametrize("form", LOGINS)
@pytest.mark.parametrize("odd", ODD)
def test_a_raw_url_within_a_text_is_hidden_up_to_its_end(form: str, odd: str) -> None:
    if ":{}@" not in form and odd in (" ", "'", '"'):
        pytest.skip("what follows a space or a quote may be other words: http://host is down, ask a@b")
    said = hidden(f"No argument ('{with_secret(form, odd)}'), at http://host:5000. Ask a@b")
    assert WORD not in said
    if odd != "://":
        assert said.startswith("No argument ('")


def test_a_text_keeps_all_but_the_secrets() -> None:
    text = "Nothing at http://me:pw@host:5/x, nor (postgresql://me:p@host/db). Mail a b, see http://host:5/x."
    assert hidden(text) == text.replace("me:pw@", "").replace(":p@", "@")


# the places: messages


@pytest.mark.parametrize("odd", ODD)
def test_no_message_shows_a_password(tmp_path: Path, odd: str) -> None:
    store = Store.open(tmp_path)
    for form in FORMS:
        if odd in ("#", "@") and form in (*OPTIONS, UNREADABLE[0]):
            continue  # which is another host, or has an end
        text = with_secret(form, odd)
        for call in (
            lambda text=text: make_config({"records": {"storage": text, "tracking_uri": text}}),
            lambda text=text: make_config({"records": {"store": "a", "storage": text, "name": "?"}}),
            lambda text=text: checked_uri(text),
            lambda text=text: storage_of(Store.open(tmp_path), example_study_record(), text),
            lambda text=text: tracking_of(Store.open(tmp_path), example_study_record(), text),
            lambda text=text: lossearch.load("none", tmp_path, storage=text),
        ):
            assert WORD not in told(call), text
    assert store.studies() == ()


@pytest.mark.parametrize("form", FORMS)
def test_nothing_that_opens_a_place_shows_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.chdir(tmp_path)
    store, text = Store.open(tmp_path), with_secret(form, "9/ %")
    for call in (
        lambda: open_storage(store, "a", text),
        lambda: reach_storage(text),
        lambda: reach(text),
        lambda: MlflowView(store, "a", text).open(example_study_record("a")),
    ):
        assert WORD not in told(call)
    assert WORD not in everything(tmp_path)


@pytest.mark.parametrize("form", FORMS)
def test_no_command_shows_a_password_given_for_a_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], form: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Store.open("mlruns").write_study(example_study_record("a"))
    text = with_secret(form)
    for words in (
        ["run", "--data", "circles", "--storage", text, "--debug"],
        ["report", "a", "--storage", text, "--debug"],
        ["compare", "a", "a", "--storage", text],
        ["rerun", "a", "0", "--storage", text],
        ["export", "a", "b", "--storage", text],
        ["sync", "a", "--tracking-uri", text],
        ["rm", "a", "--yes", "--tracking-uri", text],
    ):
        assert invoke(words) == 2
        shown = capfd.readouterr()
        assert shown.err
        assert WORD not in shown.out + shown.err


@pytest.mark.parametrize("form", [*LOGINS, *OPTIONS])
def test_no_command_shows_a_password_given_for_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], form: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Store.open("mlruns")
    text = with_secret(form)
    for words in (
        ["run", text],
        ["run", "a", text],
        ["run", "--data", text, "--debug"],
        ["run", "--data", "circles", "--set", f"records.storage=['{text}']"],
        ["report", text],
        ["report", "none", "--store", text],
        ["ls", "--format", text],
        ["rerun", "none", text],
        [text],
    ):
        assert invoke(words) in (1, 2)
        shown = capfd.readouterr()
        assert shown.err
        assert WORD not in shown.out + shown.err


def test_an_unexpected_error_shows_no_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError(f"at {with_secret(LOGINS[0])}") from OSError(with_secret(LOGINS[6]))

    monkeypatch.setattr("lossearch.api.studies", fail)
    assert invoke(["ls", "--debug"]) == 1
    shown = capsys.readouterr().err
    assert "ZeroDivisionError" in shown
    assert "Traceback" in shown
    assert WORD not in shown


def test_a_broken_line_of_a_study_file_is_not_shown_where_a_url_stands_in_it() -> None:
    with pytest.raises(InputError) as error:
        parse_config(f'[records]\nstorage = "{with_secret(OPTIONS[0], " ")}" x\n')
    assert "line 2" in str(error.value)
    assert WORD not in str(error.value)


@pytest.mark.parametrize("form", FORMS)
def test_a_run_of_a_trial_shows_no_password_of_where_it_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], form: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    text = with_secret(form, "9%")
    said = told(lambda: open_run(text, "trials", "0", TrialSnapshot("val_f1", [])))
    assert said or form.startswith("sqlite")
    shown = capfd.readouterr()
    assert WORD not in said + shown.out + shown.err


class _Refusing(BaseHTTPRequestHandler):
    """A server of MLflow's that lets nobody in."""

    def do_POST(self) -> None:
        self.send_response(401)
        self.end_headers()

    do_GET = do_POST  # noqa: N815 - the name that http.server calls

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(("login", "asks"), [("me:hunter%2Fhunter@", False), ("", True)])
def test_a_server_that_refuses_a_password_is_told_at_once(login: str, asks: bool) -> None:
    server = HTTPServer(("127.0.0.1", 0), _Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(StoreError, match="401") as refused:
            reach(f"http://{login}127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
    assert WORD not in "".join(traceback.format_exception(refused.value))
    assert ("MLFLOW_TRACKING_PASSWORD" in str(refused.value)) is asks


# the places: records


@pytest.mark.parametrize("form", [*LOGINS, *OPTIONS])
def test_a_configuration_keeps_its_secrets_and_writes_none(form: str) -> None:
    text = with_secret(form)
    config = make_config({"records": {"storage": text, "tracking_uri": text}})
    for kept in (config, with_values(config, {"epochs": 3}), config.model_copy(deep=True)):
        assert isinstance(kept.records.storage, Url)
        assert kept.records.storage.whole == Url(text).whole
        assert WORD not in repr(kept) + str(kept) + config_toml(kept) + kept.model_dump_json()
    again = parse_config(config_toml(config))
    assert again.records == config.records
    assert isinstance(again, StudyConfig)


@pytest.mark.parametrize("form", [*LOGINS, *OPTIONS])
def test_an_old_record_gives_its_password_and_is_written_without(tmp_path: Path, form: str) -> None:
    store, text = Store.open(tmp_path), with_secret(form, "%20")
    old = json.loads(dumps(example_study_record("old")))
    old |= {"storage": text, "tracking_uri": text, "config": f'[records]\nstorage = "{text}"\n'}
    file = store.study_file("old")
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(old))

    study = store.read_study("old")
    assert isinstance(study.storage, Url)
    assert study.storage.whole == text
    assert WORD not in repr(study) + study.config
    store.write_study(replace(study, notes=("changed",)))
    assert WORD not in everything(tmp_path)
    assert store.read_study("old").storage == study.storage


def test_a_url_given_again_must_be_of_the_same_place(tmp_path: Path) -> None:
    study = replace(
        example_study_record(), storage="postgresql://me:old@host/db", tracking_uri="http://t@host"
    )
    store = Store.open(tmp_path)
    storage = storage_of(store, study, "postgresql://me:new@host/db")
    tracking = tracking_of(store, study, "http://me:new@host")
    assert isinstance(storage, Url)
    assert isinstance(tracking, Url)
    assert (storage.whole, tracking.whole) == ("postgresql://me:new@host/db", "http://me:new@host")
    assert (storage, tracking) == (study.storage, study.tracking_uri)
    with pytest.raises(InputError) as error:
        storage_of(store, study, "postgresql://me:new@elsewhere/db")
    assert str(error.value) == (
        "Study 'example' is recorded in postgresql://me@host/db, not in postgresql://me@elsewhere/db. "
        "Give storage= as it was when the study ran, or leave it out."
    )
    with pytest.raises(InputError, match="is recorded in the store itself, not in "):
        storage_of(store, example_study_record(), "sqlite:///x.db")


# a study


def everything(folder: Path) -> str:
    """Return all bytes of all files below a directory, as text."""
    return "\n".join(p.read_bytes().decode("latin1") for p in folder.rglob("*") if p.is_file())


def test_no_file_of_a_study_has_the_password_of_its_storage(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # the one driver that is always here, and lets in whoever has a password or none
    def storage(odd: str) -> str:
        return f"sqlite:///file:{tmp_path}/optuna.db?uri=true&password={WORD}{odd}{WORD}"

    store = tmp_path / "store"
    words = [
        "run",
        "--data",
        "circles",
        "--losses",
        "bce",
        "--seeds",
        "1",
        "--epochs",
        "1",
        "--confirm-seeds",
        "2",
    ]
    words += ["--store", str(store), "--name", "a"]
    assert invoke([*words, "--trials", "5", "--storage", storage(" %'/+ü")]) == 0
    # a changed password makes no other study
    assert invoke([*words, "--trials", "6", "--storage", storage("changed")]) == 0
    assert len(lossearch.load("a", store, storage=storage("again")).trials) == 6
    report = ["report", "a", "--store", str(store), "--storage", storage("again")]
    assert invoke(report) == 0
    page = tmp_path / "page.html"
    assert invoke([*report, "--format", "html", "--output", str(page)]) == 0
    assert invoke([*report, "--format", "markdown", "--output", f"{page}.md"]) == 0
    assert invoke(["ls", "--store", str(store), "--storage", storage("again")]) == 0
    assert invoke(["sync", "a", "--store", str(store), "--storage", storage("again")]) == 0
    shown = capfd.readouterr()
    assert "optuna.db" in page.read_text()
    assert WORD not in everything(tmp_path) + shown.out + shown.err


def test_the_ui_has_no_secret_in_its_arguments(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.write_study(replace(example_study_record("a"), tracking_uri=with_secret(LOGINS[6])))
    assert WORD not in " ".join(command(store, "127.0.0.1", 5000))


# lost while a study runs


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("select 1", {}, OSError("server closed the connection")),
        StorageInternalError("An exception is raised during the commit."),
        StoreError("The store is full."),
    ],
)
def test_records_lost_on_the_way_are_a_failed_run(error: Exception) -> None:
    with pytest.raises(RunFailedError) as found, answering("postgresql://me:pw@host/db"), begun():
        raise error
    assert found.value.exit_code == 1
    assert "pw" not in str(found.value)
