"""Which loss may meet which activation, and what such a pair says of raw output."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from lossearch._registry import unknown_name
from lossearch._text import listed
from lossearch.errors import IllegalPairError, InputError, UnknownNameError, refuse
from lossearch.kinds import KINDS, TargetFacts
from lossearch.losses import (
    ACTIVATIONS,
    ENCODINGS,
    FAMILIES,
    Activation,
    Encoding,
    Loss,
    UnreadableError,
    for_other_tasks,
    is_expression,
    is_searched,
    loss_of_sum,
    losses_for,
    members,
    own_loss,
    own_places,
)
from lossearch.pairs.equivalence import repeated
from lossearch.pairs.pair import Pair


@dataclass(frozen=True)
class Rejection:
    """A combination that is not in the space: why, and what to do instead."""

    name: str
    reason: str
    cure: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}" + (f" {self.cure}" if self.cure else "")


def _out_of_domain(loss: Loss, activation: Activation) -> str | None:
    domain, given = loss.domain, activation.range
    if loss.head is not None and given.bounded:
        return (
            f"{loss.name} reads a {loss.head.name} off the output as it is; {activation.name} gives {given}."
        )
    if domain.simplex and not given.simplex:
        return f"{loss.name} takes {domain}; {activation.name} gives {given}."
    if domain.margins and given.bounded:
        return f"{loss.name} needs {domain}; {activation.name} gives {given}, so its margin is out of reach."
    if not domain.holds(given.low, given.high):
        return f"{loss.name} takes {domain}; {activation.name} gives {given}."
    return None


def _match(loss: Loss, activation: Activation, facts: TargetFacts) -> Encoding | str:
    """Return the encoding under which loss and activation meet, or why there is none."""
    out = _out_of_domain(loss, activation)
    if out is not None:
        return out
    unreached, unheld = [], []
    for encoding in map(ENCODINGS.__getitem__, loss.encodings):
        held = encoding.held(facts)
        if isinstance(held, str):
            unheld.append(held)
        elif activation.range.holds(held.low, held.high):
            return encoding
        else:
            unreached.append(f"its targets ({encoding.words}) lie where {activation.name} cannot reach")
    reasons = dict.fromkeys(unheld or unreached)
    return f"{activation.name} gives {activation.range}; {'; '.join(reasons)}."


def first_activation(loss: Loss, facts: TargetFacts) -> Activation | None:
    """Return the activation a loss is used with where none is named, None where it can be used with none."""
    names = dict.fromkeys([*(loss.usual or ()), *loss.fused, *ACTIVATIONS])
    possible = (a for a in map(ACTIVATIONS.__getitem__, names) if loss.form in a.forms)
    return next((a for a in possible if isinstance(_match(loss, a, facts), Encoding)), None)


def _alternative(loss: Loss, facts: TargetFacts) -> str:
    """Return what to use instead: the loss with the first activation it can be used with."""
    activation = first_activation(loss, facts)
    if activation is None:
        return loss.cure
    fused = activation.name in loss.fused
    why = ": it is computed from raw output, so the network's last layer stays linear." if fused else "."
    return f"Use {loss.name}/{activation.name}{why}"


def pair_up(loss: Loss, activation: Activation, facts: TargetFacts | None = None) -> Pair | Rejection:
    """Return the legal pair of a loss and an activation, or the reason there is none.

    Without ``facts`` only the declarations are judged, not the range of the targets, for the first of the
    loss's kinds of task.
    """
    facts = facts or TargetFacts(loss.kinds[0])
    name = f"{loss.name}/{activation.name}"
    if loss.form not in activation.forms:
        words = f"{activation.name} is not an output activation for {facts.kind} tasks."
        return Rejection(name, words, _alternative(loss, facts))
    known = not (math.isinf(facts.low) and math.isinf(facts.high))
    if known and not loss.targets.holds(facts.low, facts.high):
        return Rejection(
            name,
            f"each target of {loss.name} must be {loss.targets}; these go from {facts.low:.4g} to {facts.high:.4g}.",
            loss.cure,
        )
    encoding = _match(loss, activation, facts)
    if isinstance(encoding, str):
        return Rejection(name, encoding, _alternative(loss, facts))
    return Pair(loss, activation, encoding, facts.kind)


def legal_pairs(
    losses: Iterable[Loss],
    activations: Iterable[Activation] | None = None,
    facts: TargetFacts | None = None,
    moved: Collection[str] = (),
) -> tuple[list[Pair], list[Rejection]]:
    """Return the legal pairs of these losses, and every combination left out with its reason.

    With ``activations=None`` each loss meets its usual ones (every legal one where it names none).
    Of pairs with the same gradient one is returned, the one that the others declare themselves
    equivalent to where it is here; the rest are left out: ask for them by name. Losses that are ``moved`` repeat none.
    """
    candidates: list[Pair] = []
    rejections: list[Rejection] = []
    asked = None if activations is None else list(activations)
    for loss in losses:
        for activation in ACTIVATIONS.values() if asked is None else asked:
            found = pair_up(loss, activation, facts)
            if isinstance(found, Pair):
                candidates.append(found)
            elif asked is not None or loss.form in activation.forms:
                rejections.append(found)
    wanted = [p for p in candidates if asked is not None or _usual(p)]
    kept: dict[str, Pair] = {p.name: p for p in wanted if repeated(p, moved) is None}
    stands_for = {name: name for name in kept}
    pairs = []
    for pair in candidates:
        same = repeated(pair, moved)
        if same is None:
            pairs += [pair] if pair.name in kept else []
        elif same.pair in stands_for:
            by = stands_for[same.pair]
            chain = f" ({by} is too, and is here)" if by != same.pair else ""
            rejections.append(Rejection(pair.name, f"same as {same.pair}{chain}: {same.why}"))
        elif pair in wanted:
            stands_for[same.pair] = pair.name
            pairs.append(pair)
    return pairs, rejections


def _usual(pair: Pair) -> bool:
    return pair.loss.usual is None or pair.activation.name in pair.loss.usual


def find_pair(
    name: str, kind: str, facts: TargetFacts | None = None, losses: Mapping[str, Loss] | None = None
) -> Pair:
    """Return the pair named ``loss/activation`` (aliases allowed) of one kind of task.

    The loss may be one of a user's own, as in ``my_losses:asymmetric/tanh``.

    Args:
        name: the pair's.
        kind: the kind of task.
        facts: what is known of the targets.
        losses: of the user's own, by name; the catalogue's are known beside them.

    Raises:
        UnknownNameError: no such loss or activation.
        IllegalPairError: the combination is not legal; the message has the reason and the cure.
    """
    loss_name, activation_name = _halves(name, kind)
    found = pair_up(
        find_loss(loss_name, kind, losses), ACTIVATIONS[activation_name], facts or TargetFacts(kind)
    )
    if isinstance(found, Rejection):
        raise IllegalPairError(str(found))
    return found


def find_loss(name: str, kind: str, own: Mapping[str, Loss] | None = None) -> Loss:
    """Return the loss of this name, or that ``module:function`` names, or of a sum of such, for one kind of task.

    Args:
        name: its name or alias, or where one of a user's own is.
        kind: the kind of task it must serve.
        own: losses of the user's own, by name; the catalogue's of that kind are known beside them.

    Raises:
        UnknownNameError: there is no such loss.
        InputError: it does not serve such tasks.
    """
    own, table = own or {}, losses_for(kind)
    if name in own:
        return own[name]
    if is_expression(name):
        return loss_of_sum(name, kind, own)
    if name in table:
        return table[name]
    if not own_places(name):
        raise UnknownNameError(_unknown_loss(name, kind, {**own, **table}))
    loss = own_loss(name, kind)
    refuse(for_other_tasks([loss], kind))
    return loss


def _halves(name: str, kind: str) -> tuple[str, str]:
    loss_name, slash, activation_name = name.rpartition("/")
    if not slash:
        raise InputError(
            f"{name!r} is not a pair: write loss/activation, as in {KINDS[kind].conventional!r}."
        )
    return loss_name, activation_name


def _unknown_loss(name: str, kind: str, table: Mapping[str, Loss]) -> str:
    if name in FAMILIES:
        return no_such_family(kind, name)
    elsewhere = [k for k in KINDS if k != kind and name in losses_for(k)]
    where = f" There is one for {listed(elsewhere)} tasks." if elsewhere else ""
    aliases = [a for loss in table.values() for a in loss.aliases]
    usual_first = sorted(table, key=lambda known: not is_searched(table[known], kind))
    return unknown_name(f"{kind} loss", name, usual_first, [*aliases, *FAMILIES]) + where


def no_such_family(kind: str, family: str) -> str:
    """Return the sentences for a family that a kind of task has no loss of: which it has, and where that one is."""
    having = [name for name in FAMILIES if members(name, losses_for(kind))]
    known = f"Its families: {', '.join(having)}." if having else "Its losses are of no family."
    elsewhere = [k for k in KINDS if members(family, losses_for(k))]
    return (
        f"No {kind} loss is of the family {family}. {known} Losses of it are for {listed(elsewhere)} tasks."
    )


def _furthest_read(expression: str) -> UnreadableError:
    """Return why an expression stands for no loss, as the kind of task says it that could read most of it."""
    found: list[UnreadableError] = []
    for kind in KINDS:
        try:
            losses_for(kind)[expression]
        except UnreadableError as error:
            found.append(error)
    return max(found, key=lambda error: error.read)


def infer_kind(name: str) -> str:
    """Return the kind of task in which the pair ``name`` is legal, the first of its loss's where it has several.

    Raises:
        UnknownNameError: no loss or activation has this name.
        InputError: the pair is legal for no kind of task, or different losses of this name are for several.
    """
    meant = next((losses_for(k)[name].kinds[0] for k in KINDS if name in losses_for(k)), "")
    loss_name, activation_name = _halves(name, meant or next(k.name for k in KINDS.values() if k.fallback))
    activation = ACTIVATIONS[activation_name]
    if own_places(loss_name):
        return own_loss(loss_name).kinds[0]
    having = [k for k in KINDS if loss_name in losses_for(k)]
    if not having and is_expression(loss_name):
        raise _furthest_read(loss_name)
    if not having:
        every = [loss for k in KINDS for loss in losses_for(k).values()]
        aliases = [a for loss in every for a in loss.aliases]
        raise UnknownNameError(unknown_name("loss", loss_name, dict.fromkeys(map(str, every)), aliases))
    # a kind that is like another one is to be named
    having = [k for k in having if not KINDS[k].like] or having
    # of a loss that serves several kinds, the first
    losses = {x: None for k in having if (x := losses_for(k)[loss_name]).kinds[0] == k}
    found = [pair_up(loss, activation) for loss in losses]
    pairs = [p for p in found if isinstance(p, Pair)]
    if not pairs:
        raise IllegalPairError("\n".join(map(str, found)))
    if len(pairs) > 1:
        pairs = [p for p in pairs if not KINDS[p.kind].yields] or pairs
    if len(pairs) > 1:
        kinds = [p.kind for p in pairs]
        raise InputError(f"{name} exists for {', '.join(kinds)} tasks; say which: task={kinds[0]!r}.")
    return pairs[0].kind
