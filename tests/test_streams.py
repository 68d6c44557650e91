"""Data that memory does not hold: read once an epoch for all replicates, with the same curves either way."""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from contracts.problems import NETWORKS, replicate, space_of
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, TensorDataset
from torch.utils.data import Dataset as TorchDataset

from lossearch._random import seeded_build, stream
from lossearch.data import in_memory as datasets
from lossearch.data.parquet import from_parquet
from lossearch.data.rows import ConcatRows, HeldRows
from lossearch.data.sources import Dataset, as_dataset, from_arrays, read_data
from lossearch.errors import InputError
from lossearch.pairs import Criterion, find_pair
from lossearch.tasks import streams
from lossearch.tasks.build import make_task
from lossearch.tasks.task import Part, Task
from lossearch.training.batches import batch_sizes
from lossearch.training.contract import Replicate, ReplicateResult, TrainSettings
from lossearch.training.plain.train import train_plain
from lossearch.training.population import minibatches as feeding
from lossearch.training.population.memory import MemoryTracker
from lossearch.training.population.method import train_population

N = 300
_DRAW = np.random.default_rng(0)
X = _DRAW.normal(size=(N, 3))
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(np.int64)
SETTINGS = TrainSettings(3, 32, "sgd", {"momentum": 0.9}, precision="64-true", epoch="last")


def message(call: Callable[[], object], error: type[Exception] = InputError) -> str:
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


# Sources


class Rows(TorchDataset):
    """Items by number, counted as they are read."""

    def __init__(self, x: np.ndarray = X, y: np.ndarray = Y) -> None:
        self.x, self.y = x, y
        self.reads: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.int64]:
        self.reads[i] += 1
        return self.x[i], self.y[i]


class Lines(IterableDataset):
    """Items one after another."""

    def __init__(self, x: np.ndarray = X, y: np.ndarray = Y, *, shuffles: bool = False) -> None:
        self.x, self.y, self.shuffles, self.passes = x, y, shuffles, 0

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.int64]]:
        order = (
            np.random.default_rng(self.passes).permutation(len(self.x))
            if self.shuffles
            else range(len(self.x))
        )
        self.passes += 1
        yield from ((self.x[i], self.y[i]) for i in order)


def table() -> pd.DataFrame:
    return pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=Y)


def _held(path: Path) -> Dataset:
    return from_arrays(X, Y, stream=True)


def _mapped(path: Path) -> Dataset:
    np.save(path / "x.npy", X)
    return from_arrays(np.load(path / "x.npy", mmap_mode="r"), Y, stream=True)


def _parquet(path: Path) -> Dataset:
    table().to_parquet(path / "t.parquet", row_group_size=70)
    return read_data(str(path / "t.parquet"), target="y", stream=True)


def _map_style(path: Path) -> Dataset:
    return as_dataset(Rows())


def _iterable(path: Path) -> Dataset:
    return as_dataset(Lines())


def _three_parts(path: Path) -> Dataset:
    cuts = slice(0, 200), slice(200, 250), slice(250, N)
    return as_dataset([Rows(X[c], Y[c]) for c in cuts])


def _mixed_parts(path: Path) -> Dataset:
    return as_dataset({"validation": Rows(X[200:], Y[200:]), "train": Lines(X[:200], Y[:200])})


SOURCES = [_held, _mapped, _parquet, _map_style, _iterable, _three_parts, _mixed_parts]


def named(source: Callable[[Path], Dataset]) -> str:
    return source.__name__.strip("_")


def plainly(dataset: Dataset, **options: Any) -> Task:
    """Return a task whose inputs are the data's own numbers."""
    return make_task(dataset, scale=False, dtype=torch.float64, **options)


def epoch(task: Task, number: int = 0, size: int = 32, seed: int = 0) -> list[Part]:
    fold = task.fold(seed)
    assert fold.stream is not None
    return list(fold.stream.batches(number, batch_sizes(fold.train_rows, size)))


def numbers(batches: list[Part]) -> list[int]:
    return [int(i) for b in batches for i in b.rows]


