"""What a kind of task is: its targets, what is predicted of them, and what is usual."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from lossearch._lazy import torch
from lossearch.errors import InputError
from lossearch.kinds._baselines import Baseline
from lossearch.kinds._facts import TargetFacts, TargetForm
from lossearch.kinds._predictions import Predictions

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[Any]


@dataclass(frozen=True)
class Readout:
    """How a pair turns raw output (..., N, n_out) into what is predicted.

    ``probability`` is None where the pair has none, or nobody asks for it; ``in_units`` gives activated
    output in the target's own units; ``codes`` are what stands for 0 and 1. ``believed`` gives probabilities as class
    weights left them, which labels may be made of; None where the pair has none. ``distribution`` is the name of a family
    and its parameters in the target's own units, None as ``probability`` is.
    """

    activation: Callable[[Tensor], Tensor]
    probability: Callable[[Tensor], Tensor] | None
    in_units: Callable[[Tensor], Tensor]
    codes: tuple[float, float]
    believed: Callable[[Tensor], Tensor] | None = None
    distribution: tuple[str, Tensor] | None = None


@dataclass(frozen=True, eq=False)
class ReadTargets:
    """Targets as a kind reads them: ``y`` in its form, names of its classes, outputs, and what to note."""

    y: Array
    n_out: int
    classes: tuple[str, ...] = ()
    note: str = ""
    shape: tuple[int, ...] = ()
    """How the numbers of a row are laid out, as (H, W); () where they are not."""


class Kind(ABC):
    """A kind of task. One stateless object each, named ``KIND`` in its file."""

    name: ClassVar[str]
    form: ClassVar[TargetForm]
    like: ClassVar[str] = ""
    """The kind of task whose losses and metrics serve this one too, beside its own; '' for none."""
    like_by_number: ClassVar[bool] = False
    """Whether of that kind only losses serve that go number by number, and no metrics: a row's numbers are places of one thing."""
    usual: ClassVar[tuple[str, ...] | None] = None
    """Of that kind's losses those searched unless others are named; None for all that are not on request."""
    maps: ClassVar[bool] = False
    """Whether output and targets of a row may be laid out as a picture is, (N, H, W) or (N, C, H, W)."""
    circular: ClassVar[bool] = False
    """Whether targets come round, so that those a whole turn apart are one."""
    own_inputs: ClassVar[bool] = False
    """Whether what is predicted is the input itself, so that no targets are given."""
    yields: ClassVar[bool] = False
    """Whether a pair that other kinds have too means those where the kind is not said."""
    conventional: ClassVar[str]
    """The pair every study holds, to say what another gains over it."""
    baselines: ClassVar[tuple[Baseline, ...]]
    """The linear models that pairs are held against, beside a constant predictor; () where none is of use."""
    head: ClassVar[str]
    """What a network gives, for the message about one that gives something else."""
    gives: ClassVar[tuple[str, ...]]
    """Fields of :class:`Predictions` that every pair gives."""
    kept: ClassVar[tuple[str, ...]]
    """Fields that are recorded where a pair gives them: what metrics read, and nothing twice."""
    figures: ClassVar[tuple[str, ...]]
    """What a report draws of the predictions."""
    network: ClassVar[str] = "mlp"
    """The built-in network that is trained unless another is asked for."""
    surface: ClassVar[str | None] = None
    """The field drawn over the plane of a task with two inputs."""
    fallback: ClassVar[bool] = False
    """Whether it is for targets that no other kind is asked for by."""
    numbers: ClassVar[bool] = False
    """Whether targets are numbers even where they are written as text."""
    scaled: ClassVar[bool] = False
    """Whether location and scale of the targets are fitted."""
    weighted_by: ClassVar[tuple[str, ...]] = ()
    """What rows may be weighted by beside a weight of their own: class_weight, pos_weight."""

    @abstractmethod
    def asks(self, y: Array) -> str | None:
        """Return why these targets, (N,) or (N, T) that vary, ask for this kind; None if they do not.

        At most one kind that is no ``fallback`` is asked for by any targets.
        """

    def asks_in_order(self, y: Array) -> str | None:  # noqa: ARG002 - most kinds heed no order
        """Return why targets (N,) whose type puts them in an order ask for this kind; None if they do not."""
        return None

    @abstractmethod
    def misfit(self, y: Array) -> str:
        """Return why targets cannot be of this kind, or ''."""

    @abstractmethod
    def read(self, y: Array, names: Sequence[str]) -> ReadTargets:
        """Return targets in this kind's form.

        Args:
            y: (N,) numbers or names, or (N, T) numbers, without missing values, that fit.
            names: of the classes in the order of the sorted values, where the data set has them.

        Raises:
            InputError: there is too little of something to learn from.
        """

    def strata(self, y: Array) -> Array | None:  # noqa: ARG002 - most kinds have none
        """Return a number a row, each of which parts are to hold in proportion; None to draw at random."""
        return None

    def facts(self, y: Array, n_out: int, dtype: torch.dtype | None = None) -> TargetFacts:  # noqa: ARG002 - most kinds have no range
        """Return what is known of targets in this kind's form before training in ``dtype``, float32 by default."""
        return TargetFacts(self.name, n_out)

    def tensor(self, y: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """Return targets in this kind's form as criteria and metrics take them, a column an output.

        Args:
            y: (N,) or (N, T).
            dtype: of targets that are 0 or 1; what it is by default.
        """
        return (y if y.ndim == 2 else y.unsqueeze(-1)).to(dtype or y.dtype)

    def flat(self, values: Tensor) -> Tensor:
        """Return output or targets as (N, n): one number a row is a column, and what is laid out as a picture is flat."""
        if values.ndim == 1:
            return values.unsqueeze(-1)
        return values.flatten(1) if self.maps and values.ndim > 2 else values

    def laid_out(self, values: Array, shape: tuple[int, ...]) -> Array:
        """Return predictions of rows as users are given them.

        Args:
            values: (N, ...).
            shape: as :class:`ReadTargets` has it.
        """
        return values.reshape(len(values), *shape) if shape else values

    @abstractmethod
    def checked(self, target: Tensor, rows: int, n_out: int, who: str) -> Tensor:
        """Return a target that met ``rows`` rows of ``n_out`` outputs, as :meth:`tensor` gives it.

        Raises:
            InputError: shape or values do not fit; it begins with ``who``.
        """

    def codes_of(self, target: Tensor) -> tuple[int, int] | None:  # noqa: ARG002 - most kinds have one coding
        """Return what stands for 0 and 1 in raw targets, where they show that it is other numbers or these."""
        return None

    def class_shape(self, n_out: int) -> tuple[int, int]:  # noqa: ARG002 - most kinds have no classes
        """Return how many outputs have classes of their own, and how many classes those are; 1 and 1 without."""
        return 1, 1

    def weighs_numbers(self, n_out: int) -> bool:
        """Return whether what a row weighs by its class is a number for each of several outputs, not one of the row."""
        return self.form is TargetForm.ZERO_ONE and n_out > 1

    def class_codes(self, target: Tensor) -> Tensor:
        """Return the class of each row in each such output, (..., N, K), from canonical targets (..., N, T).

        Where many outputs share one choice of classes, (..., N, T).
        """
        return target.new_zeros((*target.shape[:-1], 1), dtype=torch.int64)

    def unweighted(self, probability: Tensor, table: Tensor) -> Tensor:  # noqa: ARG002 - most kinds have no classes
        """Return probabilities of classes as they occur, from those that classes of other weights give.

        Weighting class c by w makes it w times as frequent, so its odds are divided by w (prior correction).

        Args:
            probability: as predictions hold it.
            table: what classes weighed in training, (..., K, C), with an axis of 1 for each that has rows.
        """
        return probability

    @abstractmethod
    def predictions(self, raw: Tensor, readout: Readout, wanted: Collection[str]) -> Predictions:
        """Return what raw output (..., N, n_out) says of each row; fields not ``wanted`` may lack."""

    def class_probabilities(self, probability: Tensor) -> Tensor:
        """Return a column a class from the probability that predictions hold."""
        return probability

    @abstractmethod
    def constant(self, which: str, train: Tensor, rows: int, n_out: int) -> Predictions:
        """Return what a constant predictor fitted on training targets says of ``rows`` rows, leading axis 1.

        Args:
            which: what a metric is met by: "prior", "majority", "mean", "median", or of real targets a quantile.
            train: training targets.
            rows: how many rows are predicted.
            n_out: outputs of the task.
        """

    @abstractmethod
    def default_metric(self, y: Array) -> tuple[str, str]:
        """Return the metric that judges unless another is named, and the reason.

        Args:
            y: targets in this kind's form.
        """

    def budget(self, rows: int) -> tuple[int, int]:
        """Return epochs and batch size for so many training rows.

        Batches hold 32 rows, 64 from 2000 training rows, 128 from 10 000, 256 from 50 000. Epochs are
        as many as make about 2000 steps, from 10 to 200, in tens.
        """
        batch = next((b for limit, b in ((2_000, 32), (10_000, 64), (50_000, 128)) if rows < limit), 256)
        steps = -(-rows // batch)
        epochs = round(2000 / steps / 10) * 10
        return min(200, max(10, epochs)), batch

    @abstractmethod
    def sample(self, score: Tensor) -> Tensor:
        """Return targets that follow a score, (N, n), for contracts: of n outputs, labels or classes."""


def agreeing(target: Tensor, rows: int, n_out: int, who: str) -> Tensor:
    """Return a target of the output's shape, (N, n_out); (N,) is taken for one output.

    Raises:
        InputError: they do not agree row by row and output by output.
    """
    found = target.unsqueeze(-1) if target.ndim == 1 and n_out == 1 else target
    if tuple(found.shape) != (rows, n_out):
        raise InputError(
            f"{who} met output of shape ({rows}, {n_out}) and target of shape {tuple(found.shape)}; "
            "they must agree row by row and output by output."
        )
    return found


def some_values(values: Tensor) -> str:
    """Return a few of the different values."""
    return ", ".join(f"{v:g}" for v in torch.unique(values.detach())[:5].tolist())
