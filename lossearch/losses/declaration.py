"""The declaration that makes a pure function a loss: domain, encoding, parameters, source."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from lossearch._imports import load_object, reference_to
from lossearch._registry import unknown_name
from lossearch.errors import refuse
from lossearch.kinds import KINDS, TargetForm, TargetStatistics, served
from lossearch.losses.activations import ACTIVATIONS
from lossearch.losses.encodings import ENCODINGS
from lossearch.losses.families import FAMILIES
from lossearch.losses.heads import Distributed, Head
from lossearch.losses.operators import Summable
from lossearch.losses.parameter import Parameter
from lossearch.losses.ranges import RANGES, Range
from lossearch.losses.relations import Contained, Equivalent

if TYPE_CHECKING:
    from torch import Tensor

LossFunction: TypeAlias = "Callable[..., Tensor]"
Example = tuple[Any, Any, float]
PROGRESS = "progress"
"""What a loss that changes over the training is given by: how much of that is done."""


def _frozen(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(mapping))


def _class_name(name: str, aliases: tuple[str, ...]) -> str:
    """Return the name of a loss's class: mse as MSE and poisson_nll as PoissonNLL, since aliases spell them so."""
    derived = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    spelt = (alias.removesuffix("Loss") for alias in aliases if alias[:1].isupper())
    return next((s for s in spelt if s.lower() == derived.lower()), derived)