@pytest.mark.parametrize("source", SOURCES, ids=named)
def test_an_epoch_has_every_training_row_once_as_the_data_have_it(source, tmp_path) -> None:
    task = plainly(source(tmp_path))
    fold, test = task.fold(0), task.test(0)
    batches = epoch(task)
    assert [len(b) for b in batches] == batch_sizes(task.sizes["train"], 32)
    read = numbers(batches)
    assert sorted([*read, *fold.validation.rows, *test.rows]) == list(range(N))
    assert task.sizes == {"train": len(read), "validation": len(fold.validation), "test": len(test)}
    for part in (*batches, fold.validation, fold.train, test):
        np.testing.assert_array_equal(part.x.numpy(), X[part.rows])
        np.testing.assert_array_equal(part.y.numpy()[:, 0], Y[part.rows])


@pytest.mark.parametrize("source", SOURCES, ids=named)
def test_the_order_is_one_an_epoch_whatever_the_seed_and_the_batch_size(source, tmp_path) -> None:
    task = plainly(source(tmp_path))
    first = numbers(epoch(task))
    assert first == numbers(epoch(task, seed=7)) == numbers(epoch(task, size=11))
    assert first != numbers(epoch(task, 1)) == numbers(epoch(task, 1))
    assert sum(i == j for i, j in zip(first, sorted(first), strict=True)) < len(first) / 4
    assert first != numbers(epoch(plainly(source(tmp_path), seed=1)))


def test_given_parts_are_used_as_they_are(tmp_path) -> None:
    task = plainly(_three_parts(tmp_path))
    assert task.fold(0).validation.rows.tolist() == list(range(200, 250))
    assert task.test(0).rows.tolist() == list(range(250, N))
    assert task.sizes["train"] == 200


def test_parts_of_a_stream_are_those_that_the_study_s_seed_would_draw_in_memory(tmp_path) -> None:
    streamed, held = plainly(_parquet(tmp_path), seed=5), plainly(from_arrays(X, Y), seed=5)
    assert streamed.test(3).rows.tolist() == held.test(3).rows.tolist()
    assert streamed.fold(3).validation.rows.tolist() == held.fold(5).validation.rows.tolist()
    assert streamed.digest != held.digest


def test_groups_are_kept_whole(tmp_path) -> None:
    group = np.arange(N) // 10
    table().assign(g=group).to_parquet(tmp_path / "t.parquet", row_group_size=70)
    task = make_task(read_data(str(tmp_path / "t.parquet"), target="y", groups="g", stream=True))
    parts = [numbers(epoch(task)), task.fold(0).validation.rows, task.test(0).rows]
    groups = [set(group[np.asarray(part)]) for part in parts]
    assert sum(map(len, groups)) == len(set().union(*groups)) == 30
    assert task.test(0).groups.tolist() == group[task.test(0).rows].tolist()


def _noisy(path: Path) -> Dataset:
    return as_dataset(Noisy())


@pytest.mark.parametrize("source", [_held, _parquet, _noisy], ids=named)
def test_reading_ahead_changes_nothing(source, tmp_path) -> None:
    dataset = source(tmp_path)
    for ahead, now in zip(epoch(plainly(dataset, readers=1)), epoch(plainly(dataset)), strict=True):
        assert torch.equal(ahead.x, now.x)
        assert ahead.rows.tolist() == now.rows.tolist()


@pytest.mark.parametrize("source", SOURCES, ids=named)
def test_rows_are_read_in_the_order_asked(source, tmp_path) -> None:
    asked = np.array([250, 3, 299, 3, 77])
    np.testing.assert_array_equal(np.asarray(source(tmp_path).x.read(asked)), X[asked])


class Noisy(Rows):
    """Items that are changed at random as they are read."""

    def __getitem__(self, i: int) -> tuple[Tensor, np.int64]:
        return torch.as_tensor(self.x[i]) + torch.rand(3), self.y[i]


