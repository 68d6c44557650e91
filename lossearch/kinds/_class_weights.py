"""What rows weigh by their class: how that is said, and the numbers it comes to.

Said as text, so that it is recorded, compared and searched as any other setting: "none", "balanced", or the
weights as JSON. The numbers are a table with a row for each output that has classes of its own, a number a class.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

from lossearch.kinds._target import class_name

if TYPE_CHECKING:
    from torch import Tensor

NONE, BALANCED = "none", "balanced"
LEAST, MOST = 1e-6, 1e6
"""What a class may weigh."""
Table = tuple[tuple[float, ...], ...]
"""What rows weigh by their class, (K, C), as ``Kind.class_shape`` has it; 1 and 1 for kinds without classes."""


def shifts_probabilities(table: Table) -> bool:
    """Return whether classes of one output weigh more than others, so that probabilities are not those that occur."""
    return any(len(set(row)) > 1 for row in table)


def weights_of_rows(table: Tensor, codes: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    """Return what each row weighs, (..., N, K).

    Args:
        table: (..., K, C).
        codes: the class of each row in each output, (..., N, K).
        sample_weight: what each row weighs by itself, (..., N); 1 by default.
    """
    wide = table.unsqueeze(-3).expand(*codes.shape, table.shape[-1])
    found = wide.gather(-1, codes.unsqueeze(-1)).squeeze(-1)
    return found if sample_weight is None else found * sample_weight.unsqueeze(-1)


def class_weight_text(value: Any) -> str:
    """Return a class_weight as text: "none", "balanced", or label -> weight as JSON.

    Raises:
        ValueError: it is none; the message says what it must be.
    """
    if value is None or _is_word(value):
        return value or NONE
    given = _read_json(value)
    if not isinstance(given, Mapping):
        raise ValueError(  # noqa: TRY004 - pydantic reads ValueError
            f'must be "none", "balanced" or a weight for each label, as {{0 = 1, 1 = 5}}; got {_shown(value)}'
        )
    names = [class_name(label) for label in given]
    if len(set(names)) < len(names) or not names:
        raise ValueError(f"must name every label once; got {_shown(value)}")
    weights = [_positive(weight, f"label {name}") for name, weight in zip(names, given.values(), strict=True)]
    return json.dumps(dict(sorted(zip(names, weights, strict=True))), ensure_ascii=False)


def pos_weight_text(value: Any) -> str:
    """Return a pos_weight as text: "none", "balanced", a number, or a list of one a label.

    Raises:
        ValueError: it is none; the message says what it must be.
    """
    if value is None or _is_word(value):
        return value or NONE
    given = _read_json(value)
    if _is_number(given):
        return json.dumps(_positive(given, "class 1"))
    if (
        not isinstance(given, Sequence)
        or isinstance(given, str)
        or not given
        or not all(map(_is_number, given))
    ):
        raise ValueError(
            f'must be "none", "balanced", a number, or one number for each label; got {_shown(value)}'
        )
    return json.dumps([_positive(weight, f"label {i}") for i, weight in enumerate(given)])


def class_weights_given(text: str) -> dict[str, float]:
    """Return label -> weight of a class_weight that is neither "none" nor "balanced"."""
    found: dict[str, float] = json.loads(text)
    return found


def pos_weights_given(text: str) -> list[float]:
    """Return the numbers of a pos_weight that is neither "none" nor "balanced"."""
    found = json.loads(text)
    return list(found) if isinstance(found, list) else [found]


def _read_json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and value in (NONE, BALANCED)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _positive(value: Any, of: str) -> float:
    # what is further apart does not stay apart in float32, by which probabilities are corrected
    if not _is_number(value) or not LEAST <= float(value) <= MOST:
        raise ValueError(
            f"takes numbers from {LEAST:g} to {MOST:g}, above 0; of {of} it is {value!r}. To leave rows out, give them "
            "sample_weight 0"
        )
    return float(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
