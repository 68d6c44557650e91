"""Several studies of one store, compared over their tasks."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossearch._options import option
from lossearch._text import listed
from lossearch.api.loading import load_among
from lossearch.api.result import Result
from lossearch.errors import InputError, StoreError, UnknownNameError, refuse
from lossearch.metrics.metric import Metric
from lossearch.metrics.registry import METRICS
from lossearch.records.confirmations import PREFIX
from lossearch.records.mlflow.comparisons import write_comparison
from lossearch.records.places import given_urls
from lossearch.records.store import Store
from lossearch.tasks.judges import Judge, judge
from lossearch.verdict.across_tasks.compare import compare_studies
from lossearch.verdict.across_tasks.comparison import ROPE, StudyScores, TaskComparison, sentence
from lossearch.verdict.known import mean_scores

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class ComparedStudies:
    """Studies compared, one group a kind of task; ``left_out`` says which could not be, and why."""

    groups: tuple[TaskComparison, ...]
    left_out: tuple[str, ...]

    def __str__(self) -> str:
        from lossearch.report.comparison import findings

        of_groups = (line for group in self.groups for line in (sentence(group), *findings(group)))
        return "\n".join([*of_groups, *self.left_out])

    def __repr__(self) -> str:
        names = [study.name for group in self.groups for study in group.studies]
        return f"ComparedStudies({', '.join(names)})"

    def render(self) -> RenderableType:
        """Return the answer for a terminal."""
        from rich.console import Group
        from rich.text import Text

        from lossearch.report.comparison import compared_table

        parts: list[RenderableType] = []
        for group in self.groups:
            parts += [compared_table(group), Text()]
        return Group(*(parts[:-1] if not self.left_out else parts), *map(Text, self.left_out))

    def _repr_html_(self) -> str:
        from lossearch.report.notebook import as_html

        return as_html(self.render())

    def as_json(self) -> dict[str, Any]:
        """Return the answer as plain values."""
        return {"groups": [group.as_json() for group in self.groups], "left_out": list(self.left_out)}

    def page(self) -> str:
        """Return the answer as one HTML page that needs nothing else: tables, the critical-difference diagram, every score.

        Without scikit-posthocs there is no critical-difference diagram.
        """
        from lossearch.report.comparison import comparison_report
        from lossearch.report.html import to_html

        return to_html(comparison_report(self.groups, self.left_out))

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write pictures, scores and the answer in Markdown into a directory, made where needed; return the files.

        Without scikit-posthocs there is no critical-difference diagram.
        """
        from lossearch.report.comparison import to_markdown
        from lossearch.report.figures.across_tasks import write_pictures
        from lossearch.report.formatting import as_csv

        folder = Path(folder).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        pictures = [path for group in self.groups for path in write_pictures(group, folder)]
        text = folder / "comparison.md"
        text.write_text(to_markdown(self.groups, self.left_out, pictures), encoding="utf-8")
        tables = []
        for group in self.groups:
            tables.append(folder / f"scores_{group.kind}.csv")
            tables[-1].write_text(as_csv(group.scores, index=True), encoding="utf-8")
        return [text, *tables, *pictures]


