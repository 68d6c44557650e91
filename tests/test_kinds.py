"""Kinds of task are components: nothing outside their files asks which one it is by name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import lossearch
from lossearch.errors import UnknownNameError
from lossearch.kinds import KINDS, Kind, Predictions, TargetForm, read_target
from lossearch.losses import losses_for
from lossearch.metrics.registry import EVERY_METRIC, METRICS, find_metric, metrics_for
from lossearch.networks.architecture import NETWORKS, make_network
from lossearch.pairs import Criterion, find_pair
from lossearch.report.sections.predictions import FIGURES

PACKAGE = Path(lossearch.__file__).parent
FAMILIES = PACKAGE / "losses" / "families.py"
"""Families of losses have names of their own, and one is called as a kind of task."""
FILES = sorted(f for f in PACKAGE.rglob("*.py") if f.parent != PACKAGE / "kinds" and f != FAMILIES)
EVERY = [pytest.param(kind, id=name) for name, kind in KINDS.items()]


def _named(node: ast.AST) -> bool:
    """Whether a literal, or one in a list of them, is the name of a kind."""
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(_named(n) for n in node.elts)
    return isinstance(node, ast.Constant) and node.value in KINDS


def by_name(source: str) -> Iterator[int]:
    """Give the lines where something is decided by the name of a kind."""
    for node in ast.walk(ast.parse(source)):
        if (
            (isinstance(node, ast.Compare) and any(map(_named, [node.left, *node.comparators])))
            or (isinstance(node, ast.Dict) and any(k is not None and _named(k) for k in node.keys))
            or (isinstance(node, ast.MatchValue) and _named(node.value))
            or (isinstance(node, ast.Subscript) and _named(node.slice))
        ):
            yield node.lineno


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_nothing_is_decided_by_the_name_of_a_kind(file: Path) -> None:
    assert list(by_name(file.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "kind == 'binary'",
        "'count' != task.kind",
        "kind in ('binary', 'multiclass')",
        "{'regression': 1}[kind]",
        "match kind:\n  case 'multilabel': pass",
        "KINDS['binary']",
    ],
)
def test_the_walk_sees_a_comparison(source: str) -> None:
    assert list(by_name(source))


def test_every_file_here_is_a_kind() -> None:
    files = {f.stem for f in (PACKAGE / "kinds").glob("*.py") if not f.name.startswith("_")}
    assert files == set(KINDS)
    with pytest.raises(
        UnknownNameError, match=r"No kind of task named 'regresion'. Did you mean 'regression'?"
    ):
        KINDS["regresion"]


def drawn(kind: Kind, rows: int = 60, n: int = 3) -> np.ndarray:
    """Targets as a user would give them."""
    score = torch.randn(rows, n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = kind.sample(score).numpy()
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


@pytest.mark.parametrize("kind", EVERY)
class TestEveryKind:
    def test_is_described(self, kind: Kind) -> None:
        assert KINDS[kind.name] is kind
        assert kind.head
        assert set(kind.gives) <= set(Predictions.__dataclass_fields__)
        assert set(kind.kept) <= set(Predictions.__dataclass_fields__)
        assert set(kind.figures) <= set(FIGURES)
        assert kind.surface is None or kind.surface in Predictions.__dataclass_fields__

    def test_its_samples_are_read_and_fit(self, kind: Kind) -> None:
        y = drawn(kind)
        assert kind.misfit(y) == ""
        target = read_target(y, kind.name)
        assert target.reason.startswith(f"{kind.name}: as asked")
        tensor = kind.tensor(torch.as_tensor(target.y), torch.float64)
        assert tensor.ndim == (1 if kind.form is TargetForm.INDEX else 2)
        assert torch.equal(kind.checked(tensor, len(y), target.n_out, "it"), tensor)
        strata = kind.strata(target.y)
        assert strata is None or len(strata) == len(y)
        assert kind.facts(target.y, target.n_out).kind == kind.name

    def test_its_conventional_pair_gives_what_it_says(self, kind: Kind) -> None:
        target = read_target(drawn(kind), kind.name)
        pair = find_pair(kind.conventional, kind.name, kind.facts(target.y, target.n_out))
        criterion = Criterion(pair)
        raw = torch.randn(len(target.y), pair.width(target.n_out))
        found = criterion.predictions(raw)
        assert {f for f in Predictions.__dataclass_fields__ if getattr(found, f) is not None} >= set(
            kind.gives
        )
        assert torch.isfinite(criterion(raw, kind.tensor(torch.as_tensor(target.y), torch.float32)))
        assert len(criterion.predict(raw)) == len(raw)

    def test_a_constant_predictor_can_be_scored_by_every_metric(self, kind: Kind) -> None:
        target = read_target(drawn(kind), kind.name)
        y = kind.tensor(torch.as_tensor(target.y), torch.float64)
        for metric in metrics_for(kind.name):
            said = kind.constant(metric.constant, y, len(y), target.n_out)
            score = metric.fn(said, y)
            assert score.shape == (1,)
            assert torch.isfinite(score).all(), metric.name

    def test_what_is_searched_exists(self, kind: Kind) -> None:
        name, reason = kind.default_metric(read_target(drawn(kind), kind.name).y)
        assert find_metric(name, kind.name).name == name
        assert reason.startswith(f"{name}: ")
        assert kind.conventional.partition("/")[0] in losses_for(kind.name)
        epochs, batch = kind.budget(1000)
        assert epochs > 0
        assert batch > 0
        row = (1, 4, 5) if NETWORKS[kind.network].axes else (2,)
        n_out = 20 if NETWORKS[kind.network].axes else 1
        network = make_network(kind.network, input_shape=row, rows=100)(n_out)
        assert network(torch.zeros(3, *row)).shape == (3, n_out)


def test_a_name_of_several_metrics_means_one_direction() -> None:
    for metric in EVERY_METRIC:
        assert METRICS[metric.name].direction == metric.direction


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["no", "no ", "yes"], "'no' and 'no ' differ in spaces or case alone"),
        (["Yes", "no", "yes"], "'Yes' and 'yes' differ"),
        (["caf\u00e9", "cafe\u0301"], "differ in spaces or case alone"),
        (["no", "not", "yes"], ""),
        (["0", "1"], ""),
    ],
)
def test_classes_whose_names_are_nearly_one_are_said(names: list[str], said: str) -> None:
    reason = read_target(np.array(names * 9, dtype=object)).reason
    assert said in reason
    assert ("alone" in reason) == bool(said)
