"""How a loss's declaration becomes a class of modules: arguments, documentation, the pair they stand for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from inspect import Parameter as Argument
from typing import Any, SupportsIndex, get_type_hints

import torch
from torch.serialization import add_safe_globals

from lossearch._registry import did_you_mean, unknown_name
from lossearch._text import listed
from lossearch.errors import IllegalPairError, InputError
from lossearch.kinds import KINDS, TargetFacts, TargetForm, TargetStatistics
from lossearch.losses import ACTIVATIONS, CATALOGUE, ENCODINGS, Loss
from lossearch.pairs.criterion import Criterion
from lossearch.pairs.legality import first_activation, pair_up
from lossearch.pairs.making import criterion
from lossearch.pairs.pair import Pair

_ANYHOW, _BY_NAME = Argument.POSITIONAL_OR_KEYWORD, Argument.KEYWORD_ONLY
HOME = "lossearch.losses"
"""Where the classes are found, and what pickles and configuration files name."""


def class_names() -> list[str]:
    """Return the name of every class, losses of plug-ins included."""
    return list(_by_class())


@cache
def module_class(name: str) -> type[Criterion]:
    """Return the class of modules of the losses whose ``class_name`` this is.

    Raises:
        AttributeError: there is none.
    """
    table = _by_class()
    if name not in table:
        raise AttributeError(unknown_name("loss class", name, table))
    by_kind = table[name]
    signature = _signature(by_kind)
    made = type(
        name,
        (Criterion,),
        {
            "__module__": HOME,
            "__qualname__": name,
            "__doc__": _documentation(name, by_kind),
            "__init__": _initialiser(by_kind, signature),
            "__reduce_ex__": _reduce,
        },
    )
    add_safe_globals([made])
    return made


def _by_class() -> dict[str, dict[str, Loss]]:
    """Return class name -> kind of task -> the loss, those of one name together.

    Real targets come first, so that ``MSE()`` is what it is elsewhere; then kinds are in the losses' own order.
    """
    found: dict[str, dict[str, Loss]] = {}
    every = dict.fromkeys(loss for losses in CATALOGUE.values() for loss in losses.values())
    for loss in sorted(every, key=lambda x: (x.form is not TargetForm.REAL, KINDS[x.kinds[0]].yields)):
        by_kind = found.setdefault(loss.class_name, {})
        if all(other.name == loss.name for other in by_kind.values()):
            by_kind.update(dict.fromkeys(loss.kinds, loss))
    return found


def _initialiser(by_kind: Mapping[str, Loss], signature: inspect.Signature) -> Callable[..., None]:
    own = _defaults(by_kind)

    def __init__(self: Criterion, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - a class is made of it
        problem = _misfit(signature, [*own], args, kwargs)
        if problem:
            raise TypeError(f"{type(self).__name__}() {problem}")
        given = signature.bind(self, *args, **kwargs).arguments
        pair = _pair(by_kind, given.pop("activation", None), given.pop("task", None))
        given.pop("self")
        known = pair.loss.defaults
        params = {name: given.pop(name) for name in own if name in given}
        # a default stands for itself where the loss of this kind of task has no such parameter
        asked = {k: v for k, v in params.items() if v is not None and (k in known or v != own[k])}
        self.__dict__.update(criterion(pair.name, task=pair.kind, **asked, **given).__dict__)

    __init__.__dict__["__signature__"] = signature
    __init__.__annotations__ = {
        a.name: a.annotation for a in signature.parameters.values() if a.name != "self"
    }
    return __init__


def _misfit(
    signature: inspect.Signature, own: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> str:
    """Return why arguments cannot be those of a class whose loss has its ``own`` parameters, '' where they can."""
    known = [name for name in signature.parameters if name != "self"]
    unknown = next((name for name in kwargs if name not in known), None)
    if unknown is not None:
        hint = did_you_mean(unknown, known)
        return f"got an unexpected keyword argument {unknown!r}.{hint} Known: {', '.join(known)}."
    if len(args) > len(own):
        by_place = f"{', '.join(own)} by position" if own else "nothing by position"
        return f"takes {by_place}, {', '.join(known[len(own) :])} by name; got {len(args)} by position."
    twice = [name for name in own[: len(args)] if name in kwargs]
    return f"got {', '.join(twice)} twice, by position and by name." if twice else ""


def _pair(by_kind: Mapping[str, Loss], activation: str | None, task: str | None) -> Pair:
    """Return the pair that is meant: of the task, else of the kind whose usual activation it is.

    Raises:
        InputError: the loss does not serve the task, or different losses of its name meet the activation.
        IllegalPairError: they may not meet.
    """
    kind = None if task is None else KINDS[task].name
    name = next(iter(by_kind.values())).name
    if kind is not None and kind not in by_kind:
        raise InputError(f"{name} is a loss for {listed(list(by_kind))} tasks; got task={task!r}.")
    usual = {k: first_activation(loss, TargetFacts(k)) for k, loss in by_kind.items() if kind in (None, k)}
    asked = next(iter(usual.values())) if activation is None else ACTIVATIONS[activation]
    found = [pair_up(by_kind[k], asked, TargetFacts(k)) for k in usual if asked is not None]
    pairs = [p for p in found if isinstance(p, Pair)]
    pairs = [p for p in pairs if not KINDS[p.kind].yields] or pairs
    if not pairs:
        raise IllegalPairError("\n".join(dict.fromkeys(map(str, found))) or f"No activation may meet {name}.")
    meant = [p for p in pairs if usual[p.kind] is asked]
    if not meant and len({p.loss for p in pairs}) > 1:
        kinds = [p.kind for p in pairs]
        raise InputError(
            f"{pairs[0].name} exists for {', '.join(kinds)} tasks; say which: task={kinds[0]!r}."
        )
    return (meant or pairs)[0]


def _defaults(by_kind: Mapping[str, Loss]) -> dict[str, float | None]:
    """Return the parameters' defaults; None, the loss's own, where kinds of task have different ones."""
    found: dict[str, float | None] = {}
    for loss in dict.fromkeys(by_kind.values()):
        for name, default in loss.defaults.items():
            found[name] = default if found.get(name, default) == default else None
    return found


def _signature(by_kind: Mapping[str, Loss]) -> inspect.Signature:
    """Return the loss's parameters, activation and task, and what every criterion takes besides."""
    types = get_type_hints(criterion)
    params = [
        Argument(name, _ANYHOW, default=default, annotation=float if default is not None else float | None)
        for name, default in _defaults(by_kind).items()
    ]
    chosen = [
        Argument(name, _BY_NAME, default=None, annotation=str | None) for name in ("activation", "task")
    ]
    others = [a.replace(annotation=types[a.name]) for a in _beside()]
    return inspect.Signature([Argument("self", _ANYHOW), *params, *chosen, *others], return_annotation=None)