def compare(
    names: Sequence[str | Result],
    store: str | Path = "mlruns",
    *,
    metric: Judge | None = None,
    level: float = 0.05,
    rope: float = ROPE,
    direction: str | None = None,
    storage: str | Iterable[str] | None = None,
) -> ComparedStudies:
    """Compare the pairs of several studies over their tasks.

    Scores are those of the confirmation on fresh seeds; where a study has none, the search's own, and the
    answer says so. Only pairs that all studies of a kind of task have are compared. Studies of one data set, whatever
    their split, seed or network, count once.

    Args:
        names: two or more studies of the store, in a list, or results, which may be of other stores.
        store: where the records are of those that are named.
        metric: what to compare by, instead of what each study was judged by; one of your own, ``my_metrics:cost`` or the
            function itself, is computed of what the confirmed pairs predicted.
        level: chance of finding any two equal pairs significantly different.
        rope: scores that differ by less are equal in practice; of errors, the share of the error.
        direction: "maximize" or "minimize", of a metric of your own that does not say which way is better.
        storage: the Optuna storages, one or several, that some are recorded in outside of the store; no other is opened,
            and a study that cannot be read is left out.

    Raises:
        UnknownNameError: the store has no such study, or there is no such metric.
        InputError: what is given is no list of names and results, or the studies cannot be compared; the message lists why.
        StoreError: fewer than two of them can be read.

    Example:
        >>> import lossearch
        >>> result = lossearch.search(
        ...     data="moons", losses=["bce", "hinge"], trials=15, seeds=1, confirm_seeds=2, epochs=2, mlflow=False
        ... )
        >>> comparison = lossearch.compare(["circles", "moons"])
    """
    given = _given(names, store)
    wanted = [one if isinstance(one, str) else one.name for one in given]
    results = {one.name: one for one in given if isinstance(one, Result)}
    read, unread = _read([name for name in dict.fromkeys(wanted) if name not in results], store, storage)
    results = {name: found for name in wanted if (found := (results | read).get(name)) is not None}
    if len(results) < 2:
        refuse(unread, StoreError)
    judges = _judges(list(results.values()), metric, direction)
    scores = {name: _scores(r, judges.get(r.declared.task.kind)) for name, r in results.items()}
    refuse(
        [p for r in results.values() for p in _problems(r, scores[r.name], judges.get(r.declared.task.kind))]
    )
    groups, alone = compare_studies([scores[n] for n in wanted if n in scores], level=level, rope=rope)
    return ComparedStudies(groups, (*unread, *alone))


def _given(names: Any, store: Any) -> list[str | Result]:
    """Return the studies to compare as they were given, checked.

    Raises:
        InputError: they are not in a list, some are neither names nor results, or two are of one name.
    """
    if isinstance(store, Result) or isinstance(names, str | Result) or not isinstance(names, Iterable):
        raise InputError(
            f"The studies to compare come in one list, as names or results: lossearch.compare([a, b]); got "
            f"{_words(names)}{f' and {_words(store)}' if isinstance(store, Result) else ''}."
        )
    given = list(names)
    refuse(
        [
            f"A study to compare is a name or a result of lossearch.search or lossearch.load; got {_words(one)}."
            for one in given
            if not isinstance(one, str | Result)
        ]
    )
    own = Path(store).expanduser().resolve()
    places: dict[str, set[Path]] = {}
    for one in given:
        name, root = (one, own) if isinstance(one, str) else (one.name, one.store.root)
        places.setdefault(name, set()).add(root)
    refuse(
        [
            f"Two studies are named {name!r}, in {listed(sorted(map(str, roots)))}: a comparison knows studies by their "
            f"names. Run one under another name ({option('name')})."
            for name, roots in places.items()
            if len(roots) > 1
        ]
    )
    return given


def _words(value: Any) -> str:
    return repr(value) if isinstance(value, str | Result) else f"a {type(value).__name__}"


def _read(
    names: Sequence[str], store: str | Path, storage: str | Iterable[str] | None
) -> tuple[dict[str, Result], list[str]]:
    """Return the results of studies of a store by their names, and why some cannot be read.

    Raises:
        UnknownNameError: the store has no such study.
        StoreError: there is no store.
    """
    if not names:
        return {}, []
    opened, storages = Store.open(store, create=False), given_urls("storage", storage)
    unknown = []
    for name in names:
        try:
            opened.require(name)
        except UnknownNameError as error:
            unknown.append(str(error))
    refuse(unknown, UnknownNameError)
    results, unread = {}, []
    for name in names:
        try:
            results[name] = load_among(opened, name, storages)
        except StoreError as error:
            unread.append(str(error))
    return results, unread


