"""Every kind of argument of ``search``: it is right, as its plain equivalent is, or refused in one sentence that names it."""

from __future__ import annotations

import array
import collections
import decimal
import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import pytorch_lightning as pl
import scipy.sparse as sp
import torch
import torch.nn.functional as F  # noqa: N812
import torchmetrics
from sklearn.datasets import load_iris
from sklearn.metrics import accuracy_score, f1_score
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import lossearch
from lossearch.data.in_memory import from_arrays
from lossearch.errors import InputError
from lossearch.records.store import Store
from lossearch.study.progress import Listener

RNG = np.random.default_rng(0)
N = 60
X = RNG.normal(size=(N, 3)).round(3)
X[RNG.random(X.shape) < 0.3] = 0.0
Y = (RNG.random(N) < 0.5).astype(np.int64)
NAMES = np.where(Y == 1, "yes", "no").astype(object)
LABELS = np.stack([Y, 1 - Y, RNG.integers(0, 2, N)], axis=1)
FRAME = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": NAMES})
HOLES = np.where(np.arange(3 * N).reshape(N, 3) % 17 == 0, np.nan, X)
QUICK: dict[str, Any] = {
    "trials": 5,
    "seeds": 1,
    "confirm_seeds": 0,
    "epochs": 1,
    "mlflow": False,
    "workers": 1,
}


class BegunError(Exception):
    """The study has begun."""


class UntilBegun(Listener):
    """Ends a study when everything has been accepted."""

    def started(self, total, resumed):
        raise BegunError


def digest(store, /, *args, **call):
    """Return the digest of the study that a call declares, with all that it depends on."""
    call = {"losses": "bce", "listener": UntilBegun(), "name": "study", "store": store, **QUICK, **call}
    with pytest.raises(BegunError):
        lossearch.search(*args, **call)
    return Store.open(call["store"]).read_study("study").digest