@dataclass(frozen=True, repr=False)
class Loss(Summable):
    """A training loss: one pure function and the facts that say where it may be used.

    ``fn(output, target, **params)`` takes the *activated* output and the *encoded* target and gives
    unreduced values. Losses on real numbers and on 0/1 are element-wise: any shape in, the same shape out.
    Losses on class indices read classes along the last axis: (..., N, C) with targets (..., N) (index) or
    (..., N, C) give (..., N). Leading axes are free, and params may be numbers or tensors that
    broadcast with the values, so that one function serves one model and a stack of K of them:
    (K, 1, 1) for element-wise losses, (K, 1) for the others; ``fused`` and ``probability`` alike.

    With a ``head`` the output is as wide as that says, and values are still one a target, or one a row.

    ``fused[activation]`` is ``fn`` after that activation, computed from raw output in a stable form.
    ``probability[activation]`` maps raw output to the probability that minimises the expected loss
    (element-wise: of 1, same shape; else (..., N, C)); absent where there is none. ``kinds`` are the kinds of
    task it serves, the first that for which it is meant where nothing else is said.

    Example:
        >>> import lossearch
        >>> loss = lossearch.criterion("huber/identity").pair.loss
        >>> loss, loss.defaults, loss.source
        (Loss('huber', kinds=('regression', 'positive', 'reconstruction')), {'delta': 1.0}, 'Huber 1964')
    """

    name: str
    kinds: tuple[str, ...]
    fn: LossFunction
    domain: Range
    encodings: tuple[str, ...]
    formula: str
    source: str
    aliases: tuple[str, ...] = ()
    class_name: str = ""
    """Of its ``nn.Module`` in ``lossearch.losses``; by default the name in CamelCase, spelt as an alias spells it."""
    params: tuple[Parameter, ...] = ()
    joint: bool = False
    """Whether it reads all targets of a row together, so that values are one a row."""
    head: Head | None = None
    """What the network gives; None for one number for each that is predicted."""
    distribution: Distributed | None = None
    """What distribution raw output stands for, in units of the encoded target; None for a value alone."""
    fused: Mapping[str, LossFunction] = field(default_factory=dict)
    probability: Mapping[str, LossFunction] = field(default_factory=dict)
    derivative: LossFunction | None = None
    """Derivative of ``fn`` in its output, of the output's shape: spares populations recording a graph."""
    fused_derivative: Mapping[str, LossFunction] = field(default_factory=dict)
    """activation -> derivative of the form on raw output."""
    usual: tuple[str, ...] | None = None
    """Activations searched unless a study asks for others; None: every legal one."""
    equivalent: Mapping[str, Equivalent] = field(default_factory=dict)
    """activation -> the pair it repeats; such a pair is trained only when asked for by name."""
    contains: tuple[Contained, ...] = ()
    """Losses that it becomes within its searched ranges."""
    caution: Mapping[str, str] = field(default_factory=dict)
    """activation -> what to know before using this legal pair."""
    targets: Range = RANGES["real"]
    """Raw targets the loss is defined on."""
    cure: str = ""
    """What to do where the targets are outside that range."""
    statistics: tuple[str, ...] = ()
    """Fields of the training statistics passed to ``fn`` by keyword: "mean", "std", "scale", "class_counts".

    Counts are (C,) of one output's classes and (L, 2) of labels, or with leading axes that broadcast with the output:
    (S, 1, 1, C) and (S, 1, 1, L, 2).
    """
    after_mean: Callable[..., Tensor] | None = None
    """Applied to the batch mean, weighted or not, for losses that are not a mean over samples (RMSE)."""
    gathers: bool = False
    """Whether ``fn`` gives several numbers a row, (..., N, k), of whose batch means ``after_mean`` makes the loss (dice).

    That is given means (..., 1, k) and the loss's own parameters, as ``fn`` is too, and gives (..., 1).
    """
    weightable: bool = True  # not where a row's value depends on the others of its batch
    families: tuple[str, ...] = ()
    """What it is for, by which it is named with others; see ``families.FAMILIES``."""
    on_request: bool | tuple[str, ...] = False
    """Never searched unless it, its family or "all" is named; of several kinds of task, those where that is so."""
    part_constant: bool = False
    """Whether gradients take a part of it for constant, so that they are not those of its value (beta_nll)."""
    scheduled: bool = False
    """Whether it changes over the training: it takes, by keyword and 1 by default, how much of that is done.

    ``progress`` is 0 in the first epoch and 1 in the last, and where rows are validated or predicted: a number, or a
    tensor without axes. ``fused`` and ``probability`` take it too.
    """
    weight_penalty: Callable[..., tuple[float | Tensor, float | Tensor]] | None = None
    """What training adds for a network's weights: from the loss's own parameters, and ``progress``, what the sum of their
    sizes costs and half the sum of their squares. Weights have two axes or more: biases are none."""
    kinks: tuple[float, ...] = ()
    """Element-wise margins or errors at which it is not differentiable."""
    example: Example | None = None
    """(activated output, encoded target, value), numbers or nested lists."""

    def __post_init__(self) -> None:
        for name in ("fused", "probability", "fused_derivative", "equivalent", "caution"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))
        object.__setattr__(self, "class_name", self.class_name or _class_name(self.name, self.aliases))

    def __reduce__(self) -> tuple[Any, ...]:
        reference = reference_to(self, self.fn)
        if reference is not None:
            return _declared, (reference,)
        values = {k: dict(v) if isinstance(v, MappingProxyType) else v for k, v in self.__dict__.items()}
        return _rebuilt, (values,)

    @property
    def form(self) -> TargetForm:
        """The form of the targets it is for."""
        return ENCODINGS[self.encodings[0]].form

    @property
    def elementwise(self) -> bool:
        """Whether values have the shape of the output, rather than one a row."""
        return not self.form.by_row and not self.joint

    @property
    def defaults(self) -> dict[str, float]:
        """The parameters' default values."""
        return {p.name: p.default for p in self.params}

    def waits(self, kind: str) -> bool:
        """Return whether a search over tasks of a kind leaves it out unless it is asked for."""
        return self.on_request if isinstance(self.on_request, bool) else kind in self.on_request

    def __call__(self, output: Tensor, target: Tensor, **params: Any) -> Tensor:
        """Return unreduced values of activated output and encoded target; what is not given is at its default."""
        return self.fn(output, target, **{**self.defaults, **params})

    def reduce(self, values: Tensor, **params: Any) -> Tensor:
        """Return the batch's loss, (...), from what rows have, (..., N) or where it gathers (..., N, k)."""
        if not self.gathers:
            mean = values.mean(dim=-1)
            return mean if self.after_mean is None else self.after_mean(mean)
        assert self.after_mean is not None  # noqa: S101 - declared together
        means = values.mean(dim=-2, keepdim=True)
        own = {p.name: params.get(p.name, p.default) for p in self.params}
        done = {PROGRESS: params[PROGRESS]} if self.scheduled and PROGRESS in params else {}
        return self.after_mean(means, **own, **done).squeeze(-1)

    def __hash__(self) -> int:
        return hash((self.name, self.kinds))

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Loss({self.name!r}, kinds={self.kinds!r})"


def _declared(reference: str) -> Loss:
    found: Loss = load_object(reference, "loss")
    return found


def _rebuilt(values: dict[str, Any]) -> Loss:
    return Loss(**values)