def test_random_changes_are_the_epoch_s_own(random_states) -> None:
    task = plainly(as_dataset(Noisy()))
    torch.rand(1)
    before = random_states()
    again, other = epoch(task), epoch(task, 1)
    for a, b in zip(epoch(task), again, strict=True):
        assert torch.equal(a.x, b.x)
    assert random_states() == before
    a, b = ({int(r): x for part in e for r, x in zip(part.rows, part.x, strict=True)} for e in (again, other))
    assert not any(torch.equal(a[r], b[r]) for r in a)


@given(
    pieces=st.lists(st.integers(1, 9), min_size=1, max_size=9),
    cuts=st.lists(st.integers(1, 80), max_size=5),
)
def test_pieces_of_any_size_are_cut_into_batches_of_any_size(pieces: list[int], cuts: list[int]) -> None:
    total = sum(pieces)
    ends = [*sorted({c for c in cuts if c < total}), total]
    sizes = np.diff([0, *ends]).tolist()
    x = torch.arange(total)
    parts = [Part(p, -p, p.numpy()) for p in x.split(pieces)]
    found = list(streams.cut(iter(parts), sizes))
    assert [len(p) for p in found] == sizes
    assert torch.equal(torch.cat([p.x for p in found]), x)
    assert torch.equal(torch.cat([p.y for p in found]), -x)
    assert np.concatenate([p.rows for p in found]).tolist() == x.tolist()


# Training


def grid(*names: str, seeds: tuple[int, ...] = (0, 1)) -> list[Replicate]:
    return [replicate(find_pair(n, "binary"), lr, s) for n in names for lr in (0.01, 0.1) for s in seeds]


def trained(trains: Any, task: Task, replicates: list[Replicate], settings: TrainSettings = SETTINGS):
    return list(trains(task, space_of(task), replicates, settings, keep_weights=True))


def alike(ours: list[ReplicateResult], theirs: list[ReplicateResult]) -> None:
    for a, b in zip(ours, theirs, strict=True):
        assert (a.outcome, a.reason, a.error) == (b.outcome, b.reason, b.error) == ("completed", "", "")
        assert a.curves.keys() == b.curves.keys()
        for name, curve in a.curves.items():
            both = np.isfinite(curve) & np.isfinite(b.curves[name])
            assert both[-1]
            np.testing.assert_allclose(curve[both], b.curves[name][both], rtol=1e-8, atol=1e-10, err_msg=name)
        for name, weight in (a.weights or {}).items():
            torch.testing.assert_close(weight, b.weights[name], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    "network",
    [
        "dropout",
        "batchnorm",
        "convolution",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("mlp", "residual", "nested", "image")),
    ],
)
def test_both_ways_of_training_give_the_same_curves(network: str) -> None:
    factory, change = NETWORKS[network]
    x, y = change(torch.as_tensor(X), torch.as_tensor(Y))
    task = plainly(as_dataset(TensorDataset(x, y)), model=factory)
    ours = grid("bce/sigmoid")[:3] + grid("hinge/tanh")[1:2]
    settings = replace(SETTINGS, epochs=2)
    alike(trained(train_population, task, ours, settings), trained(train_plain, task, ours, settings))


def test_training_is_what_a_loop_by_hand_over_the_stream_does(tmp_path) -> None:
    task = plainly(_parquet(tmp_path), model=NETWORKS["dropout"][0])
    (one,) = grid("bce/sigmoid", seeds=(4,))[:1]
    network = seeded_build(lambda: task.network(1), 4).double()
    criterion = Criterion(find_pair("bce/sigmoid", "binary"), None, task.fold(4).statistics).double()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    losses, step = [], 0
    for number in range(SETTINGS.epochs):
        network.train()
        total = 0.0
        for part in epoch(task, number):
            torch.manual_seed(stream(4, "step", step))
            optimizer.zero_grad()
            loss = criterion(network(part.x), part.y)
            loss.backward()
            optimizer.step()
            step, total = step + 1, total + loss.item() * len(part)
        losses.append(total / task.sizes["train"])
    (result,) = trained(train_population, task, [one])
    np.testing.assert_allclose(result.curves["train_loss"], losses, rtol=1e-10)


