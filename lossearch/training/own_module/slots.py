"""What a module takes: criterion, learning rate and searched settings, as arguments or as attributes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from torch import nn
from torch.nn.modules.loss import _Loss

from lossearch._random import isolated
from lossearch._registry import did_you_mean
from lossearch.errors import InputError, refuse
from lossearch.pairs import Criterion
from lossearch.tasks.own_module import Slot

CRITERION_NAMES = ("criterion", "loss_fn", "loss_function", "loss_func", "loss")
"""How modules call what computes their loss."""
LR_NAMES = ("lr", "learning_rate")
"""How modules call their learning rate; Lightning's own Tuner knows the same."""


def arguments(factory: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return what may be given to a class or function by name."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    try:
        found = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return {}
    return {p.name: p for p in found.values() if p.kind in named}


def made(factory: Callable[..., Any], name: str, given: Mapping[str, Any]) -> Any:
    """Return a module called with what is given.

    Raises:
        InputError: it needs more, or its own code raised.
    """
    known = arguments(factory)
    lacking = [p for p, found in known.items() if found.default is found.empty and p not in given]
    if lacking:
        raise InputError(
            f"{name} needs {', '.join(lacking)}: give them in module_args, as module_args={{{lacking[0]!r}: ...}}."
        )
    strange = [p for p in given if p not in known]
    if strange and not _takes_any(factory):
        raise InputError(
            f"{name} takes no {', '.join(strange)}.{did_you_mean(strange[0], known)} It takes {', '.join(known) or 'nothing'}."
        )
    try:
        with isolated(0):
            return factory(**given)
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"{name}({', '.join(given)}) failed: {type(error).__name__}: {error}") from error


def _takes_any(factory: Callable[..., Any]) -> bool:
    parameters = inspect.signature(factory).parameters.values()
    return any(p.kind is p.VAR_KEYWORD for p in parameters)


def criterion_slot(module: Any, known: Collection[str], asked: str | None, title: str) -> Slot:
    """Return where a module takes its criterion.

    Args:
        module: one, made without a criterion of ours where it can be; None where it cannot.
        known: what its constructor takes.
        asked: the name, where the user gave one.
        title: of the module.

    Raises:
        InputError: nowhere; the message shows the change.
    """
    names = CRITERION_NAMES if asked is None else (asked,)
    if argument := next((n for n in names if n in known), None):
        return Slot(argument, argument=True)
    found = [
        n for n in names if callable(getattr(module, n, None)) and not inspect.ismethod(getattr(module, n))
    ]
    children = module.named_children() if isinstance(module, nn.Module) else ()
    held = [n for n, child in children if isinstance(child, (_Loss, Criterion))]
    if found or (asked is None and len(held) == 1):
        name = (found or held)[0]
        refuse(_of_probabilities(getattr(module, name), name, title))
        return Slot(name, argument=False)
    what = f"has no argument or attribute {asked!r}" if asked else "has no criterion that could be changed"
    there = _losses_of(module, known, held)
    if len(there) == 1:
        cure = f"Its loss is {there[0]}: write criterion={there[0]!r}, or leave criterion out."
    elif there:
        hint = did_you_mean(asked or "", there)
        cure = f"It holds several losses ({', '.join(there)}).{hint} Name one, as criterion={there[0]!r}."
    else:
        cure = f"Three lines make its loss a component:\n{taking(title)}"
    raise InputError(f"{title} {what}. {cure}")


def _losses_of(module: Any, known: Collection[str], held: Sequence[str]) -> list[str]:
    """Return what a module's loss can be named by: the argument that takes it, else the attributes that hold one."""
    taken = [n for n in CRITERION_NAMES if n in known]
    values = {n: getattr(module, n, None) for n in CRITERION_NAMES}
    called = [n for n, value in values.items() if callable(value) and not inspect.ismethod(value)]
    return taken[:1] or list(dict.fromkeys([*held, *called]))


def _of_probabilities(loss: Any, name: str, title: str) -> list[str]:
    """Return what to change where the loss that a module has is of probabilities, and not of raw output."""
    kinds = {nn.BCELoss: ("probabilities", "sigmoid"), nn.NLLLoss: ("log-probabilities", "log_softmax")}
    return [
        (
            f"{name} of {title} is a {of.__name__}, which takes {what}: the losses searched take raw output. Leave the "
            f"{layer} out of the network, and write self.{name} = nn.{'BCEWithLogitsLoss' if of is nn.BCELoss else 'CrossEntropyLoss'}()."
        )
        for of, (what, layer) in kinds.items()
        if isinstance(loss, of)
    ]


def taking(title: str) -> str:
    """Return the lines by which a module takes its criterion, for its own class."""
    return (
        f"    class {title}(...):\n"
        "        def __init__(self, criterion, ...):            # take it\n"
        "            self.criterion = criterion                 # keep it\n"
        "        def training_step(self, batch, batch_idx):\n"
        "            loss = self.criterion(output, target)      # raw output (no softmax or sigmoid), raw target"
    )


def lr_slot(module: Any, known: Collection[str], asked: str | None, title: str) -> Slot:
    """Return where a module takes its learning rate.

    Raises:
        InputError: nowhere.
    """
    names: Sequence[str] = LR_NAMES if asked is None else (asked,)
    if argument := next((n for n in names if n in known), None):
        return Slot(argument, argument=True)
    if attribute := next((n for n in names if hasattr(module, n)), None):
        return Slot(attribute, argument=False)
    raise InputError(
        f"{title} takes no learning rate ({' or '.join(names)}, as argument or attribute). Each pair needs a rate of "
        f"its own: add lr to the arguments of {title} and use it in configure_optimizers, as in "
        "torch.optim.Adam(self.parameters(), lr=self.lr); or say how it is called, as lr_name='base_lr'."
    )