def log_comparison(found: ComparedStudies, store: str | Path = "mlruns") -> str | None:
    """Write a comparison and its page into the store's MLflow, in the table of all studies, and return the run's id.

    What was there of the same studies is replaced. None where none of them is recorded in the store's own MLflow, or
    nothing was compared.

    Args:
        found: what :func:`compare` returned.
        store: where the studies' records are.

    Raises:
        StoreError: MLflow cannot be written to.
    """
    opened = Store.open(store, create=False)
    names = [s.name for group in found.groups for s in group.studies]
    recorded = [opened.read_study(name) for name in names]
    if not any(study.mlflow is not None and study.tracking_uri is None for study in recorded):
        return None
    first = found.groups[0]
    several = len(found.groups) > 1
    return write_comparison(
        opened,
        names,
        found.page(),
        said=" ".join(map(sentence, found.groups)),
        metrics={"studies": len(names), **({} if several else {"friedman_p": first.friedman})},
        tags={
            "lossearch.best": ", ".join(dict.fromkeys(group.pairs[0] for group in found.groups)),
            "lossearch.kind": ", ".join(group.kind for group in found.groups),
            "lossearch.metric": ", ".join(dict.fromkeys(study.task.metric for study in recorded)),
        },
    )


def _judges(results: Sequence[Result], metric: Judge | None, direction: str | None) -> dict[str, Metric]:
    """Return kind of task -> the metric to compare by; none of a kind whose studies are all judged by it."""
    by_kind: dict[str, set[str]] = {}
    for r in results if metric is not None else ():
        by_kind.setdefault(r.declared.task.kind, set()).add(r.declared.task.metric)
    return {
        kind: judge(metric, kind, direction)
        for kind, own in by_kind.items()
        if metric is not None and own != {metric}
    }


def _problems(result: Result, found: StudyScores, asked: Metric | None) -> list[str]:
    if result.declared.search.mode != "equal":
        return [
            (
                f"Study {result.name!r} searched adaptively, so its pairs got different budgets and are not "
                'ranked. Run it with mode = "equal".'
            )
        ]
    if any(map(math.isfinite, found.scores.values())):
        return []
    if asked is None or not found.scores:
        return [
            f"Study {result.name!r} has no pair with enough finished trials. Give it more trials ({option('trials')})."
        ]
    of_own = (
        " A metric of your own is computed of what confirmed pairs predict: run the study with confirm_seeds above 0."
        if asked.name not in METRICS and result.confirmed is None
        else ""
    )
    return [
        f"Study {result.name!r} has no scores under {asked.name!r}; it is judged by {result.declared.task.metric}.{of_own}"
    ]


def _scores(result: Result, asked: Metric | None) -> StudyScores:
    task, confirmed = result.declared.task, result.confirmed
    name = task.metric if asked is None else asked.name
    direction = task.direction if asked is None or name == task.metric else asked.direction
    if confirmed is None:
        board = result.leaderboard[result.leaderboard["rank"].notna()]
        column = "score" if name == task.metric else f"val_{name}"
        scores = board[column].astype(float) if column in board else [math.nan] * len(board)
        found = dict(zip(board["pair"], scores, strict=True))
    else:
        recorded = {
            c.point.pair: c.scores.get(PREFIX[confirmed.part] + name) for c in confirmed.confirmations
        }
        own = asked if asked is not None and name not in METRICS else None
        unknown = own is not None and not any(v is not None for v in recorded.values())
        found = {p: math.nan if v is None else v for p, v in recorded.items()}
        found |= mean_scores(result.evidence(metric=own)) if unknown else {}
    return StudyScores(
        name=result.name,
        kind=task.kind,
        metric=name,
        direction=direction,
        optimizer=result.declared.train.optimizer,
        part="search" if confirmed is None else confirmed.part,
        scores=found,
        data=result.declared.describe.get("data_digest", ""),
        rows=result.declared.describe.get("row_sketch", ""),
    )