def test_one_read_feeds_every_replicate_of_a_population() -> None:
    rows = Rows()
    task = plainly(as_dataset([rows, Rows(X[:50], Y[:50]), Rows(X[50:90], Y[50:90])]))
    task.fold(0), rows.reads.clear()
    trained(train_population, task, grid("bce/sigmoid", "hinge/tanh", seeds=(0, 1, 2)))
    assert set(rows.reads.values()) == {SETTINGS.epochs}
    assert len(rows.reads) == N
    rows.reads.clear()
    trained(train_plain, task, grid("bce/sigmoid", seeds=(0,)))
    assert set(rows.reads.values()) == {2 * SETTINGS.epochs}


def test_a_few_batches_at_most_are_held() -> None:
    class Heavy(Rows):
        """Items of 64 KiB that say when they are gone."""

        def __init__(self, n: int) -> None:
            super().__init__(np.arange(n, dtype=np.float32)[:, None], np.arange(n) % 2)
            self.live = self.most = 0

        def __getitem__(self, i: int) -> tuple[np.ndarray, np.int64]:
            item = np.full((1, 128, 128), self.x[i, 0], dtype=np.float32)
            self.live += 1
            self.most = max(self.most, self.live)
            weakref.finalize(item, self._gone)
            return item, self.y[i]

        def _gone(self) -> None:
            self.live -= 1

    def peaks(n: int) -> tuple[int, int]:
        """Return the most items and the most bytes of tensors alive while a population trains on n rows."""
        heavy = Heavy(n)
        task = make_task(as_dataset([heavy, Heavy(20), Heavy(20)]), held_rows=20, hidden=[2])
        task.fold(0), gc.collect()
        heavy.most = heavy.live
        ours = [replicate(find_pair("bce/sigmoid", "binary"), lr, s) for lr in (0.01, 0.1) for s in range(4)]
        with MemoryTracker() as tracker:
            list(train_population(task, space_of(task), ours, TrainSettings(1, 32)))
        return heavy.most, tracker.peak

    items, bytes_ = peaks(256)
    few_items, few_bytes = peaks(128)
    assert items == few_items <= 64
    assert bytes_ < few_bytes + 2**20


def test_gathering_in_pieces_changes_no_bit(monkeypatch) -> None:
    task = make_task(from_arrays(X, Y), dtype=torch.float64)
    ours = grid("bce/sigmoid", "mse/sigmoid")
    whole = trained(train_population, task, ours)
    monkeypatch.setattr(feeding, "GATHER_BYTES", 1)
    for a, b in zip(whole, trained(train_population, task, ours), strict=True):
        assert {k: v.tolist() for k, v in a.curves.items()} == {k: v.tolist() for k, v in b.curves.items()}
        assert all(torch.equal(w, b.weights[n]) for n, w in a.weights.items())


# What user's objects give


class Module(pl.LightningDataModule):
    """Parts of its own, each by a loader."""

    def __init__(self, **loader: Any) -> None:
        super().__init__()
        self.loader = loader

    def setup(self, stage: str) -> None:
        cuts = {"fit": (slice(0, 200), slice(200, 250)), "test": (slice(250, N),)}[stage]
        for name, cut in zip({"fit": ("a", "b"), "test": ("c",)}[stage], cuts, strict=True):
            setattr(self, name, TensorDataset(torch.as_tensor(X[cut]), torch.as_tensor(Y[cut])))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.a, batch_size=7, **{"shuffle": True, **self.loader})

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.b, batch_size=50)


class WithTest(Module):
    """With a test part."""

    def test_dataloader(self) -> DataLoader:
        return DataLoader(self.c, batch_size=50)


def test_a_data_module_s_loaders_say_what_the_parts_are() -> None:
    task = plainly(as_dataset(WithTest()))
    assert task.sizes == {"train": 200, "validation": 50, "test": 50}
    for part in (*epoch(task), task.fold(0).validation, task.test(0)):
        np.testing.assert_array_equal(part.x.numpy(), X[part.rows])
    assert plainly(as_dataset(Module())).sizes == {"train": 160, "validation": 50, "test": 40}