class Exports:
    """A table of another library, known by the Arrow interface alone."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


class Interchanges:
    """A table of another library, known by the dataframe interchange protocol alone."""

    def __init__(self, table):
        self._table = table

    def __dataframe__(self, **options):
        return self._table.__dataframe__(**options)


class Computes:
    """An array of another library, known by ``__array__`` alone."""

    def __init__(self, values):
        self._values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self._values, dtype=dtype)


MASKED = np.ma.array(X, mask=np.isnan(HOLES))
SPARSE = [
    f"{kind}_{form}"
    for kind in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
    for form in ("matrix", "array")
]
WHOLE = RNG.integers(0, 9, (N, 3))

SAME_X: dict[str, tuple[Any, Any]] = {
    **{f"scipy {form}": (getattr(sp, form)(X), X) for form in SPARSE},
    "np.matrix": (np.matrix(X), X),
    "masked array": (MASKED, HOLES),
    "masked array without masked cells": (np.ma.array(X), X),
    "masked whole numbers": (np.ma.array(WHOLE, mask=WHOLE == 4), np.where(WHOLE == 4, np.nan, WHOLE)),
    "torch sparse coo": (torch.as_tensor(X).to_sparse(), X),
    "torch sparse csr": (torch.as_tensor(X).to_sparse_csr(), X),
    "torch sparse csc": (torch.as_tensor(X).to_sparse_csc(), X),
    "torch with a gradient": (torch.as_tensor(X).requires_grad_(), X),
    "torch parameter": (nn.Parameter(torch.as_tensor(X)), X),
    "torch bfloat16": (torch.as_tensor(WHOLE).bfloat16(), WHOLE.astype(np.float32)),
    "torch transposed": (torch.as_tensor(X.T.copy()).T, X),
    "lists of lists": (X.tolist(), X),
    "tuples": (tuple(map(tuple, X)), X),
    "list of arrays": (list(X), X),
    "list of tensors": (list(torch.as_tensor(X)), X),
    "deque": (collections.deque(X.tolist()), X),
    "one column as array.array": (array.array("d", X[:, 0]), X[:, 0]),
    "range": (range(N), np.arange(N)),
    "numbers as objects": (X.astype(object), X),
    "whole numbers as objects": (WHOLE.astype(object), WHOLE.astype(float)),
    "decimals": (np.vectorize(decimal.Decimal)(X), pd.DataFrame(X)),
    "__array__": (Computes(X), X),
    "numbers as a Series": (pd.Series(X[:, 0]), X[:, 0]),
    "names as a Series": (pd.Series(NAMES, name="c"), FRAME[["c"]]),
    "names as lists": ([[a, b] for a, b in zip(X[:, 0].tolist(), NAMES, strict=True)], pd.DataFrame({"0": X[:, 0], "1": NAMES})),
    "text as an array": (NAMES[:, None].astype(str), pd.DataFrame({"0": NAMES})),
    "dates as an array": (pd.date_range("2024-01-01", periods=N).to_numpy()[:, None], pd.DataFrame({"0": pd.date_range("2024-01-01", periods=N)})),
    "record array": (FRAME.to_records(index=False), FRAME),
    "long doubles": (X.astype(np.longdouble), X),
    "records": (FRAME.to_dict("records"), FRAME),
    "None among numbers": (np.where(np.isnan(HOLES), None, HOLES).tolist(), HOLES),
    "dict of columns": ({"a": X[:, 0], "b": X[:, 1].tolist(), "c": pd.Series(NAMES)}, FRAME),
    "dict of tensors": ({"a": torch.as_tensor(X[:, 0]), "b": X[:, 1]}, FRAME[["a", "b"]]),
    "pyarrow table": (pa.Table.from_pandas(FRAME), FRAME),
    "pyarrow batch": (pa.RecordBatch.from_pandas(FRAME), FRAME),
    "arrow exporter": (Exports(pa.Table.from_pandas(FRAME)), FRAME),
    "interchange": (Interchanges(pa.table({"a": X[:, 0], "b": X[:, 1]})), FRAME[["a", "b"]]),
    "sparse DataFrame": (pd.DataFrame.sparse.from_spmatrix(sp.csr_matrix(X)), pd.DataFrame(X)),
    "nullable DataFrame": (pd.DataFrame(HOLES).convert_dtypes(), pd.DataFrame(HOLES)),
    "arrow-backed DataFrame": (FRAME.convert_dtypes(dtype_backend="pyarrow"), FRAME),
}  # fmt: skip
SAME_Y: dict[str, tuple[Any, Any]] = {
    **{f"scipy {form}": (getattr(sp, form)(Y[:, None]), Y) for form in SPARSE},
    "scipy labels": (sp.csr_matrix(LABELS), LABELS),
    "np.matrix": (np.matrix(Y).T, Y),
    "masked array without masked cells": (np.ma.array(Y), Y),
    "torch sparse": (torch.as_tensor(Y).to_sparse(), Y),
    "a column": (Y[:, None], Y),
    "list": (Y.tolist(), Y),
    "tuple": (tuple(Y.tolist()), Y),
    "list of tensors": (list(torch.as_tensor(Y)), Y),
    "whole numbers as objects": (Y.astype(object), Y.astype(float)),
    "Series": (pd.Series(Y, index=range(100, 100 + N)), Y),
    "DataFrame": (pd.DataFrame({"target": Y}), Y),
    "DataFrame of labels": (pd.DataFrame(LABELS), LABELS),
    "nullable Series": (pd.Series(Y, dtype="Int64"), Y),
    "nullable truth values": (pd.Series(Y == 1, dtype="boolean"), Y == 1),
    "categories": (pd.Categorical(NAMES), NAMES),
    "categories in a Series": (pd.Series(NAMES, dtype="category"), NAMES),
    "text array": (NAMES.astype(str), NAMES),
    "text of pandas": (pd.Series(NAMES, dtype="string"), NAMES),
    "pyarrow array": (pa.array(Y), Y),
    "pyarrow chunks": (pa.chunked_array([Y[:30], Y[30:]]), Y),
    "arrow exporter of one column": (Exports(pa.chunked_array([Y])), Y),
    "pyarrow table": (pa.table({"y": Y}), Y),
    "dict of one column": ({"y": Y}, Y),
    "Index": (pd.Index(Y), Y),
    "array.array": (array.array("q", Y), Y),
    "decimals": ([decimal.Decimal(int(v)) for v in Y], Y),
    "__array__": (Computes(Y), Y),
}


@pytest.mark.parametrize("form", SAME_X)
def test_every_form_of_x_is_its_plain_equivalent(form):
    odd, plain = SAME_X[form]
    found, expected = from_arrays(odd, Y), from_arrays(plain, Y)
    assert found.digest == expected.digest


@pytest.mark.parametrize("form", SAME_Y)
def test_every_form_of_y_is_its_plain_equivalent(form):
    odd, plain = SAME_Y[form]
    assert np.array_equal(from_arrays(X, odd).y, from_arrays(X, plain).y)


@pytest.mark.parametrize("form", ["scipy csr_array", "masked array", "torch sparse coo", "dict of columns", "arrow exporter", "names as lists", "record array", "names as a Series", "numbers as objects"])  # fmt: skip
def test_a_model_predicts_from_the_form_it_was_given(form, store):
    odd, plain = SAME_X[form]
    found = lossearch.search(odd, Y, losses="bce", store=store, **QUICK)
    expected = lossearch.search(plain, Y, losses="bce", store=store.with_name("plain"), **QUICK)
    assert [r.value for r in found.trials] == [r.value for r in expected.trials]
    assert found.model.predict(odd).tolist() == expected.model.predict(plain).tolist()


MINE = lossearch.loss(task="binary", encoding="zero_one", domain="unit", source="a test", name="mine")(
    lambda output, target: (output - target).abs()
)
BASE: dict[str, Any] = {"X": X, "y": Y}
SAME_CALL: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "one loss by name": ({"losses": "bce"}, {"losses": ["bce"]}),
    "losses with a comma": ({"losses": "bce, mse"}, {"losses": ["bce", "mse"]}),
    "losses as a tuple": ({"losses": ("bce", "mse")}, {"losses": ["bce", "mse"]}),
    "losses as a generator": ({"losses": (x for x in ["bce", "mse"])}, {"losses": ["bce", "mse"]}),
    "losses as a dict view": ({"losses": {"bce": 1}.keys()}, {"losses": ["bce"]}),
    "one loss of one's own": ({"losses": MINE}, {"losses": [MINE]}),
    "losses as a set": ({"losses": {"mse", "bce"}}, {"losses": ["bce", "mse"]}),
    "losses as an array": ({"losses": np.array(["bce", "mse"])}, {"losses": ["bce", "mse"]}),
    "numbers of numpy": (
        {"seeds": np.int64(1), "epochs": np.int32(1), "hidden": np.array([8, 4]), "validation": np.float32(0.25), "test": np.float64(0.2)},
        {"seeds": 1, "epochs": 1, "hidden": [8, 4], "validation": 0.25, "test": 0.2},
    ),
    "a range of numpy": ({"lr": np.array([0.01, 0.1])}, {"lr": (0.01, 0.1)}),
    "a number of torch": ({"lr": torch.tensor(0.5)}, {"lr": 0.5}),
    "numpy's False": ({"test": np.False_}, {"test": False}),
    "a torch name": ({"losses": "binary_crossentropy"}, {"losses": ["bce"]}),
    "one activation": ({"activations": "sigmoid"}, {"activations": ["sigmoid"]}),
    "one pair": ({"losses": None, "pairs": "bce/sigmoid"}, {"losses": None, "pairs": ["bce/sigmoid"]}),
    "metric in a list": ({"metric": ["accuracy"]}, {"metric": "accuracy"}),
    "metrics with a comma": ({"metric": "accuracy,log_loss"}, {"metric": ("accuracy", "log_loss")}),
    "validation as a list": ({"validation": [X[:9], Y[:9]]}, {"validation": (X[:9], Y[:9])}),
    "test as a list": ({"test": [X[:9], Y[:9]]}, {"test": (X[:9], Y[:9])}),
    "sparse validation": ({"validation": (sp.csr_array(X[:9]), sp.csr_array(Y[:9, None]))}, {"validation": (X[:9], Y[:9])}),
    "sparse everywhere": (
        {"X": sp.csc_matrix(X), "validation": (sp.coo_array(X[:9]), Y[:9]), "test": (X[:9], Y[:9])},
        {"validation": (X[:9], Y[:9]), "test": (X[:9], Y[:9])},
    ),
    "lists as validation": ({"validation": (X[:9].tolist(), Y[:9].tolist())}, {"validation": (X[:9], Y[:9])}),
    "groups as a list": ({"groups": (np.arange(N) // 3).tolist()}, {"groups": np.arange(N) // 3}),
    "groups as text": ({"groups": [f"g{i // 3}" for i in range(N)]}, {"groups": np.arange(N) // 3}),
    "groups as a Series": ({"groups": pd.Series(np.arange(N) // 3)}, {"groups": np.arange(N) // 3}),
    "time as a list": ({"time": list(range(N))}, {"time": np.arange(N)}),
    "time as tensor": ({"time": torch.arange(N)}, {"time": np.arange(N)}),
    "everything by position": ({}, {}),
    "None says nothing": ({"metric": None, "model": None, "validation": None, "name": "study", "lr": None}, {}),
    "the store as text": ({}, {}),
    "torch data set": ({"X": None, "y": None, "data": TensorDataset(torch.as_tensor(X), torch.as_tensor(Y))}, {"X": None, "y": None, "data": [TensorDataset(torch.as_tensor(X), torch.as_tensor(Y))]}),
}  # fmt: skip


@pytest.mark.parametrize("call", SAME_CALL)
def test_every_form_of_an_argument_declares_the_same_study(call, store):
    odd, plain = SAME_CALL[call]
    other = store.with_name("other")
    found = digest(str(store), **{**BASE, "trials": 20, **odd})
    assert found == digest(other, **{**BASE, "trials": 20, **plain})


class Items(Dataset):
    """A torch data set of whatever items."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        found = self.items[index]
        return found() if callable(found) else found


