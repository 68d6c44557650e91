"""A copy of every trial beside its curves, from which a storage that is lost is made again.

The copies are JSON in the metadata of the Parquet files of the search, compressed; only their footers are read for them.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from lossearch.errors import StoreError
from lossearch.records.damage import reading

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

_KEY = b"lossearch.trials"
_HEADER, _NEW_TRIAL = (0, 2, 3), 4
"""Operations of Optuna's journal that begin a study or say something of it, and the one that adds a trial."""

Copies = Mapping[int, Mapping[str, Any]]
"""Number of a trial -> its fields, named as Optuna's journal names them."""


def fields_of(trial: FrozenTrial) -> dict[str, Any]:
    """Return a finished trial as plain values."""
    from optuna.distributions import distribution_to_json

    return {
        "state": int(trial.state),
        "values": trial.values,
        "datetime_start": _when(trial.datetime_start),
        "datetime_complete": _when(trial.datetime_complete),
        "distributions": {k: distribution_to_json(d) for k, d in trial.distributions.items()},
        "params": {k: trial.distributions[k].to_internal_repr(v) for k, v in trial.params.items()},
        "user_attrs": trial.user_attrs,
        "system_attrs": trial.system_attrs,
        "intermediate_values": trial.intermediate_values,
    }


def trial_of(fields: Mapping[str, Any]) -> FrozenTrial:
    """Return the trial that :func:`fields_of`, or a line of Optuna's journal, describes.

    Raises:
        ValueError, LookupError, TypeError, AttributeError: the fields are no such description.
    """
    from optuna.distributions import json_to_distribution
    from optuna.trial import TrialState, create_trial

    distributions = {k: json_to_distribution(d) for k, d in fields["distributions"].items()}
    values = fields["values"] if fields.get("value") is None else [fields["value"]]
    trial = create_trial(
        state=TrialState(fields["state"]),
        values=values,
        params={k: distributions[k].to_external_repr(v) for k, v in fields["params"].items()},
        distributions=distributions,
        user_attrs=dict(fields["user_attrs"]),
        system_attrs=dict(fields["system_attrs"]),
        intermediate_values={int(k): float(v) for k, v in fields["intermediate_values"].items()},
    )
    trial.datetime_start = _at(fields["datetime_start"])
    trial.datetime_complete = _at(fields["datetime_complete"])
    return trial


def _when(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone().isoformat()


def _at(text: str | None) -> datetime | None:
    # Optuna's own times are local and naive
    return None if text is None else datetime.fromisoformat(text).astimezone().replace(tzinfo=None)


def with_copies(table: pa.Table, copies: Copies) -> pa.Table:
    """Return a table whose metadata hold copies of trials."""
    if not copies:
        return table
    text = json.dumps({str(number): dict(copies[number]) for number in sorted(copies)})
    return table.replace_schema_metadata({_KEY: base64.b85encode(zlib.compress(text.encode()))})


def read_copies(paths: Iterable[Path]) -> dict[int, dict[str, Any]]:
    """Return the copies that files hold, those of later files first; files whose footer cannot be read hold none."""
    found: dict[int, dict[str, Any]] = {}
    for path in paths:
        with suppress(StoreError), reading(path):
            held = (pq.read_schema(path).metadata or {}).get(_KEY)
            if held is not None:
                text = zlib.decompress(base64.b85decode(held))
                found |= {int(number): fields for number, fields in json.loads(text).items()}
    return found


def journal_trials(path: Path) -> list[FrozenTrial]:
    """Return the trials of an Optuna journal up to the first line that cannot be read."""
    found: list[FrozenTrial] = []
    with suppress(StoreError), reading(path):
        for line in path.read_bytes().split(b"\n"):
            fields = json.loads(line)
            if fields["op_code"] == _NEW_TRIAL:
                found.append(trial_of(fields))
            elif fields["op_code"] not in _HEADER:
                break
    return found
