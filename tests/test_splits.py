"""Which rows go where: drawn once for test, by seed inside the rest, whole groups, time order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossearch.data.splits import Labels, Splits, make_splits, parts_by_rows
from lossearch.errors import InputError

SEEDS = range(6)


def message(call: Callable[[], object]) -> str:
    with pytest.raises(InputError) as caught:
        call()
    return str(caught.value)


def parts(splits: Splits, seed: int) -> list[np.ndarray[Any, Any]]:
    return [*splits.rows(seed), splits.test]


def test_sizes_of_a_thousand_rows() -> None:
    splits = make_splits(Labels(1000))
    assert [len(p) for p in parts(splits, 0)] == [600, 200, 200]
    assert splits.words == (
        "test part 20% of the rows, drawn at random; validation part 25% of the rest, drawn at random"
    )


@given(
    n=st.integers(50, 200),
    classes=st.integers(0, 4),
    test=st.sampled_from([None, False, 0.1, 0.3]),
    validation=st.sampled_from([None, 0.2, 0.5]),
    seed=st.integers(0, 2**40),
)
@settings(max_examples=60)
def test_parts_cover_every_row_once_and_keep_proportions(
    n: int, classes: int, test: bool | float | None, validation: float | None, seed: int
) -> None:
    strata = np.arange(n) % classes if classes > 1 else None
    splits = make_splits(Labels(n, strata), test=test, validation=validation, seed=seed)
    for replicate in (0, 1, 2**50):
        found = parts(splits, replicate)
        assert np.array_equal(np.sort(np.concatenate(found)), np.arange(n))
        assert all((np.diff(p) > 0).all() for p in found)
        if strata is not None:
            for p in found:
                counts = np.bincount(strata[p], minlength=classes)
                assert not len(p) or np.ptp(counts) <= 3


def test_the_test_part_is_drawn_once_and_the_rest_by_seed() -> None:
    labels = Labels(200, np.arange(200) % 2)
    splits = make_splits(labels, seed=7)
    drawn = [splits.rows(s)[1].tolist() for s in SEEDS]
    assert len({tuple(d) for d in drawn}) == len(SEEDS)
    assert not set(splits.test) & {row for d in drawn for row in d}
    again = make_splits(labels, seed=7)
    assert np.array_equal(again.test, splits.test)
    assert [again.rows(s)[1].tolist() for s in reversed(SEEDS)] == drawn[::-1]
    assert not np.array_equal(make_splits(labels, seed=8).test, splits.test)


@given(st.integers(0, 1000), st.booleans())
@settings(max_examples=30)
def test_groups_are_never_divided(seed: int, by_class: bool) -> None:
    g = np.random.default_rng(seed)
    groups = g.integers(0, 25, 200)
    strata = g.integers(0, 2, 200) if by_class else None
    splits = make_splits(Labels(200, strata, groups), seed=seed)
    for replicate in range(3):
        found = [set(groups[p]) for p in parts(splits, replicate)]
        assert not (found[0] & found[1])
        assert not (found[0] & found[2])
        assert not (found[1] & found[2])
        assert all(found)


def test_later_rows_are_for_validation_and_test() -> None:
    time = np.random.default_rng(0).permutation(100)
    splits = make_splits(Labels(100, np.arange(100) % 2, time=time))
    train, validation, test = (time[p] for p in parts(splits, 0))
    assert train.max() < validation.min()
    assert validation.max() < test.min()
    assert [len(p) for p in parts(splits, 5)] == [60, 20, 20]
    assert not splits.by_seed
    assert np.array_equal(splits.rows(1)[0], splits.rows(2)[0])


def test_rows_of_one_time_are_never_divided() -> None:
    time = np.repeat(np.arange(12), 10)
    found = parts(make_splits(Labels(120, time=time)), 0)
    assert [sorted(set(time[p])) for p in found] == [list(range(6)), [6, 7, 8], [9, 10, 11]]
    assert message(lambda: make_splits(Labels(120, time=np.zeros(120)))) == (
        "The test part cannot be the latest rows: too many rows bear the same time."
    )


def test_given_parts_are_used_as_they_are() -> None:
    given_parts = parts_by_rows({"train": "0:50", "validation": "50:80", "test": "90:"}, 100)
    splits = make_splits(Labels(100), given=given_parts)
    for seed in SEEDS:
        train, validation = splits.rows(seed)
        assert train.tolist() == list(range(50))
        assert validation.tolist() == list(range(50, 80))
    assert splits.test.tolist() == list(range(90, 100))
    assert splits.words == "test part as given; validation part as given"


def test_what_is_not_given_is_drawn_from_the_rest() -> None:
    only_test = make_splits(Labels(100), given={"test": np.arange(80, 100)})
    assert sorted(np.concatenate(only_test.rows(3))) == list(range(80))
    only_validation = make_splits(Labels(100), given={"validation": np.arange(80, 100)})
    assert only_validation.rows(3)[1].tolist() == list(range(80, 100))
    assert len(only_validation.test) == 16
    train_and_test = make_splits(Labels(100), given={"train": np.arange(60), "test": np.arange(60, 80)})
    assert sorted(np.concatenate(train_and_test.rows(3))) == list(range(60))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ({"train": "0-50"}, "Rows of the train part: '0-50' is not a range such as '0:500'."),
        ({"train": "0:500"}, "Rows of the train part: '0:500' goes past the last of 100 rows."),
        ({"train": "50:50"}, "Rows of the train part: '50:50' holds no rows."),
        ({"validation": "0:50"}, "Given rows name no training part: add train = 'first:last'."),
        (
            {"train": "0:50", "valid": "50:60"},
            "No part named 'valid'. Did you mean 'validation'? Known: train, validation, test.",
        ),
        (
            {"train": "0:50", "validation": "40:60"},
            "10 rows are in both the train and the validation part; parts may not overlap.",
        ),
        ({"train": "0:50", "validation": "50:51"}, "The validation part has 1 rows; 2 or more are needed."),
    ],
)
def test_wrong_row_ranges(rows: dict[str, str], expected: str) -> None:
    assert message(lambda: make_splits(Labels(100), given=parts_by_rows(rows, 100))) == expected


ORDERED = np.repeat(np.arange(4), 25)


@pytest.mark.parametrize(
    ("labels", "options", "expected"),
    [
        (Labels(8), {}, "8 rows are too few to draw a test part from: 10 or more are needed."),
        (Labels(11), {}, "8 rows are too few to draw a validation part from: 10 or more are needed."),
        (
            Labels(20, np.arange(20) % 10),
            {},
            "A test part of 20% of 20 rows has 4 rows, fewer than the 10 classes. Give more rows or another share.",
        ),
        (
            Labels(60, np.array([0] * 58 + [1, 1]), classes=("no", "yes")),
            {"test": 0.5},
            "Class 'yes' has a single row left to draw a validation part from: it needs 2 or more.",
        ),
        (Labels(100), {"test": 1.5}, "The test part's share must lie between 0 and 1; got 1.5."),
        (Labels(100), {"validation": 0.0}, "The validation part's share must lie between 0 and 1; got 0."),
        (
            Labels(100, groups=ORDERED),
            {},
            "4 groups are too few to draw a test part of 20%: 5 or more are needed.",
        ),
        (
            Labels(100, np.arange(100) // 90, np.arange(100) // 10),
            {},
            (
                "No test part of whole groups leaves every class among the other rows: some class lies in one "
                "group only."
            ),
        ),
        (
            Labels(20, np.arange(20) % 5, np.arange(20)),
            {},
            "No class has the 5 rows that a test part of 20% by groups needs.",
        ),
        (
            Labels(100, groups=ORDERED, time=np.arange(100)),
            {},
            "Rows can be split by group or by time, not both: give one of groups and time.",
        ),
        (
            Labels(100, ORDERED, classes=("a", "b", "c", "d")),
            {"given": {"train": np.arange(40), "validation": np.arange(40, 100)}, "test": False},
            "The validation part holds classes that the training part lacks: 'c', 'd'.",
        ),
        (
            Labels(100, ORDERED // 2),
            {"given": {"train": np.arange(20), "validation": np.arange(20, 40)}, "test": False},
            "The training part holds one class only: there is nothing to learn.",
        ),
        (
            Labels(100, groups=ORDERED),
            {"given": {"train": np.arange(30), "validation": np.arange(30, 60)}, "test": False},
            "1 groups have rows in both the train and the validation part.",
        ),
    ],
)
def test_what_cannot_be_split(labels: Labels, options: dict[str, Any], expected: str) -> None:
    assert message(lambda: make_splits(labels, **options)) == expected
