"""A comparison over tasks as a table for a terminal, as Markdown, and as a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from lossearch._text import escaped
from lossearch.metrics.metric import SIGN
from lossearch.report.formatting import MISSING, number
from lossearch.report.layout import Column, Fitted, markdown_table
from lossearch.report.sources import Report, Section, Table
from lossearch.verdict.across_tasks.comparison import (
    EXTRA,
    SURE,
    PairwiseComparison,
    TaskComparison,
    sentence,
)
from lossearch.verdict.scale import Scale
from lossearch.verdict.verdict import Relation


def compared_table(comparison: TaskComparison) -> RenderableType:
    """Return the answer, the pairs by average rank, and what the comparison rests on."""
    lines = [sentence(comparison), *findings(comparison)]
    return Group(
        Fitted(rank_columns(comparison), bold_row=0),
        Text(),
        *map(Text, lines),
        *(Text(line, style="dim") for line in remarks(comparison)),
    )


def rank_columns(comparison: TaskComparison) -> tuple[Column, ...]:
    """Return one row a pair: average rank, tasks on which it is best, and how the first stands to it."""
    c = comparison
    first = c.pairs[0]
    worth = SIGN[c.direction] * c.scores
    best = worth.eq(worth.max(axis=1), axis=0).sum()
    against = {d.b: d for d in c.pairwise if d.a == first}

    def column(heading: str, cell: Callable[[PairwiseComparison], str], short: str = "") -> Column:
        found = [against.get(p) for p in c.pairs]
        cells = tuple(MISSING if d is None else cell(d) for d in found)
        return Column(heading, cells, numeric=True, short=short)

    columns = (
        Column("pair", c.pairs, splits=True),
        Column("average rank", tuple(f"{r:.2f}" for r in c.ranks.values()), numeric=True, short="rank"),
        Column("best on", tuple(str(best[p]) for p in c.pairs), numeric=True),
        column("gain on first", lambda d: f"{0.0 - d.difference:+.4f}", "gain"),
        column("p (Holm)", lambda d: f"{d.adjusted:.3f}"),
    )
    if all(d.equal is None for d in c.pairwise):
        return columns
    return (*columns, column("P(first better, equal, worse)", _chances, "P(b, e, w)"))


def _chances(compared: PairwiseComparison) -> str:
    if compared.better is None or compared.equal is None or compared.worse is None:
        return MISSING
    return f"{compared.better:.2f} {compared.equal:.2f} {compared.worse:.2f}"


def findings(comparison: TaskComparison) -> list[str]:
    """Return a line for every pair that others beat, and one for those equal in practice to the first."""
    beaten: dict[str, list[str]] = {}
    for d in comparison.pairwise:
        if d.relation is Relation.BETTER:
            beaten.setdefault(d.b, []).append(_with_doubt(d.a, d))
        elif d.relation is Relation.WORSE:
            beaten.setdefault(d.a, []).append(_with_doubt(d.b, d))
    lines = [f"{loser} is beaten by {', '.join(by)} (signed ranks, Holm)." for loser, by in beaten.items()]
    first = comparison.pairs[0]
    equal = [d.b for d in comparison.pairwise if d.a == first and d.relation is Relation.EQUAL]
    if equal:
        lines.append(f"Equal in practice to {first}, with probability at least {SURE:g}: {', '.join(equal)}.")
    return lines


def _with_doubt(winner: str, compared: PairwiseComparison) -> str:
    if compared.equal is None or compared.equal < SURE:
        return winner
    return f"{winner} (yet equal in practice, probability {compared.equal:.2f})"


def remarks(comparison: TaskComparison) -> list[str]:
    """Return how the numbers came to be, what is left out, and what to know."""
    c = comparison
    region = f"{c.rope:.3g} of the error" if c.scale is Scale.RATIO else f"{c.rope:.3g}"
    lines = [
        (
            f"{c.tasks} studies: {', '.join(s.name for s in c.studies)}. Friedman's test (Iman and Davenport): "
            f"p = {c.friedman:.2g}. Average ranks less than {c.critical:.2f} apart do not differ significantly by "
            f"Nemenyi's test. Equal in practice: less than {region} apart."
        )
    ]
    if c.scale is Scale.RATIO:
        lines.append("Gains are differences of logarithms: -0.05 is an error about 5 % larger.")
    if all(d.equal is None for d in c.pairwise):
        lines.append(
            f"Probabilities of practical difference and the critical-difference diagram need: {EXTRA}"
        )
    return [*lines, *(_left_out(pair, names, c.tasks) for pair, names in c.left_out.items()), *c.notes]


def _left_out(pair: str, studies: Sequence[str], tasks: int) -> str:
    if len(studies) == tasks:
        return f"{pair} is left out: no study has a score of it."
    return f"{pair} is left out: not in {', '.join(studies)}."


def to_markdown(comparisons: Sequence[TaskComparison], alone: Sequence[str], pictures: Sequence[Path]) -> str:
    """Return comparisons as Markdown, pictures beside it linked by name."""
    lines = ["# Comparison over tasks", ""]
    for c in comparisons:
        of_kind = [p for p in pictures if p.stem.endswith(f"_{c.kind}")]
        lines += [f"## {c.kind}", "", escaped(sentence(c)), ""]
        lines += [*markdown_table(rank_columns(c)), ""]
        lines += [*(f"- {escaped(line)}" for line in findings(c)), ""]
        lines += [f"![{escaped(p.stem.replace('_', ' '))}]({p.name})\n" for p in of_kind]
        lines += [*markdown_table(_score_columns(c)), ""]
        lines += [*(f"{escaped(line)}\n" for line in remarks(c))]
    lines += [f"{escaped(line)}\n" for line in alone]
    return "\n".join(lines)


def comparison_report(comparisons: Sequence[TaskComparison], alone: Sequence[str]) -> Report:
    """Return comparisons as a report, a section a kind of task; ``alone`` says what could not be compared."""
    names = dict.fromkeys(s.name for c in comparisons for s in c.studies)
    return Report(
        title="Comparison over tasks",
        subtitle=f"Which pair fits best over the studies {', '.join(names)}" if names else "",
        lead=(*map(sentence, comparisons), *alone),
        facts=tuple((f"best on average, {c.kind}", c.pairs[0]) for c in comparisons),
        sections=tuple(map(_section, comparisons)),
    )


def _section(comparison: TaskComparison) -> Section:
    from lossearch.report.figures.across_tasks import can_draw_ranks, critical_picture, scores_picture

    ranks = (critical_picture(comparison),) if can_draw_ranks() else ()
    return Section(
        comparison.kind,
        f"{comparison.kind.capitalize()} tasks",
        (*findings(comparison), *remarks(comparison)),
        (*ranks, scores_picture(comparison)),
        (
            Table("Pairs by average rank, best first", rank_columns(comparison), strong=frozenset({0})),
            Table("Scores on each task", _score_columns(comparison)),
        ),
        (_pairwise_table(comparison),),
    )


def _pairwise_table(comparison: TaskComparison) -> Table:
    found = comparison.pairwise
    columns = [
        Column("pair", tuple(d.a for d in found)),
        Column("against", tuple(d.b for d in found)),
        Column("wins, ties, losses", tuple(f"{d.wins}, {d.ties}, {d.losses}" for d in found), numeric=True),
        Column("median gain", tuple(number(d.difference, signed=True) for d in found), numeric=True),
        Column("p", tuple(number(d.p) for d in found), numeric=True),
        Column("p (Holm)", tuple(number(d.adjusted) for d in found), numeric=True),
    ]
    if any(d.equal is not None for d in found):
        columns.append(Column("P(better, equal, worse)", tuple(map(_chances, found)), numeric=True))
    columns.append(Column("relation", tuple(str(d.relation) for d in found)))
    return Table("Every two pairs against each other; a gain above 0 is better", tuple(columns))


def _score_columns(comparison: TaskComparison) -> tuple[Column, ...]:
    table = comparison.scores
    judged = tuple(s.metric for s in comparison.studies)
    return (
        Column("task", tuple(map(str, table.index))),
        Column("metric", judged),
        *(Column(str(p), tuple(number(v) for v in table[p]), numeric=True) for p in table.columns),
    )