def test_the_collate_function_of_a_loader_is_used() -> None:
    def doubled(items: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        return 2 * torch.stack([x for x, _ in items]), torch.stack([y for _, y in items])

    (part, *_) = epoch(plainly(as_dataset(Module(collate_fn=doubled))))
    np.testing.assert_array_equal(part.x.numpy(), 2 * X[part.rows])


def test_batches_of_an_iterable_are_taken_as_they_are() -> None:
    class Batched(IterableDataset):
        def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
            yield from ((X[i : i + 40], Y[i : i + 40]) for i in range(0, 200, 40))

    class Own(Module):
        def train_dataloader(self) -> DataLoader:
            return DataLoader(Batched(), batch_size=None)

    (part, *_) = epoch(plainly(as_dataset(Own())))
    np.testing.assert_array_equal(part.x.numpy(), X[part.rows])


def test_streams_can_be_read_into_memory_instead(tmp_path) -> None:
    dataset = as_dataset(Rows(), stream=False)
    np.testing.assert_array_equal(dataset.x, X)
    assert make_task(dataset).fold(0).stream is None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            [1, 2],
            (
                "data is a list; give a name or a path, a table, a Hugging Face data set, torch data sets, a Lightning data "
                "module, or arrays as X and y."
            ),
        ),
        ({"train": Rows(), "dev": Rows()}, "mine gives a part 'dev'; parts are train, validation, test."),
        ({"validation": Rows()}, "mine has no training part; it gives validation."),
        ([Rows(), Rows(X[:, :2])], "The parts of mine have different shapes: (3,), (2,)."),
        (TensorDataset(torch.as_tensor(X)), "mine gives items of 1 things; each must be (inputs, target)."),
        (
            Rows(np.where(np.arange(N)[:, None] == 70, np.inf, X)),
            "mine, counted from row 64: X holds infinite values (row 6).",
        ),
        (Lines(X[:0], Y[:0]), "mine gives no rows."),
    ],
)
def test_objects_that_are_no_data_are_refused(data: Any, expected: str) -> None:
    assert message(lambda: as_dataset(data, "mine")) == expected


def test_an_iterable_that_gives_other_rows_each_time_is_refused() -> None:
    task = plainly(as_dataset([Rows(X[:40], Y[:40]), Rows(X[40:80], Y[40:80]), Rows(X[80:], Y[80:])]))
    assert epoch(task)
    assert message(lambda: plainly(as_dataset(Lines(shuffles=True), "lines"))) == (
        "lines gave other rows, or another order, than in its first pass. It must give the same rows each time; "
        "they are shuffled here."
    )


# Bounds


