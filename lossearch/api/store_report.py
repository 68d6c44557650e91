"""The reports of all studies of a store, and the index that links to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lossearch._json import write_text
from lossearch._options import option
from lossearch.api.loading import load_among
from lossearch.errors import InputError, LossearchError
from lossearch.records.places import given_urls
from lossearch.records.store import Store

if TYPE_CHECKING:
    from lossearch.api.result import Result
    from lossearch.report.index import StudyRow

INDEX = "index.html"


def report_all(
    folder: str | Path,
    store: str | Path = "mlruns",
    *,
    storage: str | Iterable[str] | None = None,
    note: Callable[[str], None] | None = None,
) -> list[Path]:
    """Write the report of every study of a store into a directory, and an index of them, and return the files, index first.

    A study that cannot be read is named in the index, with the reason.

    Args:
        folder: where to; made where it is not there.
        store: where the records are.
        storage: the Optuna storages, one or several, that some studies are recorded in outside of the store; no other is
            opened.
        note: told what is being drawn, a report at a time.

    Raises:
        InputError: the store has no study.
    """
    from lossearch.report.html import to_html
    from lossearch.report.index import index_report

    opened, given, folder = (
        Store.open(store, create=False),
        given_urls("storage", storage),
        Path(folder).expanduser(),
    )
    names = sorted((*opened.studies(), *opened.without_record()))
    if not names:
        raise InputError(f"No studies in {store}. Name another {option('store')}, or run one first.")
    folder.mkdir(parents=True, exist_ok=True)
    rows, problems, pages = [], {}, []
    for number, name in enumerate(names, 1):
        if note is not None:
            note(f"Drawing the report of {name} ({number} of {len(names)}) ...")
        page = folder / _page_of(name)
        try:
            result = load_among(opened, name, given)
            write_text(page, to_html(result.report()))
        except LossearchError as error:
            problems[name] = str(error)
            continue
        rows.append(_row(result, page.name))
        pages.append(page)
    index = folder / INDEX
    write_text(index, to_html(index_report(str(store), rows, problems)))
    return [index, *pages]


def _page_of(name: str) -> str:
    """Return the file of a study's page, which is no other's: no study's name begins with an underscore."""
    page = f"{name}.html"
    return f"_{page}" if page.casefold() == INDEX else page


def _row(result: Result, page: str) -> StudyRow:
    from lossearch.report.index import StudyRow

    study = result.declared
    found = StudyRow(
        study.name, study.task.kind, study.task.metric, study.created, len(result.trials), page=page
    )
    if result.leader is None:
        return found
    best, verdict = result.best.pair, result.verdict
    row = next(r for r in result.leaderboard.to_dict("records") if r["pair"] == best)
    return replace(
        found,
        best=best,
        score=float(row["score"]),
        spread=float(row["sd"]),
        gain=float(row["gain"]),
        tied=result.tied,
        ranked=0 if verdict is None else len(verdict.ranking),
    )