def stops():
    raise SystemExit(0)


def fails():
    raise KeyError("no such file")


class Streams(IterableDataset):
    def __init__(self, items):
        self.items = items

    def __iter__(self):
        return iter(self.items)


class Parts(pl.LightningDataModule):
    """A data module whose hooks give what is asked for."""

    def __init__(self, **hooks):
        super().__init__()
        self.hooks = hooks

    def train_dataloader(self):
        return self.hooks["train"]() if callable(self.hooks["train"]) else self.hooks["train"]


class WholeParts(Parts):
    def val_dataloader(self):
        return self.hooks["val"]


class NoTraining(pl.LightningDataModule):
    pass


ROWS = TensorDataset(torch.as_tensor(X).float(), torch.as_tensor(Y))
RAGGED = Items([(torch.zeros(3 + (i == 40)), 0) for i in range(N)])
LATE = Items([(torch.zeros(3 + (i >= 64)), i % 2) for i in range(128)])
ONE = torch.as_tensor(X).float()
NONE = {"X": None, "y": None}

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    # X
    "X alone": ({"y": None}, "X and y"),
    "y alone": ({"X": None}, "X and y"),
    "neither": (NONE, "No data"),
    "both and data": ({"data": "circles"}, "X and y, or data"),
    "X generator": ({"X": (row for row in X)}, "X is a generator"),
    "X iterator": ({"X": iter(X.tolist())}, "X is a list_iterator"),
    "X map": ({"X": map(list, X)}, "X is a map"),
    "X zip": ({"X": zip(X[:, 0], X[:, 1], strict=True)}, "X is a zip"),
    "X set": ({"X": set(X[:, 0])}, "X is a set"),
    "X count": ({"X": itertools.count()}, "X is a count"),
    "X number": ({"X": 3.0}, "X is a single float"),
    "X 0-d": ({"X": np.array(3)}, "X is a single int"),
    "X 0-d tensor": ({"X": torch.tensor(3.0)}, "X is a single float"),
    "X text": ({"X": "data.csv"}, "X is 'data.csv'"),
    "X bytes": ({"X": b"data"}, "X is b'data'"),
    "X path": ({"X": Path("data.csv")}, "data.csv"),
    "X function": ({"X": load_iris}, "X is a function"),
    "X class": ({"X": np.ndarray}, "X is a"),
    "X object": ({"X": object()}, "X is a object"),
    "X Bunch": ({"X": load_iris()}, "X is a Bunch"),
    "X dict of unequal columns": ({"X": {"a": X[:, 0], "b": X[:9, 0]}}, "X is a dict"),
    "X dict of scalars": ({"X": {"a": 1, "b": 2}}, "X is a dict"),
    "X empty dict": ({"X": {}}, "X is a dict"),
    "X dict of matrices": ({"X": {"a": X, "b": X}}, "X is a dict"),
    "X ragged": ({"X": [[1.0, 2.0]] * (N - 1) + [[1.0]]}, "X is a list that cannot be read"),
    "X complex": ({"X": X + 1j}, "X holds complex numbers"),
    "X complex tensor": ({"X": torch.as_tensor(X + 1j)}, "X holds complex numbers"),
    "X complex sparse": ({"X": sp.csr_matrix(X + 1j)}, "X holds complex numbers"),
    "X complex column": ({"X": pd.DataFrame(X + 1j)}, "complex numbers"),
    "X complex objects": ({"X": (X + 1j).astype(object)}, "complex"),
    "X infinite": ({"X": np.where(X > 1, np.inf, X)}, "X holds infinite values"),
    "X masked images": ({"X": np.ma.masked_greater(np.ones((N, 1, 4, 4)), 0)}, "missing values"),
    "X empty list": ({"X": []}, "X is empty"),
    "X and y empty": ({"X": [], "y": []}, "X is empty"),
    "X no rows": ({"X": X[:0], "y": Y[:0]}, "X is empty"),
    "X no rows of a table": ({"X": FRAME[:0], "y": Y[:0]}, "X is empty"),
    "X no columns": ({"X": X[:, :0]}, "X is empty"),
    "X no columns of a table": ({"X": pd.DataFrame(index=range(N))}, "X is empty"),
    "X columns of matrices": ({"X": np.zeros(N, dtype=[("a", "f8", (2,))])}, "X is a ndarray that cannot be read"),
    "X of objects": ({"X": [object()] * N}, "objects of type object"),
    "X no rows of a sparse matrix": ({"X": sp.csr_matrix((0, 3)), "y": []}, "X is empty"),
    "X huge sparse": ({"X": sp.csr_matrix((N, 2**45))}, "X is a sparse matrix"),
    "X on no device": ({"X": torch.empty(N, 3, device="meta")}, "X is a Tensor that cannot be read"),
    "X nested tensor": ({"X": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])}, "X is a Tensor that cannot"),
    "X data set": ({"X": ROWS}, "X is a TensorDataset"),
    "X loader": ({"X": DataLoader(ROWS)}, "X is a DataLoader"),
    "X network": ({"X": nn.Linear(3, 1)}, "X is a Linear"),
    # y
    "y shorter": ({"y": Y[:-1]}, "60 rows and y has 59"),
    "y longer sparse": ({"X": sp.csr_matrix(X[:-1])}, "59 rows and y has 60"),
    "y 0-d": ({"y": np.array(1)}, "y is a single int"),
    "y 0-d tensor": ({"y": torch.tensor(1)}, "y is a single int"),
    "y number": ({"y": 1}, "y is a single int"),
    "y name": ({"X": FRAME, "y": "c"}, "y is 'c'"),
    "y generator": ({"y": (v for v in Y)}, "y is a generator"),
    "y set": ({"y": {0, 1}}, "y is a set"),
    "y function": ({"y": len}, "y is a builtin"),
    "y masked": ({"y": np.ma.array(Y, mask=np.arange(N) == 3)}, "y has 1 missing values (row 3)"),
    "y masked names": ({"y": np.ma.array(NAMES, mask=np.arange(N) == 3)}, "y has 1 missing values (row 3)"),
    "y missing in a nullable Series": ({"y": pd.Series(Y, dtype="Int64").mask(np.arange(N) == 3)}, "y has 1 missing"),
    "y null of arrow": ({"y": pa.array([None, *Y[1:].tolist()])}, "y has 1 missing"),
    "y complex": ({"y": Y + 1j}, "y holds complex numbers"),
    "y complex tensor": ({"y": torch.as_tensor(Y + 1j)}, "y holds complex numbers"),
    "y dates": ({"y": pd.date_range("2024-01-01", periods=N)}, "y holds dates"),
    "y of three axes": ({"y": Y.reshape(N, 1, 1)}, "y has shape"),
    "y a row matrix": ({"y": np.matrix(Y)}, "60 rows and y has 1"),
    "y mixed": ({"y": [0, "a"] * (N // 2)}, "y mixes numbers and text"),
    "y empty": ({"y": []}, "y is empty"),
    "y ragged": ({"y": [[0], [1, 1]] * (N // 2)}, "y is a list that cannot be read"),
    # given parts
    "validation of three": ({"validation": (X[:9], Y[:9], Y[:9])}, "validation is 3 things"),
    "validation of one": ({"validation": (X[:9],)}, "validation is 1 things"),
    "validation an array": ({"validation": X[:9]}, "validation is a ndarray"),
    "validation a data set": ({"validation": ROWS}, "validation is a TensorDataset"),
    "validation a dict": ({"validation": {"X": X[:9], "y": Y[:9]}}, "validation is a dict"),
    "validation True": ({"validation": True}, "validation"),
    "validation too large a share": ({"validation": 2}, "validation"),
    "validation two shares": ({"validation": [0.2, 0.1]}, "validation"),
    "validation of other columns": ({"validation": (X[:9, :2], Y[:9])}, "parts of X"),
    "validation of other lengths": ({"validation": (X[:9], Y[:8])}, "validation"),
    "validation a table": ({"validation": (pd.DataFrame(X[:9]), Y[:9])}, "parts of X are of different forms"),
    "validation with data": ({**NONE, "data": "circles", "validation": (X, Y)}, "validation holds values of rows"),
    "test of three": ({"test": [X[:9], Y[:9], 1]}, "test is 3 things"),
    "test an array": ({"test": X[:9]}, "test is a ndarray"),
    "test generator": ({"test": ((v for v in X[:9]), Y[:9])}, "test X is a generator"),
    "groups too short": ({"groups": Y[:9]}, "groups has shape"),
    "groups a matrix": ({"groups": X}, "groups has shape"),
    "groups generator": ({"groups": (i for i in range(N))}, "groups is a generator"),
    "groups number": ({"groups": 3}, "groups"),
    "time missing": ({"time": [np.nan] * N}, "time has missing values"),
    "time words": ({"time": ["a"] * N}, "time holds neither numbers nor dates"),
    "target with X": ({"target": "c"}, "target is for data"),
    "data_options with X": ({"data_options": {"noise": 0.1}}, "data_options is for data"),
    # losses and metrics
    "losses empty": ({"losses": []}, "losses"),
    "losses empty text": ({"losses": ""}, "losses"),
    "losses unknown": ({"losses": "bec"}, "bce"),
    "losses number": ({"losses": 5}, "losses holds a int"),
    "losses of None": ({"losses": [None]}, "losses holds a NoneType"),
    "losses a torch module": ({"losses": [nn.BCEWithLogitsLoss()]}, "losses=['bce']"),
    "losses a torch class": ({"losses": nn.MSELoss}, "losses=['mse']"),
    "losses a torch function": ({"losses": F.huber_loss}, "losses holds the function huber_loss"),
    "losses a function": ({"losses": [lambda output, target: output - target]}, "@lossearch.loss"),
    "losses a dict": ({"losses": {"bce": 1}}, "losses holds a dict"),
    "losses twice": ({"losses": ["bce", "bce"]}, "more than once"),
    "losses of another task": ({"losses": "cross_entropy"}, "cross_entropy"),
    "activations number": ({"activations": 5}, "activations"),
    "pairs without activation": ({"losses": None, "pairs": "bce"}, "pairs"),
    "metric a function": ({"metric": accuracy_score}, "ours is named 'accuracy'"),
    "metric of scikit-learn": ({"metric": f1_score}, "ours is named 'f1"),
    "metric class of torchmetrics": ({"metric": torchmetrics.AUROC}, "ours is named 'auroc'"),
    "metric a lambda": ({"metric": lambda y, p: 0.0}, "metric is the function <lambda>"),
    "metric number": ({"metric": 5}, "metric is a int"),
    "metric empty": ({"metric": []}, "metric is empty"),
    "metric in a dict": ({"metric": {"accuracy": 1}}, "metric is a dict"),
    "metric three": ({"metric": ["accuracy", "f1", "log_loss"]}, "metric"),
    "metric a loss": ({"metric": "bce"}, "is a loss"),
    # the rest
    "model number": ({"model": 5}, "model is a int"),
    "model list": ({"model": [8, 8]}, "model is a list"),
    "model False": ({"model": False}, "model is a bool"),
    "model of a data module": ({"model": Parts}, "gave Parts; it must give a torch.nn.Module"),
    "model unknown": ({"model": "mlpp"}, "mlp"),
    "listener class": ({"listener": Listener}, "listener is the class Listener"),
    "listener": ({"listener": print}, "listener is the builtin_function_or_method print without note"),
    "store number": ({"store": 5}, "store"),
    "store False": ({"store": False}, "store"),
    "store None": ({"store": None}, "store is None"),
    "name number": ({"name": 5}, "name"),
    "trials text": ({"trials": "many"}, "trials"),
    "trials fraction": ({"trials": 7.5}, "trials"),
    "seeds none at all": ({"seeds": 0}, "seeds"),
    "lr text": ({"lr": "fast"}, "lr"),
    "lr backwards": ({"lr": (1.0, 0.1)}, "lr"),
    "hidden text": ({"hidden": "wide"}, "hidden"),
    "task unknown": ({"task": "binari"}, "binary"),
    # torch data
    "data a table": ({**NONE, "data": FRAME}, "say which column is the target"),
    "data arrays": ({**NONE, "data": (X, Y)}, "data is a tuple"),
    "data a number": ({**NONE, "data": 5}, "data is a int"),
    "data an object": ({**NONE, "data": object()}, "data is a object"),
    "data four sets": ({**NONE, "data": [ROWS] * 4}, "data is a list"),
    "data no file": ({**NONE, "data": Path("nowhere.csv")}, "nowhere.csv"),
    "data empty text": ({**NONE, "data": ""}, "data"),
    "data module class": ({**NONE, "data": WholeParts}, "data is a"),
    "ragged items": ({**NONE, "data": RAGGED}, "cannot be read: RuntimeError"),
    "ragged batches": ({**NONE, "data": LATE}, "rows of different shapes"),
    "items of three": ({**NONE, "data": TensorDataset(ONE, ONE, ONE)}, "items of 3 things"),
    "items of one": ({**NONE, "data": TensorDataset(ONE)}, "items of 1 things"),
    "items as dicts": ({**NONE, "data": Items([{"x": torch.ones(2), "y": 0}] * N)}, "items of dict"),
    "items of text": ({**NONE, "data": Items([("a", 0), ("b", 1)] * N)}, "inputs come as"),
    "items that fail": ({**NONE, "data": Items([fails] * N)}, "cannot be read: KeyError"),
    "items that end the process": ({**NONE, "data": Items([stops] * N)}, "cannot be read: SystemExit"),
    "items without target": ({**NONE, "data": Items([(torch.ones(3), None)] * N)}, "cannot be read: TypeError"),
    "no items": ({**NONE, "data": Items([])}, "gives no rows"),
    "no stream": ({**NONE, "data": Streams([])}, "gives no rows"),
    "complex items": ({**NONE, "data": TensorDataset(ONE + 1j, ONE[:, 0])}, "complex numbers"),
    "parts of other names": ({**NONE, "data": {"fit": ROWS}}, "gives a part 'fit'"),
    "no training part": ({**NONE, "data": {"test": ROWS}}, "has no training part"),
    "module without training loader": ({**NONE, "data": NoTraining()}, "no training part"),
    "module that fails": ({**NONE, "data": Parts(train=fails)}, "train_dataloader of the data module failed: KeyError"),
    "module that ends the process": ({**NONE, "data": Parts(train=stops)}, "of the data module failed: SystemExit"),
    "module of lists": ({**NONE, "data": Parts(train=[1, 2])}, "is a list; a part is read from one torch DataLoader"),
}  # fmt: skip


def test_there_are_many():
    assert len(WRONG) >= 80


@pytest.mark.parametrize("wrong", WRONG)
def test_every_wrong_call_is_refused_in_a_sentence_that_names_the_argument(
    wrong, store, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    odd, said = WRONG[wrong]
    call = {
        "losses": "bce",
        "name": "study",
        "store": store,
        "listener": UntilBegun(),
        **QUICK,
        **BASE,
        **odd,
    }
    with pytest.raises(InputError, match=re.escape(said)):
        lossearch.search(**call)
    assert not store.exists()


@pytest.mark.parametrize("val", [None, []])
def test_a_data_module_without_validation_rows_has_them_drawn(val, store):
    loader = DataLoader(ROWS, batch_size=16)
    without = Parts(train=loader) if val is None else WholeParts(train=loader, val=val)
    assert digest(store, data=without) == digest(store.with_name("set"), data=ROWS)


def test_a_mask_means_missing(store):
    shown = lossearch.search(MASKED, Y, losses="bce", store=store, **QUICK)
    assert shown.declared.digest == digest(store.with_name("holes"), HOLES, Y)
    assert shown.declared.digest != digest(store.with_name("data"), X, Y)
