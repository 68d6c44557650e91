"""Dates, moments, durations and times of day, in any form and of any year, in training rows and in new ones."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossearch.data.columns import clean, conform
from lossearch.data.inputs import Inputs
from lossearch.data.sources import from_arrays, read_data
from lossearch.errors import InputError
from lossearch.tasks.build import make_task

FAR = [
    date(9999, 12, 31),
    date(1, 1, 1),
    date(1600, 2, 29),
    date(2262, 4, 12),
    date(1677, 9, 20),
    date(1970, 1, 1),
]
NEAR = [date(2024, 2, 29), date(1969, 12, 31), date(1970, 1, 1), date(2000, 1, 1), date(2023, 7, 9)]
PARTS = ["when days", "when month", "when weekday"]


def message(call: Any) -> str:
    with pytest.raises(InputError) as caught:
        call()
    return str(caught.value)


def oracle(days: list[date | datetime]) -> np.ndarray[Any, Any]:
    """What Python says of them."""
    found = []
    for day in days:
        moment = day if isinstance(day, datetime) else datetime(day.year, day.month, day.day)  # noqa: DTZ001
        since = moment.replace(tzinfo=None) - datetime(1970, 1, 1)  # noqa: DTZ001
        found.append((since / timedelta(days=1), moment.month, moment.weekday()))
    return np.array(found, dtype=float)


def read(column: Any) -> np.ndarray[Any, Any]:
    """What a table with this column becomes; new rows, one by one too, must become the same."""
    frame = pd.DataFrame({"when": column})
    table, readings, notes = clean(frame)
    assert notes == ("column 'when': dates, as days since 1970, month and weekday",)
    assert list(table.columns) == PARTS
    rows = [frame, *(frame.iloc[[i]] for i in range(len(frame)))]
    again = [conform(row, PARTS, [], readings) for row in rows]
    np.testing.assert_array_equal(again[0], table)
    np.testing.assert_array_equal(pd.concat(again[1:]), table)
    return table.to_numpy()


def arrow(values: list[Any], kind: pa.DataType) -> pd.Series[Any]:
    found = pa.array(values)
    return pd.Series(pd.array(found.cast(kind), dtype=pd.ArrowDtype(kind)))


ANY_YEAR = {
    "text": lambda days: [d.isoformat() for d in days],
    "text with times": lambda days: [f"{d.isoformat()}T00:00:00" for d in days],
    "date": lambda days: pd.Series(days, dtype=object),
    "datetime": lambda days: pd.Series([datetime(d.year, d.month, d.day) for d in days], dtype=object),  # noqa: DTZ001
    "datetime in UTC": lambda days: pd.Series(
        [datetime(d.year, d.month, d.day, tzinfo=UTC) for d in days], dtype=object
    ),
    **{f"numpy {u}": lambda days, u=u: np.array(days, dtype=f"datetime64[{u}]") for u in ("D", "h", "s", "ms", "us")},
    "numpy objects": lambda days: pd.Series([np.datetime64(d) for d in days], dtype=object),
    "periods": lambda days: pd.PeriodIndex([pd.Period(d.isoformat(), "D") for d in days]),
    "objects of periods": lambda days: pd.Series([pd.Period(d.isoformat(), "D") for d in days], dtype=object),
    "date32": lambda days: arrow(days, pa.date32()),
    "date64": lambda days: arrow(days, pa.date64()),
    **{f"timestamp {u}": lambda days, u=u: arrow(days, pa.timestamp(u)) for u in ("s", "ms", "us")},
    "timestamp in UTC": lambda days: arrow(days, pa.timestamp("us", "UTC")),
    "dates and text": lambda days: pd.Series([days[0], *(d.isoformat() for d in days[1:])], dtype=object),
}  # fmt: skip
SOON = {
    "numpy ns": lambda days: np.array(days, dtype="datetime64[ns]"),
    "timestamp ns": lambda days: arrow(days, pa.timestamp("ns")),
    "pandas in UTC": lambda days: pd.Series(pd.to_datetime(days, utc=True)),
}


@pytest.mark.parametrize("form", [*ANY_YEAR, *SOON])
def test_every_form_of_a_date_is_read_alike(form: str) -> None:
    np.testing.assert_array_equal(read((ANY_YEAR | SOON)[form](NEAR)), oracle(NEAR))


@pytest.mark.parametrize("form", ANY_YEAR)
def test_years_far_out_are_read(form: str) -> None:
    np.testing.assert_array_equal(read(ANY_YEAR[form](FAR)), oracle(FAR))


@pytest.mark.parametrize("form", [f for f in (*ANY_YEAR, *SOON) if "numpy" not in f or f == "numpy objects"])
def test_missing_dates_stay_missing(form: str) -> None:
    column = pd.Series((ANY_YEAR | SOON)[form](NEAR))
    column.iloc[1] = None
    found = read(column)
    assert np.isnan(found[1]).all()
    np.testing.assert_array_equal(np.delete(found, 1, axis=0), np.delete(oracle(NEAR), 1, axis=0))


@given(st.lists(st.datetimes(), min_size=1, max_size=5))
def test_moments_are_read_to_the_microsecond(moments: list[datetime]) -> None:
    for column in ([m.isoformat() for m in moments], pd.Series(moments, dtype=object)):
        np.testing.assert_allclose(clean(pd.DataFrame({"when": column})).x, oracle(moments), rtol=1e-15)


@given(st.lists(st.tuples(st.datetimes(), st.integers(-14 * 60, 14 * 60)), min_size=2, max_size=5))
def test_mixed_time_zones_are_the_same_moment_in_utc(cases: list[tuple[datetime, int]]) -> None:
    aware = [m.replace(tzinfo=timezone(timedelta(minutes=offset))) for m, offset in cases]
    expected = [(m - datetime(1970, 1, 1)) / timedelta(days=1) - offset / 1440 for m, offset in cases]  # noqa: DTZ001
    for column in ([m.isoformat() for m in aware], pd.Series(aware, dtype=object)):
        found = clean(pd.DataFrame({"when": column})).x["when days"]
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-9)


def test_named_time_zones_and_mixed_precisions() -> None:
    moments = pd.date_range("2024-03-30", periods=5, freq="12h")
    berlin = moments.tz_localize("Europe/Berlin")
    np.testing.assert_array_equal(read(berlin), read(berlin.tz_convert("UTC").tz_localize(None)))
    np.testing.assert_array_equal(read(berlin.as_unit("s")), read(berlin.as_unit("ns")))
    mixed = pd.Series(
        [m.as_unit(u) for m, u in zip(moments, ("s", "ms", "us", "ns", "s"), strict=True)], dtype=object
    )
    np.testing.assert_array_equal(read(mixed), read(moments))
    kiritimati = arrow(list(moments), pa.timestamp("ms", "Pacific/Kiritimati"))
    np.testing.assert_array_equal(read(kiritimati), read(moments))


@pytest.mark.parametrize("freq", ["Y", "Q", "M", "W", "h", "min"])
def test_periods_begin_where_they_begin(freq: str) -> None:
    periods = pd.period_range("2023-05-17", periods=6, freq=freq)
    np.testing.assert_array_equal(read(periods), read(periods.to_timestamp(how="start")))


# What is no date


@pytest.mark.parametrize(
    "odd", ["2023-02-30", "2023-13-01", "0000-00-00", "2024-01-01x", "soon", "12345-01-01"]
)
def test_what_is_no_date_is_named(odd: str) -> None:
    days = [d.isoformat() for d in NEAR]
    frame = pd.DataFrame({"when": [*days, odd, "?"]})
    expected = (
        f"Column 'when' must hold dates; {odd!r} in row 5 is none. Write dates as 2024-01-31, and leave cells empty "
        "whose date is missing."
    )
    assert message(lambda: clean(frame)) == expected
    readings = clean(pd.DataFrame({"when": days})).readings
    assert message(lambda: conform(frame, PARTS, [], readings)) == expected
    assert message(lambda: conform(frame, PARTS, [])) == expected  # a model of before readings were kept


def test_numbers_are_no_dates() -> None:
    readings = clean(pd.DataFrame({"when": NEAR})).readings
    assert "must hold dates; 5 in row 0 is none" in message(
        lambda: conform(pd.DataFrame({"when": [5]}), PARTS, [], readings)
    )


def test_names_that_begin_like_dates_are_names() -> None:
    batches = ["2024-01-01-a", "2024-01-02-b", "2024-01-03-c"]
    assert clean(pd.DataFrame({"batch": batches})).x["batch"].tolist() == batches


def test_two_columns_of_one_meaning() -> None:
    assert message(lambda: clean(pd.DataFrame({"when": NEAR, "when days": range(5)}))) == (
        "Column 'when' becomes 'when days', which is there already: rename or leave out one of them."
    )


# Durations and times of day

HOURS = [0.0, 36.0, -12.5, 24.0 * 40_000]


@pytest.mark.parametrize(
    "column",
    [
        pd.to_timedelta(HOURS, unit="h"),
        pd.Series([timedelta(hours=h) for h in HOURS], dtype=object),
        pd.Series([np.timedelta64(round(h * 60), "m") for h in HOURS], dtype=object),
        *(np.array([round(h * 3600) for h in HOURS], dtype="timedelta64[s]").astype(f"timedelta64[{u}]") for u in ("s", "ms", "us", "ns")),
        *(arrow([timedelta(hours=h) for h in HOURS], pa.duration(u)) for u in ("s", "ms", "us", "ns")),
    ],
)  # fmt: skip
def test_durations_are_days(column: Any) -> None:
    frame = pd.DataFrame({"took": column})
    table, readings, notes = clean(frame)
    np.testing.assert_allclose(table["took"], np.array(HOURS) / 24, rtol=1e-15)
    assert notes == ("column 'took': durations in days",)
    np.testing.assert_array_equal(conform(frame, ["took"], [], readings), table)
    np.testing.assert_array_equal(conform(table, ["took"], [], readings), table)  # days are days already
    assert "must hold durations; 'long' (row 0) is none" in message(
        lambda: conform(pd.DataFrame({"took": ["long"]}), ["took"], [], readings)
    )


def test_missing_and_long_durations() -> None:
    found = clean(pd.DataFrame({"took": pd.Series([timedelta.max, None, timedelta(1)], dtype=object)})).x[
        "took"
    ]
    assert found.tolist()[0] == pytest.approx(1e9)
    assert np.isnan(found[1])


@pytest.mark.parametrize("kind", [None, pa.time32("s"), pa.time32("ms"), pa.time64("us")])
def test_times_of_day_are_hours(kind: Any) -> None:
    times = [time(0, 0), time(13, 30), None, time(23, 59, 59)]
    frame = pd.DataFrame({"at": pd.Series(times, dtype=object) if kind is None else arrow(times, kind)})
    table, readings, notes = clean(frame)
    np.testing.assert_allclose(table["at"], [0, 13.5, np.nan, 24 - 1 / 3600])
    assert notes == ("column 'at': times of day in hours",)
    np.testing.assert_array_equal(conform(frame, ["at"], [], readings), table)


# Whole tasks


def test_a_model_takes_dates_of_any_form(tmp_path: Path) -> None:
    days = [date(1500 + 17 * i, 1 + i % 12, 1 + i % 28) for i in range(60)]
    y = np.arange(60) % 2
    task = make_task(from_arrays(pd.DataFrame({"when": days, "n": np.arange(60.0)}), y))
    inputs = Inputs.from_json(task.blueprint.inputs(0, whole=True).as_json())
    expected = inputs(pd.DataFrame({"when": days, "n": np.arange(60.0)}))
    assert np.isfinite(expected).all()
    for form in ANY_YEAR.values():
        np.testing.assert_array_equal(
            inputs(pd.DataFrame({"when": form(days), "n": np.arange(60.0)})), expected
        )
    assert np.isfinite(inputs(inputs.example())).all()
    pd.DataFrame({"when": days, "n": np.arange(60.0), "y": y}).to_parquet(tmp_path / "t.parquet")
    for stream in (True, False):
        again = make_task(read_data(str(tmp_path / "t.parquet"), target="y", stream=stream))
        np.testing.assert_array_equal(again.fold(0).train.x.shape[1], task.fold(0).train.x.shape[1])


def test_an_example_may_be_far_out() -> None:
    days = [*FAR, date(9999, 12, 30)] * 4
    task = make_task(from_arrays(pd.DataFrame({"when": days}), np.arange(len(days)) % 2))
    inputs = task.blueprint.inputs(0, whole=True)
    assert np.isfinite(inputs(inputs.example())).all()


def test_targets_are_no_dates() -> None:
    days = [date(1900 + i, 1, 1) for i in range(60)]
    for form in ANY_YEAR.values():
        told = message(lambda form=form: from_arrays(np.arange(60.0), pd.Series(form(days), name="y")))
        assert told.startswith("y holds ")
        assert "give numbers" in told
    for took in (timedelta(1), np.timedelta64(1, "D")):
        told = message(lambda took=took: from_arrays(np.arange(60.0), pd.Series([took] * 60, dtype=object)))
        assert told.startswith("y holds ")
    few = [d.isoformat() for d in days[:2]] * 30  # classes may be called by dates
    assert make_task(from_arrays(np.random.default_rng(0).normal(size=60), few)).kind == "binary"


def test_rows_are_ordered_by_dates_of_any_year() -> None:
    days = [date(9999 - 100 * i, 1, 1) for i in range(60)]
    for form in ANY_YEAR.values():
        found = from_arrays(np.arange(60.0), np.arange(60) % 2, time=pd.Series(form(days))).time
        assert (np.diff(found) < np.timedelta64(0)).all()
    assert "time holds neither numbers nor dates" in message(
        lambda: from_arrays(np.arange(60.0), np.arange(60) % 2, time=["2023-02-30"] * 60)
    )