def test_only_a_sample_of_the_training_rows_is_held(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(streams, "SAMPLE_ROWS", 40)
    task = make_task(_parquet(tmp_path), dtype=torch.float64)
    fold = task.fold(0)
    assert len(fold.train) == 40
    assert set(fold.train.rows) < set(numbers(epoch(task)))
    np.testing.assert_allclose(fold.train.x.mean(0), np.zeros(3), atol=1e-12)
    assert (
        "180 training rows are read batch by batch, in one order an epoch for every replicate (drawn from the "
        "study's seed): seeds vary weights and random layers only"
    ) in task.notes
    assert (
        "inputs are prepared by, and training metrics scored on, a fixed sample of 40 of the training rows"
        in (task.notes)
    )
    (result,) = trained(train_population, task, grid("bce/sigmoid", seeds=(0,))[:1])
    network = seeded_build(lambda: task.network(1), 0).double()
    network.load_state_dict(result.weights)
    said = network.eval()(fold.train.x).detach() > 0
    assert result.curves["train_accuracy"][-1] == pytest.approx((said == fold.train.y).double().mean().item())


def test_held_rows_bound_every_part(tmp_path) -> None:
    task = make_task(_three_parts(tmp_path), held_rows=30)
    fold = task.fold(0)
    assert (len(fold.train), len(fold.validation), len(task.test(0))) == (30, 30, 30)
    assert fold.train_rows == task.sizes["train"] == 200
    assert set(fold.validation.rows) < set(range(200, 250))
    assert task.digest != make_task(_three_parts(tmp_path)).digest


def test_drawn_parts_are_no_larger_than_what_is_held(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(streams, "HELD_ROWS", 30)
    assert make_task(_parquet(tmp_path)).sizes == {"train": 243, "validation": 27, "test": 30}
    assert make_task(_parquet(tmp_path), test=0.5).sizes["test"] == 150


def test_a_part_too_large_to_be_held_is_refused(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(streams, "HELD_BYTES", 1000)
    expected = (
        "The validation part has 50 rows of 24 bytes, 1.2 KiB; it is held in memory to be scored, in 1000 bytes at "
        "most. Set held_rows = 41 in [task] to score a fixed sample of so many rows, or give a smaller part."
    )
    assert message(lambda: plainly(_three_parts(tmp_path))) == expected
    assert len(plainly(_three_parts(tmp_path), held_rows=41).fold(0).validation) == 41


def test_options_of_streams_are_refused_elsewhere() -> None:
    words = "is for data that are streamed: add stream = true, or leave it out."
    assert message(lambda: make_task(from_arrays(X, Y), held_rows=5)) == f"held_rows {words}"
    assert message(lambda: make_task(from_arrays(X, Y), readers=2)) == f"readers {words}"


def test_large_files_and_mapped_arrays_are_streamed_unasked(monkeypatch, tmp_path) -> None:
    table().to_parquet(tmp_path / "t.parquet")
    np.save(tmp_path / "x.npy", X)

    def streamed() -> list[bool]:
        mapped = from_arrays(np.load(tmp_path / "x.npy", mmap_mode="r"), Y)
        file = read_data(str(tmp_path / "t.parquet"), target="y")
        return [isinstance(mapped.x, HeldRows), not isinstance(file.x, pd.DataFrame)]

    assert streamed() == [False, False]
    monkeypatch.setattr(datasets, "STREAM_BYTES", 1000)
    monkeypatch.setattr("lossearch.data.sources.STREAM_BYTES", 1000)
    assert streamed() == [True, True]


def test_a_mapped_array_travels_by_its_file(tmp_path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((100_000, 3)))
    rows = HeldRows(np.load(tmp_path / "x.npy", mmap_mode="r+"))
    sent = bytes(ForkingPickler.dumps(rows))
    assert len(sent) < 1000
    np.save(tmp_path / "x.npy", np.ones((100_000, 3)))
    assert ForkingPickler.loads(sent).read(np.array([99_999])).tolist() == [[1, 1, 1]]


def test_mapped_arrays_are_looked_through(tmp_path) -> None:
    np.save(tmp_path / "x.npy", np.where(np.arange(N)[:, None] == 70, np.inf, X))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    expected = "X, counted from row 0: X holds infinite values (row 70)."
    assert message(lambda: from_arrays(x, Y, stream=True)) == expected


def test_given_parts_of_mapped_arrays(tmp_path) -> None:
    np.save(tmp_path / "x.npy", X)
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    dataset = from_arrays(
        x[:200], Y[:200], validation=(X[200:250], Y[200:250]), test=(x[250:], Y[250:]), stream=True
    )
    assert isinstance(dataset.x, ConcatRows)
    task = plainly(dataset)
    assert task.fold(0).validation.rows.tolist() == list(range(200, 250))
    for part in (*epoch(task), task.fold(0).validation, task.test(0)):
        np.testing.assert_array_equal(part.x.numpy(), X[part.rows])


# Parquet files


def write(frame: pd.DataFrame, path: Path, rows: int = 50) -> Path:
    frame.to_parquet(path / "t.parquet", row_group_size=rows)
    return path / "t.parquet"


def test_columns_of_every_kind_are_what_they_are_in_memory(tmp_path) -> None:
    n = 200
    draw = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "size": np.where(draw.random(n) < 0.1, np.nan, draw.normal(size=n)),
            "town": draw.choice(["Ulm", "Bonn", None], n),
            "day": pd.date_range("2024-01-01", periods=n),
            "written": pd.date_range("2020-01-01", periods=n).strftime("%Y-%m-%d"),
            "kind": pd.Categorical(draw.choice(["x", "y"], n)),
            "member": pd.array(draw.choice([True, False, None], n), dtype="boolean"),
            "count": draw.integers(0, 9, n),
            "bought": draw.choice(["no", "yes"], n),
        }
    )
    path = str(write(frame, tmp_path))
    held, read = (make_task(read_data(path, target="bought", stream=s)) for s in (False, True))
    assert read.test(0).x.shape == held.test(0).x.shape
    torch.testing.assert_close(read.test(0).x, held.test(0).x, rtol=0, atol=0)
    for part in epoch(read):
        place = np.searchsorted(held.fold(0).train.rows, part.rows)
        torch.testing.assert_close(part.x, held.fold(0).train.x[place], rtol=0, atol=0)
        assert torch.equal(part.y, held.fold(0).train.y[place])
    assert (read.classes, read.kind, read.target) == (held.classes, held.kind, held.target)


def test_several_targets_and_an_index_are_known(tmp_path) -> None:
    frame = pd.DataFrame(X, columns=["a", "b", "c"], index=pd.Index(range(N), name="id"))
    dataset = from_parquet(write(frame, tmp_path), target="b, c")
    np.testing.assert_array_equal(dataset.y, X[:, 1:])
    np.testing.assert_array_equal(np.asarray(dataset.x.read(np.arange(5))), X[:5, :1])


def test_row_groups_that_hold_something_else_are_told(tmp_path) -> None:
    late = ["2024-01-05"] * 50 + ["soon"] * 50
    path = write(pd.DataFrame({"when": late, "y": [0, 1] * 50}), tmp_path)
    assert message(lambda: make_task(from_parquet(path, target="y"))) == (
        "t.parquet, row group 1: Column 'when' must hold dates; 'soon' in row 0 is none, and 49 more cells. Write "
        "dates as 2024-01-31, and leave cells empty whose date is missing."
    )


def test_row_groups_too_large_to_be_read_are_refused(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("lossearch.data.parquet.GROUP_BYTES", 2400)
    path = write(table(), tmp_path, rows=200)
    assert message(lambda: from_parquet(path, target="y")) == (
        "t.parquet has a row group of 200 rows, 4.7 KiB, and groups are read whole: write it with 100 rows a group or "
        "fewer (row_group_size=100 in DataFrame.to_parquet)."
    )
    assert len(from_parquet(write(table(), tmp_path, rows=100), target="y").x) == N


def test_parquet_files_that_cannot_be_streamed_are_refused(tmp_path) -> None:
    (tmp_path / "bad.parquet").write_text("a,b")
    assert message(lambda: read_data(str(tmp_path / "bad.parquet"), target="b", stream=True)).startswith(
        "bad.parquet cannot be read: "
    )
    path = str(write(table(), tmp_path))
    assert message(lambda: read_data(path, target="z", stream=True)) == (
        "t.parquet has no column 'z'. Columns: a, b, c, y."
    )
    only = write(table()[["y"]], tmp_path)
    assert message(lambda: read_data(str(only), target="y", stream=True)) == (
        "t.parquet has no column beside the target 'y': there is nothing to learn from."
    )


# A whole study


def test_a_study_of_a_streamed_file_from_the_command_line(tmp_path, capfd) -> None:
    from lossearch import cli

    path = write(table(), tmp_path)
    (tmp_path / "big.toml").write_text(
        f"""
        [task]
        data = "{path}"
        target = "y"
        stream = true
        held_rows = 60
        hidden = [4]
        [space]
        pairs = ["bce/sigmoid", "hinge/identity"]
        lr = [0.01, 0.1]
        [budget]
        trials = 10
        seeds = 2
        confirm_seeds = 2
        [train]
        epochs = 2
        batch_size = 32
        [records]
        mlflow = false
        """
    )
    command = ["run", str(tmp_path / "big.toml"), "--store", str(tmp_path / "store")]
    assert cli.invoke(command) == 0, capfd.readouterr().err
    out, err = capfd.readouterr()
    assert "one order an epoch for every replicate" in err + out
    assert "one by one" not in err
    assert cli.invoke(["report", "big", "--store", str(tmp_path / "store"), "--format", "json"]) == 0
    assert "bce/sigmoid" in capfd.readouterr().out
