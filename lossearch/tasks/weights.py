"""What rows weigh in the loss: by themselves, by their class, or both.

One convention for all pairs: weights are scaled to a mean of 1 over the training rows of a seed, a batch's loss is the
sum of weight times value, divided by its number of rows, and metrics are not weighted.

- Over all training rows that is the weighted mean, the sum divided by the sum of weights, of scikit-learn and of
  torch's ``cross_entropy(weight=)``; and gradients of batches are unbiased for it. Divided by the weights in the batch,
  a batch of one class alone would not be weighted at all.
- A weight of mean 1 leaves the size of the loss, and with it the learning rate, as it is: weightings, and pairs under
  them, compete at rates that mean the same. ``BCEWithLogitsLoss(pos_weight=)`` is this times a constant.
- A loss applied after the mean (the root of RMSE) is applied after the weighted mean.

A weight of 2 is a row twice, and 0 a row left out, as far as the loss goes: inputs and real targets are scaled by all
training rows alike. Classes are counted on the training rows of each seed, under "balanced", and for losses that read how
many rows each class has, by what rows weigh themselves.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lossearch._registry import did_you_mean
from lossearch._text import listed
from lossearch.errors import InputError, refuse
from lossearch.kinds import (
    BALANCED,
    KINDS,
    NONE,
    Table,
    class_weights_given,
    pos_weights_given,
)
from lossearch.tasks.task import Census, Fold, Task

NAMED = 10
"""So many labels are listed by name."""


def census(kind: str, y: Tensor, sample_weight: Tensor | None, n_out: int) -> Census:
    """Return how much of each class there is among rows with these canonical targets.

    Raises:
        InputError: their weights are all 0.
    """
    outputs, classes = KINDS[kind].class_shape(n_out)
    codes = KINDS[kind].class_codes(y).reshape(len(y), outputs, -1)  # the last are those that share a choice
    weight = torch.ones(len(y), dtype=torch.float64) if sample_weight is None else sample_weight.double()
    counts = torch.zeros(outputs, classes, dtype=torch.float64)
    share = weight.unsqueeze(-1) / codes.shape[-1]
    counts.scatter_add_(
        1, codes.transpose(0, 1).flatten(1), share.expand(codes.shape[::2]).flatten().expand(outputs, -1)
    )
    if len(y) and not counts.any():
        raise InputError(
            f"sample_weight is 0 in all {len(y)} training rows of a seed, which leaves nothing to learn from: give more "
            "rows a weight, or other parts."
        )
    return Census(tuple(map(tuple, counts.tolist())), len(y))


def class_counts(kind: str, found: Census, n_out: int) -> Table:
    """Return how many rows each class has, (K, C), as losses are given them; () for a kind without classes.

    Weighted rows count what they weigh, each output's in all as many as there are rows.
    """
    if KINDS[kind].class_shape(n_out)[1] == 1 or not found.rows:
        return ()
    return tuple(tuple(n * found.rows / sum(row) for n in row) for row in found.counts)


def class_weights(task: Task, fold: Fold, class_weight: object, pos_weight: object) -> Table | None:
    """Return what rows weigh by their class, scaled so that training rows weigh 1 on average; None without weights.

    Args:
        task: whose rows.
        fold: whose training rows are counted.
        class_weight: as in ``TrainingRecipe``.
        pos_weight: likewise; a number where it is searched as such.
    """
    if not task.weighted and class_weight == NONE and pos_weight == NONE:
        return None
    found = fold.census or census(task.kind, fold.train.y, fold.train.sample_weight, task.n_out)
    counts = torch.tensor(found.counts, dtype=torch.float64)
    table = torch.ones_like(counts)
    if class_weight != NONE:
        table = _by_class(task, counts, str(class_weight))
    elif pos_weight != NONE:
        table[:, 1] = _of_class_1(counts, str(pos_weight))
    mean = (table * counts).sum() / (found.rows * len(counts))
    return tuple(map(tuple, (table / mean).tolist()))


def _by_class(task: Task, counts: Tensor, text: str) -> Tensor:
    if text == BALANCED:
        there = counts > 0
        # as scikit-learn's: rows / (classes * rows of the class); a class that is not there has any weight
        shares = counts.sum(1, keepdim=True) / (there.sum(1, keepdim=True) * counts)
        return torch.where(there, shares, 1.0)
    given = _by_index(task, class_weights_given(text))
    return torch.tensor([given.get(i, 1.0) for i in range(counts.shape[1])], dtype=counts.dtype).expand_as(
        counts
    )


def _of_class_1(counts: Tensor, text: str) -> Tensor:
    if text == BALANCED:
        both = (counts > 0).all(dim=1)
        return torch.where(both, counts[:, 0] / counts[:, 1], 1.0)
    return torch.tensor(pos_weights_given(text), dtype=counts.dtype)


def _by_index(task: Task, given: dict[str, float]) -> dict[int, float]:
    return {task.classes.index(name): weight for name, weight in given.items()}


def weighting_problems(task: Task, class_weight: object, pos_weight: object) -> list[str]:
    """Return what is wrong with a weighting of a task's classes, a sentence each."""
    if class_weight != NONE and "class_weight" not in KINDS[task.kind].weighted_by:
        return [_no_meaning(task.kind, "class_weight")]
    if pos_weight != NONE and "pos_weight" not in KINDS[task.kind].weighted_by:
        return [_no_meaning(task.kind, "pos_weight")]
    if class_weight not in (NONE, BALANCED):
        return _unknown_labels(task, class_weights_given(str(class_weight)))
    outputs = KINDS[task.kind].class_shape(task.n_out)[0]
    if pos_weight not in (NONE, BALANCED) and (n := len(pos_weights_given(str(pos_weight)))) not in (
        1,
        outputs,
    ):
        return [
            f"pos_weight has {n} numbers, and there {'is 1 label' if outputs == 1 else f'are {outputs} labels'}: give one for all, or one for each."
        ]
    return []


def _no_meaning(kind: str, name: str) -> str:
    instead = KINDS[kind].weighted_by
    cure = f"{instead[0]} weights its classes" if instead else "sample_weight weights its rows one by one"
    return f"{name} has no meaning for {kind} tasks: {cure}."


def _unknown_labels(task: Task, given: dict[str, float]) -> list[str]:
    return [
        f"class_weight names {label!r}, and y holds {listed(task.classes, NAMED)}.{did_you_mean(label, task.classes)}"
        for label in given
        if label not in task.classes
    ]


def weighting_notes(task: Task, class_weight: object) -> list[str]:
    """Return which classes a class_weight leaves at 1 as it does not name them, in a sentence; none where it names all."""
    if class_weight in (NONE, BALANCED):
        return []
    given = class_weights_given(str(class_weight))
    left = [label for label in task.classes if label not in given]
    if not left:
        return []
    named = listed([label for label in task.classes if label in given], NAMED)
    is_left = "is left" if len(left) == 1 else "are left"
    return [f"class_weight names {named} alone: {listed(left, NAMED)} {is_left} at weight 1."]


def refuse_weighting(task: Task, class_weight: object, pos_weight: object) -> None:
    """Refuse a weighting that has no meaning for a task.

    Raises:
        InputError: the problems, one sentence each.
    """
    refuse(weighting_problems(task, class_weight, pos_weight))