def _beside() -> list[Argument]:
    """Return what ``criterion`` takes beside a pair and its parameters."""
    every = inspect.signature(criterion).parameters.values()
    return [a for a in every if a.kind is a.KEYWORD_ONLY and a.name not in ("task", "losses")]


def _documentation(name: str, by_kind: Mapping[str, Loss]) -> str:
    losses = [*dict.fromkeys(by_kind.values())]
    lines = [
        _what_it_is(losses[0]),
        "",
        *(_form(loss, len(losses) > 1) for loss in losses),
        "",
        "Called with raw output and raw targets, as every :class:`lossearch.Criterion`.",
        "",
        "Args:",
        *(f"    {line}" for line in _arguments(by_kind)),
        "",
        "Raises:",
        "    InputError: a parameter is out of its range, or the activation or task is not one of the loss.",
        "",
        *dict.fromkeys(f"Source: {loss.source}." for loss in losses),
        "",
        "Example:",
        *(f"    >>> {line}" for line in _example(name, by_kind)),
    ]
    return "\n".join(lines)


def _what_it_is(loss: Loss) -> str:
    """Return the first line of a function's docstring as said of what the function returns."""
    first = (loss.fn.__doc__ or loss.formula or loss.name).strip().split("\n")[0].removeprefix("Return ")
    return first[:1].upper() + first[1:]


