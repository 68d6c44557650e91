"""Losses and metrics as arguments of ``search``: names, declared ones, functions and objects of the user's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from torch import nn

from lossearch._imports import reference_to
from lossearch._places import with_names
from lossearch._text import separated
from lossearch.errors import refuse
from lossearch.kinds import KINDS
from lossearch.losses import CATALOGUE, Loss, is_expression, reference_of
from lossearch.metrics.metric import SIGN, Metric
from lossearch.metrics.own import is_torchmetrics
from lossearch.metrics.registry import EVERY_METRIC
from lossearch.pairs import Criterion
from lossearch.tasks.judges import Judging

_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


_LIBRARIES = (
    "torch",
    "torchmetrics",
    "torchvision",
    "keras",
    "tensorflow",
    "sklearn",
    "jax",
    "optax",
    "numpy",
)
"""Whose losses and metrics go by our names."""


def losses_of(losses: Any) -> tuple[str | Loss | Callable[..., Any], ...] | None:
    """Return losses and names of such; None where none are given.

    Args:
        losses: names in a list or with commas between, a loss, a function or module of one's own, or several of these.

    Raises:
        InputError: something is none of them; of a torch loss the message has our name.
    """
    if losses is None:
        return None
    given = _several(losses)
    refuse([_no_loss(x) for x in given if not (isinstance(x, (str, Loss)) or _is_own(x, _our_loss))])
    return given


def loss_names(given: Iterable[str | Loss | Callable[..., Any]]) -> list[str]:
    """Return the names under which a study file has losses: where they are, in sums too that hold their own names."""
    every = list(given)
    places = {_own_name(x): place for x in every if not isinstance(x, str) and (place := reference_of(x))}
    names = (x if isinstance(x, str) else places.get(_own_name(x), _own_name(x)) for x in every)
    return [with_names(name, places) if is_expression(name) else name for name in names]


def _own_name(given: Loss | Callable[..., Any]) -> str:
    return str(getattr(given, "name" if isinstance(given, Loss) else "__name__", type(given).__name__))


def _is_own(given: Any, our: Callable[[Any], object]) -> bool:
    """Return whether a function or object may be a loss or metric though it is not declared: not where ours has its name."""
    if isinstance(given, (type, Criterion)) or not callable(given):
        return False
    return _home(given) not in _LIBRARIES or our(given) is None


def _several(values: Any) -> tuple[Any, ...]:
    """Return one value or several as a tuple; names may have commas between."""
    if isinstance(values, str):
        return separated(values)
    if isinstance(values, (type, Mapping, nn.Module)) or not isinstance(values, Iterable):
        return (values,)
    # a set has another order in the next process, and would be another study
    return tuple(sorted(values, key=str) if isinstance(values, AbstractSet) else values)


def _no_loss(given: Any) -> str:
    if isinstance(given, Criterion):
        return _no_criterion(given)
    ours = _our_loss(given)
    if (
        ours is None
        and isinstance(given, type)
        and any("__call__" in made.__dict__ for made in given.__mro__)
    ):
        return f"losses holds {shown(given)}: give an object of it, as {given.__name__}()."
    cure = (
        f"search trains the one named {ours.name!r}: losses=[{ours.name!r}]{_fixed(ours, getattr(given, '__dict__', {}))}"
        if ours
        else "name one (lossearch losses lists them), or declare a function of your own with @lossearch.loss"
    )
    return f"losses holds {shown(given)}, which is neither a name nor a lossearch.Loss: {cure}."


def _fixed(loss: Loss, given: Mapping[str, Any]) -> str:
    """Return how a search is told the parameters that something has beside the defaults, '' where it has none."""
    values = {f"{loss.name}.{k}": given[k] for k, v in loss.defaults.items() if k in given and given[k] != v}
    return f", params={values}" if values else ""


def _no_criterion(given: Criterion) -> str:
    """Return how a search is told what a criterion says: by names, so that every process can make it."""
    loss, pair = given.pair.loss, given.pair.name
    return (
        f"losses holds the criterion {pair}, which search makes itself: losses=[{loss.name!r}]"
        f"{_fixed(loss, given.params)}; pairs=[{pair!r}] for this activation alone."
    )


def _our_loss(given: Any) -> Loss | None:
    every = [x for table in CATALOGUE.values() for x in table.values()]
    name = _our_name(given, every, "with_logits_loss", "loss")
    return next((x for x in every if x.name == name), None)


def metrics_of(metric: Any) -> tuple[Judging, str | None]:
    """Return a metric, its name, or several of both; and which way it is better, where that stands beside it.

    Torchmetrics objects are metrics too, and functions but for those of other libraries that go by a name of ours. What another process can find is
    given by where it is.

    Raises:
        InputError: something is none of these; of another library's metric the message has our name.
    """
    if metric is None or isinstance(metric, (str, Metric)):
        return metric, None
    given = _several(metric)
    direction = given[1] if len(given) == 2 and isinstance(given[1], str) and given[1] in SIGN else None
    given = given[:1] if direction else given
    refuse([_no_metric(x) for x in given if not (isinstance(x, (str, Metric)) or _is_own_metric(x))])
    refuse([] if given else ["metric is empty: name one, or leave it out for the usual one."])
    found = [x if isinstance(x, (str, Metric)) else reference_to(x, x) or x for x in given]
    return (found if len(found) > 1 else found[0]), direction


def _is_own_metric(given: Any) -> bool:
    # an object may have arguments of its own, by which it is no longer what we have under that name
    return is_torchmetrics(given) or _is_own(given, _our_metric)


def _our_metric(given: Any) -> str | None:
    # of metrics that share an alias, as the mean absolute error of numbers and of levels, that of a kind like no other
    ordinary_first = sorted(EVERY_METRIC, key=lambda m: bool(KINDS[m.kinds[0]].like))
    return _our_name(given, ordinary_first, "score", "error")


def _no_metric(given: Any) -> str:
    ours = _our_metric(given)
    cure = (
        f"ours is named {ours!r}"
        if ours
        else "give a name (a wrong one lists them all), a function f(y_true, y_pred), or declare yours as "
        "lossearch.metrics.metric.Metric"
    )
    return f"metric is {shown(given)}, which is neither a name nor a Metric: {cure}."


def _home(given: Any) -> str:
    """Return the package of a function or object."""
    return str(getattr(given, "__module__", None) or "").partition(".")[0]


def _our_name(given: Any, ours: Iterable[Any], *ends: str) -> str | None:
    """Return the name of the loss or metric that a function or class of another library stands for, if any."""
    names: dict[str, str] = {}
    for x in ours:
        names.setdefault(_bare(x.name), x.name)
    for x in ours:
        for alias in x.aliases:
            names.setdefault(_bare(alias), x.name)
    word = _WORDS.sub("_", getattr(given, "__name__", type(given).__name__)).lower()
    words = [word, re.sub(r"^(binary|multiclass|multilabel)_", "", word)]
    words = [cut for w in words for cut in (*(w.removesuffix(f"_{end}") for end in ends), w)]
    words += ["".join(part[0] for part in w.split("_") if part) for w in words]
    return next((names[_bare(w)] for w in words if _bare(w) in names), None)


def _bare(name: str) -> str:
    return name.replace("_", "").lower()


def shown(given: Any) -> str:
    """Return what came, for messages: the name of a function or class, else the type."""
    named = getattr(given, "__name__", None)
    kind = "class" if isinstance(given, type) else type(given).__name__
    return f"the {kind} {named}" if isinstance(named, str) else f"a {kind}"
