"""What rows weigh in a criterion, as its caller says it: by class, by label, one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lossearch._lazy import torch
from lossearch.errors import InputError, refuse
from lossearch.kinds import (
    BALANCED,
    KINDS,
    NONE,
    Table,
    TargetForm,
    class_weight_text,
    class_weights_given,
    pos_weight_text,
    pos_weights_given,
)
from lossearch.pairs.pair import Pair, located

if TYPE_CHECKING:
    from torch import Tensor

ClassWeight = str | Mapping[Any, float] | None
PosWeight = str | float | Sequence[float] | None


def given_table(pair: Pair, class_weight: ClassWeight, pos_weight: PosWeight) -> Table | None:
    """Return what rows weigh by their class, as far as that is said: a class that is not named weighs 1.

    Raises:
        InputError: it has no meaning for the pair's kind of task, names no class, or needs training rows.
    """
    try:
        by_class, of_1 = class_weight_text(class_weight), pos_weight_text(pos_weight)
    except ValueError as error:
        name = "class_weight" if pos_weight is None else "class_weight or pos_weight"
        raise InputError(f"{name} {error}.") from None
    said = {name: text for name, text in (("class_weight", by_class), ("pos_weight", of_1)) if text != NONE}
    kind = KINDS[pair.kind]
    refuse(
        [
            f"{name} has no meaning for {pair.name} ({pair.kind}): give "
            f"{' or '.join((*kind.weighted_by, 'sample_weight'))}."
            for name in said
            if name not in kind.weighted_by
        ]
        or (["Give class_weight or pos_weight: both weight the classes."] if len(said) > 1 else [])
        or [
            f"{name}='balanced' needs training rows to count, and a criterion has none: give the numbers."
            for name, text in said.items()
            if text == BALANCED
        ]
    )
    if not said:
        return None
    require_weightable(pair)
    if of_1 != NONE:
        return tuple((1.0, weight) for weight in pos_weights_given(of_1))
    return (_by_class(pair, class_weights_given(by_class)),)


def _by_class(pair: Pair, given: Mapping[str, float]) -> tuple[float, ...]:
    # -1 and +1 are binary targets too
    words = {"False": "0", "True": "1", **({"-1": "0"} if pair.loss.form is TargetForm.ZERO_ONE else {})}
    codes = [words.get(label, label) for label in given]
    refuse(
        [
            f"class_weight names {label!r}; classes of a criterion are numbered as in its targets: 0, 1, ..."
            for label, code in zip(given, codes, strict=True)
            if not code.isdecimal()
        ]
        or (["class_weight weights one class twice."] if len(set(codes)) < len(codes) else [])
    )
    weights = dict(zip(map(int, codes), given.values(), strict=True))
    return tuple(weights.get(i, 1.0) for i in range(max(2, max(weights) + 1)))


def require_weightable(pair: Pair) -> None:
    """Refuse a loss whose rows cannot be weighted.

    Raises:
        InputError: a row's value depends on the other rows of the batch.
    """
    if not pair.loss.weightable:
        raise InputError(
            f"{pair.loss.name} cannot be weighted: a row's value depends on the other rows of the batch. Leave the "
            "weights out, or use another loss."
        )


def whole_table(table: Table, shape: tuple[int, int], device: torch.device, who: str) -> Tensor:
    """Return a table as (K, C), float64 wherever the device has it: classes that it does not name weigh 1, one row is for all labels.

    Raises:
        InputError: it has weights of classes or labels that there are not.
    """
    outputs, classes = shape
    if len(table) not in (1, outputs) or len(table[0]) > classes:
        raise InputError(
            f"{who}: weights are of {len(table)} labels of {len(table[0])} classes, and the network gives {outputs} of "
            f"{classes}."
        )
    return located([[*row, *[1.0] * (classes - len(row))] for row in table], device).expand(outputs, -1)


def checked_weights(sample_weight: Tensor, rows: int, who: str) -> Tensor:
    """Return what rows weigh, (N,), checked.

    Raises:
        InputError: they are not one number from 0 up for each row.
    """
    found = torch.as_tensor(sample_weight)
    found = found.squeeze(-1) if found.ndim == 2 and found.shape[-1] == 1 else found
    if tuple(found.shape) != (rows,):
        raise InputError(
            f"{who} met {rows} rows and sample_weight of shape {tuple(found.shape)}; give one a row."
        )
    if not bool((torch.isfinite(found) & (found >= 0)).all()):
        raise InputError(f"{who}: sample_weight takes finite numbers from 0 up; got others too.")
    return found