def _form(loss: Loss, several: bool) -> str:
    where = f"{listed(loss.kinds)}: " if several else ""
    return (
        f"{where}{loss.formula}. Targets: {'; or '.join(ENCODINGS[name].words for name in loss.encodings)}."
    )


def _arguments(by_kind: Mapping[str, Loss]) -> Iterator[str]:
    losses = [*dict.fromkeys(by_kind.values())]
    for name in _defaults(by_kind):
        having = [loss for loss in losses if name in loss.defaults]
        p = next(p for p in having[0].params if p.name == name)
        searched = f"{p.low:g} to {p.high:g}" + (" on a log scale" if p.log else "")
        words = f"{p.words}. " if p.words else ""
        only = (
            f" For {_in_words(x for loss in having for x in loss.kinds)} alone."
            if len(having) < len(losses)
            else ""
        )
        yield f"{name}: {words}{p.default:g} by default, searched from {searched}.{only}"
    usual = {k: first_activation(loss, TargetFacts(k)) for k, loss in by_kind.items()}
    yield f"activation: the output activation; the usual one by default: {_in_words(map(str, usual.values()))}."
    yield f"task: {_in_words(by_kind)}; by default that whose usual activation is given, else {next(iter(by_kind))}."
    yield f"{', '.join(a.name for a in _beside())}: as :func:`lossearch.criterion` takes them."


def _in_words(names: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(names))


def _example(name: str, by_kind: Mapping[str, Loss]) -> Iterator[str]:
    kind, loss = next(iter(by_kind.items()))
    width = 1 if loss.elementwise else 3
    score = torch.linspace(-1.0, 1.0, 3 * width).reshape(3, width).roll(1, 0)
    width = KINDS[kind].sample(score).shape[1] if loss.joint else width
    output = torch.linspace(-1.0, 2.0, 3 * _pair({kind: loss}, None, None).width(width)).reshape(3, -1)
    # shares have to sum to 1
    decimals = 4 if loss.form is TargetForm.SHARES else 2
    yield "import torch, lossearch"
    if "class_counts" in loss.statistics:
        outputs, classes = KINDS[kind].class_shape(width)
        counts = TargetStatistics(
            class_counts=((*[100.0 * (classes - c) for c in range(classes)],),) * outputs
        )
        yield "from lossearch.kinds import TargetStatistics"
        yield f"counts = TargetStatistics(class_counts={counts.class_counts})"
    yield f"loss = lossearch.losses.{name}({'statistics=counts' if 'class_counts' in loss.statistics else ''})"
    yield f"output = torch.tensor({_numbers(output)}, requires_grad=True)"
    yield f"loss(output, torch.tensor({_numbers(KINDS[kind].sample(score), decimals)})).backward()"


def _numbers(values: torch.Tensor, decimals: int = 2) -> str:
    return repr(
        values.double().round(decimals=decimals).tolist() if values.is_floating_point() else values.tolist()
    )


def _reduce(self: Criterion, protocol: SupportsIndex) -> str | tuple[Any, ...]:
    """Return how to make the module again: its class is found by name, since it is made when it is asked for."""
    usual = Criterion.__reduce_ex__(self, max(2, protocol.__index__()))
    name = type(self).__name__
    if isinstance(usual, str) or name not in _by_class() or type(self) is not module_class(name):
        return usual
    return _empty, (name,), *usual[2:]


def _empty(name: str) -> Criterion:
    made = module_class(name)
    return made.__new__(made)


add_safe_globals([_empty])