_OPTIONAL = tuple(f.name for f in fields(Loss) if f.name not in {"name", "kinds", "fn", "encodings"})
_BY_ACTIVATION = ("fused", "probability", "fused_derivative", "usual", "equivalent", "caution")


def _unknown_in(declared: Mapping[str, Any]) -> list[str]:
    """Say which optional fields, or activations and statistics named in them, there are none of."""
    problems = [
        unknown_name("field of a loss", name, _OPTIONAL) for name in declared if name not in _OPTIONAL
    ]
    for where in _BY_ACTIVATION:
        named = declared.get(where) or ()
        problems += [
            f"In {where}: {unknown_name('activation', a, ACTIVATIONS)}" for a in named if a not in ACTIVATIONS
        ]
    problems += [
        unknown_name("family of losses", f, FAMILIES)
        for f in declared.get("families", ())
        if f not in FAMILIES
    ]
    # logarithms are there for some targets alone
    known = [f.name for f in fields(TargetStatistics) if not f.name.startswith("log_")]
    problems += [
        unknown_name("training statistic", n, known) for n in declared.get("statistics", ()) if n not in known
    ]
    return problems


def _without_progress(fn: LossFunction) -> list[str]:
    """Say that a loss that is to change over the training does not take how much of it is done."""
    taken = inspect.signature(fn).parameters.get(PROGRESS)
    if taken is not None and taken.default == 1:
        return []
    return [f"A scheduled loss takes how much of the training is done, as {PROGRESS}=1.0 among its keywords."]


def loss(
    *,
    task: str | tuple[str, ...],
    encoding: str | tuple[str, ...],
    domain: str = "real",
    source: str,
    example: Example | None = None,
    name: str | None = None,
    formula: str = "",
    targets: str = "real",
    **declared: Any,
) -> Callable[[LossFunction], Loss]:
    """Declare a pure function ``(output, target, **params) -> values`` as a loss.

    Args:
        task: the kind of task it serves, or several whose targets have one form; kinds of task that are like one of
            them are served too.
        encoding: how raw targets are coded for it; of several, a pair takes the first whose codes
            its activation can reach.
        domain: the range its output argument must lie in.
        source: paper and year.
        example: (output, target, value), checked when the loss is.
        name: the function's name by default.
        formula: one line for the catalogue; the docstring's first line by default.
        targets: the range raw targets must lie in.
        declared: any other field of :class:`Loss`.

    Raises:
        InputError: a name in the declaration is unknown.

    Example:
        >>> import torch, lossearch
        >>> @lossearch.loss(task="binary", encoding="plus_minus_one", source="ours", example=(0.5, 1.0, 0.125))
        ... def cubic_hinge(output, target):
        ...     return (1 - output * target).clamp(min=0) ** 3
        >>> loss = lossearch.criterion("cubic_hinge/identity", losses=[cubic_hinge])
        >>> loss(torch.tensor([0.5, -1.0]), torch.tensor([1, 0]))
        tensor(0.0625)
    """
    encodings = (encoding,) if isinstance(encoding, str) else tuple(encoding)
    kinds = (task,) if isinstance(task, str) else tuple(task)
    problems = [unknown_name("kind of task", k, KINDS) for k in kinds if k not in KINDS]
    problems += [unknown_name("encoding", e, ENCODINGS) for e in encodings if e not in ENCODINGS]
    problems += [unknown_name("range", r, RANGES) for r in (domain, targets) if r not in RANGES]
    problems += _unknown_in(declared)
    refuse(problems)
    refuse(
        [
            f"Encoding {e!r} is for {ENCODINGS[e].form.value}, and {k} targets are {KINDS[k].form.value}."
            for e in encodings
            for k in kinds
            if ENCODINGS[e].form is not KINDS[k].form
        ]
    )

    if isinstance(declared.get("on_request"), tuple):
        declared["on_request"] = served(declared["on_request"])

    def declare(fn: LossFunction) -> Loss:
        if declared.get("scheduled"):
            refuse(_without_progress(fn))
        return Loss(
            name=name or fn.__name__,
            kinds=served(kinds, by_number=not declared.get("joint", False)),
            fn=fn,
            domain=RANGES[domain],
            encodings=tuple(ENCODINGS[e].name for e in encodings),
            formula=formula or (fn.__doc__ or "").strip().split("\n")[0],
            source=source,
            targets=RANGES[targets],
            example=example,
            **declared,
        )

    return declare
