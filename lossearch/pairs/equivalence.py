"""Which pairs of a space have the gradient of another one, by what losses declare and where their parameters are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from lossearch.losses import Equivalent
from lossearch.pairs.pair import Pair


def moved_losses(params: Iterable[str]) -> frozenset[str]:
    """Return the losses of which a study says where parameters are: ``params`` as its file names them, focal.gamma.

    They repeat no other loss, and none repeats them: what is declared of a loss holds where it is declared.
    """
    return frozenset(name.partition(".")[0] for name in params)


def repeated(pair: Pair, moved: Collection[str] = ()) -> Equivalent | None:
    """Return which pair this one repeats, None where it repeats none.

    Args:
        pair: is asked about.
        moved: losses as :func:`moved_losses` gives them.
    """
    same = pair.loss.equivalent.get(pair.activation.name)
    if same is None or pair.loss.name in moved or same.pair.partition("/")[0] in moved:
        return None
    return same


def stands_for(pair: Pair, moved: Collection[str] = ()) -> str:
    """Return the pair whose gradient this one has: itself where it repeats none."""
    same = repeated(pair, moved)
    return pair.name if same is None else same.pair


def once_each(
    pairs: Sequence[Pair], asked: Sequence[Pair], moved: Collection[str]
) -> tuple[list[Pair], dict[str, str]]:
    """Return the pairs that have the gradient of no other that was asked for, and for the rest which that is."""
    named = {p.name for p in asked}
    by_gradient = {stands_for(p, moved): p.name for p in asked}
    again = {
        p.name: p.name if p.name in named else by_gradient.get(stands_for(p, moved), p.name) for p in pairs
    }
    return [p for p in pairs if again[p.name] == p.name], {name: s for name, s in again.items() if s != name}
