"""What is said of a study: on a terminal, and as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lossearch._json import to_jsonable
from lossearch.confirm.judging import VERDICT, ought_to_be_judged
from lossearch.diagnostics.pareto import confirmed_pairs, front_sentence, searched
from lossearch.diagnostics.weighting import weighting_effects
from lossearch.records.damage import missing
from lossearch.report import frames
from lossearch.report.leaderboard import Leaderboard, make_leaderboard
from lossearch.report.published import published_numbers, published_table
from lossearch.report.sentences import (
    edge_sentence,
    optimism_sentence,
    probability_sentences,
    weighting_sentences,
)
from lossearch.space import Point
from lossearch.study.lr_extension import widens_from
from lossearch.study.named_losses import with_pair
from lossearch.verdict.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

    from lossearch.api.result import Result


def printed(result: Result) -> Leaderboard:
    """Return the leaderboard as it is printed."""
    return make_leaderboard(result.leaderboard, result.declared, result.verdict, result.confirmed)


def render(result: Result) -> RenderableType:
    """Return the answer for a terminal."""
    from rich.console import Group
    from rich.text import Text

    taken = () if result.leader is None else (result.best,)
    said = () if result.verdict is not None else beside(result, taken)
    parts: list[RenderableType] = [printed(result), *map(Text, [*said, *result.since])]
    published = result.published
    if published is not None:
        parts += [Text(), published_table(published, result.declared)]
    return Group(*parts)


def as_json(result: Result) -> dict[str, Any]:
    """Return the answer as plain values."""
    study, published = result.declared, result.published
    return {
        "name": result.name,
        "store": str(result.store.root),
        "task": study.identity()["task"],
        "metric": study.task.metric,
        "direction": study.task.direction,
        "optimizer": study.train.optimizer,
        "seeds": study.search.seeds,
        "conventional": study.conventional,
        "optimistic": result.verdict is None,
        "best": None if result.leader is None else result.best.as_json(),
        "leader": None if result.leader is None else result.leader.as_json(),
        "recommended": None if result.recommended is None else result.recommended.as_json(),
        "tied": list(result.tied),
        "verdict": None if result.verdict is None else result.verdict.as_json(),
        "leaderboard": _rows(result.leaderboard),
        "baselines": _rows(result.baselines),
        "pareto": None if result.pareto_sentence is None else _rows(result.pareto),
        "ladder": _rows(result.ladder),
        "published": None if published is None else _rows(published),
        "rejections": to_jsonable(study.rejections),
        "weighting": weighting(result),
        "notes": [*study.notes, *result.since],
        "trials": len(result.trials),
        "mlflow": to_jsonable(study.mlflow),
    }


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(k): v for k, v in row.items()} for row in plain.to_dict("records")]


def pareto(result: Result) -> pd.DataFrame:
    """Return what no other point beats under both metrics; see :attr:`Result.pareto`."""
    import pandas as pd

    two = result.objectives
    if two is None:
        return pd.DataFrame(columns=["stage", "pair", "trial", "lr", "params"])
    both = [confirmed_pairs(result.confirmed, two), searched(result.trials, two)]
    found = pd.concat([t[t["front"]] for t in both], ignore_index=True).drop(columns="front")
    points = {r.number: r.point for r in result.trials}
    own = [
        frames.params_text(frames.searched_values(points[n], result.declared.space.pairs[points[n].pair]))
        for n in found["trial"]
    ]
    found.insert(4, "params", own)
    return found


def since(result: Result) -> list[str]:
    """Return what has happened since the verdict, and what of the records is not there any more; a sentence each."""
    before, now = result.confirmed.trials if result.confirmed else 0, len(result.trials)
    said = []
    if 0 < before < now:
        said.append(
            f"The search went on after this was confirmed: it had {before} trials then and has {now} "
            "now. Run the study to its end to have its best confirmed."
        )
    if before > now:
        said.append(
            f"This was confirmed of {before} trials, of which the records hold {now} now. Run the study to its end to have the "
            "others trained again."
        )
    if result.verdict is None and ought_to_be_judged(result.declared, result.confirmed):
        said.append(str(missing(result.folder / VERDICT)))
    return said


def pareto_sentence(result: Result) -> str | None:
    """Return who is on the front of a study of two metrics, in a sentence; None where it has one."""
    two = result.objectives
    if two is None or not two.sought:
        return None
    return front_sentence(searched(result.trials, two), confirmed_pairs(result.confirmed, two), two)


def whole(result: Result, verdict: Verdict) -> Verdict:
    """Return a verdict that says all that is said of a study: of the search, two metrics and weighting too.

    A verdict alone knows what was confirmed; the records of the search are the study's.
    """
    study, confirmed = result.declared, result.confirmed
    points = () if confirmed is None else (confirmed[verdict.recommended].point,)
    taken = [with_pair(p, result.config.space, study.task.kind, result.trust) for p in points]
    edge = edge_sentence(result.search_leaderboard, study, widens_from(study.search))
    answer, rest = verdict.sentences[:2], verdict.sentences[2:]
    said = (*answer, edge, *rest, optimism_sentence(verdict, study), *beside(result, taken))
    return replace(verdict, sentences=tuple(filter(None, said)))


def beside(result: Result, taken: Sequence[Point]) -> tuple[str, ...]:
    """Return what is said of a study with a verdict or without: of its second metric, and of weights of classes."""
    front = () if result.pareto_sentence is None else (result.pareto_sentence,)
    return (*front, *_weighting(result, taken))


def weighting(result: Result) -> list[str]:
    """Return what weighting the classes did, and what it does to probabilities; nothing where none is weighted."""
    return _weighting(result, () if result.leader is None else (result.best,))


def _weighting(result: Result, taken: Sequence[Point]) -> list[str]:
    study, pairs = result.declared, result.declared.space.pairs
    metric, direction = study.task.metric, study.task.direction
    effects = weighting_effects(result.trials, pairs, metric=metric, direction=direction)
    given = [p for p in taken if p.definition is None or p.definition.gives("probability")]
    return [*weighting_sentences(effects, study), *probability_sentences(given, study)]


def published(result: Result) -> pd.DataFrame | None:
    """Return published numbers beside ours, where the study file gives any."""
    if not result.config.published:
        return None
    task = result.declared.task
    return published_numbers(
        result.config.published, result.trials, metric=task.metric, direction=task.direction
    )
