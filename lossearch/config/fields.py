"""What every table of the study file is, and the types of its keys, each checked with a sentence of its own."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from lossearch._text import separated
from lossearch._urls import Url
from lossearch.config.option import Option
from lossearch.config.toml import is_plain, parse_value
from lossearch.config.words import shown

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")
_ROWS = re.compile(r"(\d*):(\d*)")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")
_PAIR = re.compile(r"(?:[^/\s]+|\S+:[^/\s]+|[^/]*[+*(][^/]*|(?=.*[+*(]).+:.+)/[^/\s]+")
_LOSS_METRICS = ("loss", "val_loss", "train_loss", "test_loss")
_MOST = 500
"""Names in a list, or values in a table, that one may give."""
_LONGEST_PART = 255
"""Bytes that file systems give the name of one file or directory."""


class Table(BaseModel):
    """A table of a study file."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @classmethod
    def earlier_names(cls) -> dict[str, str]:
        """Return the keys by the names that they had before."""
        return {
            o.also: name
            for name, field in cls.model_fields.items()
            for o in field.metadata
            if isinstance(o, Option) and o.also
        }

    @model_validator(mode="before")
    @classmethod
    def _by_their_names_now(cls, given: Any) -> Any:
        earlier = cls.earlier_names()
        if not isinstance(given, Mapping) or not earlier.keys() & given.keys():
            return given
        doubled = [f"{old} and {new}" for old, new in earlier.items() if {old, new} <= given.keys()]
        if doubled:
            raise ValueError(f"gives both {doubled[0]}, which are one key: leave the first out")
        return {earlier.get(name, name): value for name, value in given.items()}


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as "90s", "10m" or "1h30m"; 0 where it is none."""
    found = _DURATION.fullmatch(text.strip())
    parts = found.groups() if found else ()
    return sum(float(n or 0) * unit for n, unit in zip(parts, (3600, 60, 1), strict=False))


def parse_size(text: str) -> int:
    """Return the bytes of a size such as "512MiB" or "2GB"; 0 where it is none."""
    try:
        return max(0, int(TypeAdapter(ByteSize).validate_python(text)))
    except ValidationError:
        return 0


def parse_rows(text: str) -> tuple[int, int | None] | None:
    """Return first row and end (None: to the last) of "0:500"; None where it is no range with rows in it."""
    found = _ROWS.fullmatch(text.strip())
    if found is None:
        return None
    start, end = int(found[1] or 0), int(found[2]) if found[2] else None
    return None if end is not None and end <= start else (start, end)


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number, and not true or false."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _number_or_range(value: Any) -> Any:
    given = list(value) if isinstance(value, list | tuple) else [value]
    if not all(map(is_number, given)) or (isinstance(value, list | tuple) and len(given) != 2):
        raise ValueError(f"must be a number or [low, high]; got {shown(value)}")
    if len(given) == 2 and given[0] >= given[1]:
        raise ValueError(f"must go from low to high; got {shown(value)}")
    return value


def _positive_range(value: Any) -> Any:
    if value is None:
        return value
    _number_or_range(value)
    if min(value if isinstance(value, list | tuple) else [value]) <= 0:
        raise ValueError(f"must be above 0; got {shown(value)}")
    return value


def _texts(value: Any) -> Any:
    if isinstance(value, str):
        value = separated(value)
    if value is None:
        return value
    if not isinstance(value, list | tuple) or not all(isinstance(v, str) and v.strip() for v in value):
        raise ValueError(f'must be a list of names, as in ["a", "b"]; got {shown(value)}')
    if len(value) > _MOST:
        raise ValueError(f"must be at most {_MOST} names; got {len(value)}")
    doubled = sorted(v for v, times in Counter(value).items() if times > 1)
    if doubled:
        raise ValueError(f"names {', '.join(doubled)} more than once")
    return tuple(value)


def _some_texts(value: Any) -> Any:
    found = _texts(value)
    if found == ():
        raise ValueError("must name at least one, or be left out for the usual ones")
    return found


def _pairs(value: Any) -> Any:
    found = _some_texts(value)
    wrong = [v for v in found or () if not _PAIR.fullmatch(v)]
    if wrong:
        raise ValueError(
            f'must be names of the form loss/activation, as in "hinge/tanh"; got {shown(wrong[0])}'
        )
    return found


def _pair(value: Any) -> Any:
    if not isinstance(value, str) or not _PAIR.fullmatch(value):
        raise ValueError(f'must be loss/activation, as in "hinge/tanh"; got {shown(value)}')
    return value


def _readable(parse: Callable[[str], Any], words: str) -> BeforeValidator:
    """Return the check that a text says something to ``parse``; ``words`` say what it must be."""

    def check(value: Any) -> Any:
        if value is not None and (not isinstance(value, str) or not parse(value)):
            raise ValueError(f"must be {words}; got {shown(value)}")
        return value

    return BeforeValidator(check)


def _flat(value: Any) -> Any:
    """Join tables in tables, so that ``focal.gamma`` needs no quotes."""
    if not isinstance(value, Mapping):
        return value
    flat: dict[str, Any] = {}
    for key, inner in _plain(value).items():
        flat |= {f"{key}.{k}": v for k, v in inner.items()} if isinstance(inner, Mapping) else {key: inner}
    return flat


def _plain(value: Any) -> Any:
    if not isinstance(value, Mapping) or not is_plain(value):
        raise ValueError(
            f"must be a table of text, numbers, true or false, or lists of them; got {shown(value)}"
        )
    if len(value) > _MOST:
        raise ValueError(f"must have at most {_MOST} values; got {len(value)}")
    return dict(value)


def _path(value: Any) -> Any:
    if not isinstance(value, str | os.PathLike):
        return value
    path = os.fspath(value)
    long = next((part for part in str(path).split("/") if len(os.fsencode(part)) > _LONGEST_PART), None)
    if long is not None:
        raise ValueError(
            f"has a part of more than {_LONGEST_PART} bytes, which no file can be called: {shown(long)}"
        )
    return path


def _url(value: Any, as_text: ValidatorFunctionWrapHandler) -> Url:
    return value if isinstance(value, Url) else Url(as_text(value))


def _test_share(value: Any) -> Any:
    if value is not None and value is not False and (not is_number(value) or not 0 < value < 1):
        raise ValueError(f"must be false (no test part) or a share between 0 and 1; got {shown(value)}")
    return value


def _share(value: Any) -> Any:
    if isinstance(value, bool) or (value is not None and (not is_number(value) or not 0 < value < 1)):
        raise ValueError(f"must be a share between 0 and 1; got {shown(value)}")
    return value


def _study_name(value: Any) -> Any:
    if value is not None and (not isinstance(value, str) or not _NAME.fullmatch(value)):
        raise ValueError(
            "must be up to 100 letters, digits, '-', '_' or '.', a letter or digit first and no '.' last; "
            f"got {shown(value)}"
        )
    return value


def _metric(value: Any) -> Any:
    """Take one name, or two in a list or with a comma between: the first judges, the second is an objective too."""
    if isinstance(value, str) and "," in value:
        value = [part.strip() for part in value.split(",")]
    if isinstance(value, str) or value is None:
        names: tuple[Any, ...] = (value,)
    else:
        names = _some_texts(value)
    for name in names:
        if name in _LOSS_METRICS:
            raise ValueError(
                f"cannot be {name!r}: values of different losses have different units. "
                "Name what judges them all alike, such as accuracy or rmse"
            )
    if len(names) > 2:
        raise ValueError(
            f"takes one metric or two; got {len(names)}: of three, nearly every trial is better than any other "
            f"in one. Keep the two that matter ({', '.join(names[:2])}); every usual metric is recorded and "
            "reported anyway, unusual ones by metrics = [...]"
        )
    return names[0] if len(names) == 1 else names


def _class_weight(value: Any) -> Any:
    from lossearch.kinds import class_weight_text

    return _one_or_several(value, class_weight_text)


def _pos_weight(value: Any) -> Any:
    from lossearch.kinds import pos_weight_text

    given = _as_written(value)
    numbers = isinstance(given, list | tuple) and all(map(is_number, given))
    return pos_weight_text(given) if numbers else _one_or_several(given, pos_weight_text)


def _one_or_several(value: Any, read: Callable[[Any], str]) -> Any:
    """Return a weighting as text, or those of a list to choose from; names may have commas between."""
    given = _as_written(value)
    if not isinstance(given, list | tuple):
        return read(given)
    found = tuple(read(_as_written(v)) for v in given)
    if not found or len(set(found)) < len(found):
        raise ValueError(f"must name something to choose from, each once; got {shown(value)}")
    return found[0] if len(found) == 1 else found


def _as_written(value: Any) -> Any:
    """Return what a text says in the syntax of a study file; a list of names may go without brackets."""
    if not isinstance(value, str):
        return value
    found = parse_value(value)
    several = isinstance(found, str) and "," in found and not found.lstrip().startswith(("{", "["))
    return [part.strip() for part in found.split(",")] if several else found


Text = Annotated[str, Field(strict=True, min_length=1, max_length=4000, pattern=r"^[^\x00]*$")]
UrlText = Annotated[Text, WrapValidator(_url)]
"""A :class:`Url`: its secrets are kept by the configuration, and not written with it."""
FilePath = Annotated[Text, BeforeValidator(_path)]
Whole = Annotated[int, Field(strict=True, ge=0, le=2**63 - 1)]
Count = Annotated[int, Field(strict=True, ge=1, le=2**63 - 1)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Switch = Annotated[bool, Field(strict=True)]
Range = Annotated[float | tuple[float, float], BeforeValidator(_number_or_range)]
LearningRate = Annotated[float | tuple[float, float] | None, BeforeValidator(_positive_range)]
Names = Annotated[tuple[str, ...], BeforeValidator(_texts)]
SomeNames = Annotated[tuple[str, ...] | None, BeforeValidator(_some_texts)]
PairNames = Annotated[tuple[str, ...] | None, BeforeValidator(_pairs)]
PairName = Annotated[str, BeforeValidator(_pair)]
Duration = Annotated[
    str | None, _readable(parse_duration, 'a time above zero, as in "90s", "10m" or "1h30m"')
]
Size = Annotated[str, _readable(parse_size, 'a size above zero, as in "512MiB" or "2GB"')]
RowRange = Annotated[str, _readable(parse_rows, 'at least one row, written from:to, as in "0:500"')]
Options = Annotated[dict[str, Any], BeforeValidator(_plain)]
TestShare = Annotated[bool | float | None, BeforeValidator(_test_share)]
Share = Annotated[float | None, BeforeValidator(_share)]
StudyName = Annotated[str | None, BeforeValidator(_study_name)]
MetricNames = Annotated[Text | tuple[Text, ...] | None, BeforeValidator(_metric)]
ClassWeight = Annotated[str | tuple[str, ...], BeforeValidator(_class_weight)]
PosWeight = Annotated[str | tuple[str, ...], BeforeValidator(_pos_weight)]
Ranges = Annotated[dict[str, Range], BeforeValidator(_flat)]
