"""Probabilistic regression: distributions are learned, predicted, judged, recorded and drawn."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from scipy import stats
from sklearn.linear_model import QuantileRegressor
from torch import nn
from torch.nn.functional import softplus
from torch.utils.data import DataLoader, TensorDataset

import lossearch
from lossearch.checks.contract import check_loss
from lossearch.distributions import DISTRIBUTIONS
from lossearch.distributions.quantile_function import LEVELS
from lossearch.errors import InputError
from lossearch.kinds import KINDS, TargetStatistics, infer_kind, read_target
from lossearch.losses import ACTIVATIONS, BUILT_IN, losses_for
from lossearch.losses._layers import Spread
from lossearch.pairs import Pair, pair_up
from lossearch.report.html import to_html
from lossearch.study.fitting import load_pair_model

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (240, 2))
Y = 50 + 3 * X[:, 0] + np.exp(X[:, 1]) * RNG.normal(size=240)
QUICK = {"lr": 0.02, "seeds": 1, "confirm_seeds": 2, "epochs": 8, "optimizer": "adam", "mlflow": False, "workers": 1}  # fmt: skip
STATED = [p for x in BUILT_IN if x.distribution for k in x.kinds if isinstance(p := pair_up(x, ACTIVATIONS["identity"], KINDS[k].facts(Y[:, None], 1)), Pair)]  # fmt: skip


def pair_id(pair: Pair) -> str:
    return f"{pair.kind}-{pair.name}"


def raw_of(pair: Pair, n: int = 1, rows: int = 7) -> torch.Tensor:
    g = torch.Generator().manual_seed(0)
    return torch.randn(rows, pair.width(n), generator=g, dtype=torch.float64)


# --- what losses say of their raw output -----------------------------------------------------------------


@pytest.mark.parametrize("pair", STATED, ids=pair_id)
@pytest.mark.parametrize("n", [1, 2])
def test_values_are_the_means_of_the_distributions(pair: Pair, n: int) -> None:
    statistics = TargetStatistics((3.0,) * n, (2.0,) * n, (1.0,) * n)
    said = lossearch.criterion(pair.name, task=pair.kind, statistics=statistics).predictions(raw_of(pair, n))
    assert said.distribution is not None
    assert said.distribution.shape[:2] == (7, n)
    torch.testing.assert_close(DISTRIBUTIONS[said.family].mean(said.distribution), said.value)


@pytest.mark.parametrize(
    "pair", [p for p in STATED if p.loss.name.endswith("_nll") and p.loss.name != "beta_nll"], ids=pair_id
)
def test_a_likelihood_is_that_of_the_stated_distribution(pair: Pair) -> None:
    y = torch.linspace(0.5 if pair.kind == "positive" else -2, 9, 7, dtype=torch.float64)
    crit = lossearch.criterion(pair.name, task=pair.kind, statistics=TargetStatistics((3.0,), (2.0,), (1.0,)))
    said = crit.predictions(raw_of(pair))
    in_units = -DISTRIBUTIONS[said.family].log_density(said.distribution, y[:, None])[:, 0]
    torch.testing.assert_close(crit.per_sample(raw_of(pair), y), in_units - np.log(2.0))


@pytest.mark.parametrize("name", ["crps_gaussian", "crps_laplace", "crps_ensemble"])
def test_a_score_is_that_of_the_stated_distribution(name: str) -> None:
    y = torch.linspace(-2, 2, 7, dtype=torch.float64)
    crit = lossearch.criterion(f"{name}/identity", task="probabilistic")
    said = crit.predictions(raw_of(crit.pair))
    expected = DISTRIBUTIONS[said.family].crps(said.distribution, y[:, None])[:, 0]
    torch.testing.assert_close(crit.per_sample(raw_of(crit.pair), y), expected)


def test_a_sum_of_losses_states_what_its_terms_do() -> None:
    raw = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    both = lossearch.criterion("gaussian_nll+0.5*crps_gaussian/identity", task="probabilistic").predictions(
        raw
    )
    assert torch.equal(
        both.distribution, lossearch.criterion("gaussian_nll/identity").predictions(raw).distribution
    )
    mixed = lossearch.criterion("gaussian_nll+laplace_nll/identity", task="probabilistic")
    assert mixed.predictions(raw).distribution is None
    free = lossearch.criterion("2*student_t_nll(df=3)/identity", task="probabilistic").predictions(raw)
    assert (free.distribution[..., 2] == 3).all()


def test_quantiles_never_cross_and_are_standard_normal_at_first() -> None:
    crit = lossearch.criterion("multi_quantile/identity")
    raw = 30 * torch.randn(50, len(LEVELS), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert bool((crit.predict_quantiles(raw, LEVELS).diff(dim=-1) >= 0).all())
    zero = torch.zeros(1, len(LEVELS), dtype=torch.float64)
    np.testing.assert_allclose(crit.predict_quantiles(zero, LEVELS)[0], stats.norm.ppf(LEVELS), atol=1e-9)


def test_many_quantiles_of_one_constant_are_scikit_learns() -> None:
    y = torch.tensor(stats.gamma(2).ppf((np.arange(199) + 0.5) / 199))
    crit = lossearch.criterion("multi_quantile/identity")
    raw = torch.zeros(1, len(LEVELS), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([raw], max_iter=2000, line_search_fn="strong_wolfe", tolerance_change=1e-12)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = crit(raw.expand(len(y), -1), y)
        value.backward()
        return value

    optimizer.step(closure)
    for level in (0.05, 0.5, 0.95):
        own = QuantileRegressor(quantile=level, alpha=0).fit(np.zeros((len(y), 1)), y).intercept_
        assert float(crit.predict_quantiles(raw.detach(), level)) == pytest.approx(own, abs=0.1)


def test_beta_nll_weighs_gradients_and_is_declared_so() -> None:
    beta = losses_for("probabilistic")["beta_nll"]
    raw = torch.tensor([[0.3, -0.8], [0.1, 2.0]], dtype=torch.float64)
    y = torch.tensor([1.0, -2.0], dtype=torch.float64)

    def derivative(name: str, **params: float) -> torch.Tensor:
        own = raw.clone().requires_grad_()
        lossearch.criterion(name, task="probabilistic", **params)(own, y).backward()
        return own.grad

    spread = softplus(raw[:, 1:]) + 1e-3
    torch.testing.assert_close(
        derivative("beta_nll/identity", beta=0.5), spread * derivative("gaussian_nll/identity")
    )
    # at 1 the mean learns as by half of the squared error
    torch.testing.assert_close(derivative("beta_nll/identity", beta=1.0)[:, 0], (raw[:, 0] - y) / 2)
    assert beta.part_constant
    assert not [str(f) for f in check_loss(beta) if not f.ok]


def test_a_loss_that_only_says_so_has_no_constant_part() -> None:
    @lossearch.loss(
        task="regression",
        encoding="standardised",
        source="ours",
        part_constant=True,
        example=(0.5, 1.0, 0.25),
    )
    def honest(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the squared error."""
        return (output - target).square()

    findings = {f.what: f for f in check_loss(honest)}
    assert "part_constant says otherwise" in findings["autograd agrees with finite differences"].detail


def test_a_spread_for_all_rows_begins_at_one_and_is_learned() -> None:
    layer = Spread(2)
    found = layer(torch.zeros(5, 2))
    torch.testing.assert_close(softplus(found[:, 2:]), torch.ones(5, 2))
    (parameter,) = layer.parameters()
    assert parameter.shape == (2,)


# --- the kind --------------------------------------------------------------------------------------------


def test_it_is_asked_for_by_name() -> None:
    assert infer_kind(Y)[0] == "regression"
    assert read_target(Y, "probabilistic").reason.startswith("probabilistic: as asked")
    with pytest.raises(InputError, match=r"y holds names .*, and probabilistic needs numbers"):
        read_target(np.array(["low", "high", "mid"] * 9, dtype=object), "probabilistic")


def test_what_is_searched_by_default_predicts_distributions() -> None:
    own = losses_for("probabilistic")
    usual = [x.name for x in own.values() if not x.waits("probabilistic")]
    assert usual == [
        "gaussian_nll",
        "homoscedastic_nll",
        "beta_nll",
        "student_t_nll",
        "crps_gaussian",
        "multi_quantile",
    ]
    assert all(x.distribution is not None for x in own.values())
    in_regression = losses_for("regression")
    assert all(in_regression[name].waits("regression") for name in own if name in in_regression)


def test_the_constant_predictor_is_normal() -> None:
    y = torch.tensor([[0.0], [0.0], [6.0]])
    mean = KINDS["probabilistic"].constant("mean", y, 4, 1)
    assert mean.distribution.shape == (1, 4, 1, 2)
    torch.testing.assert_close(
        mean.distribution[0, 0, 0], torch.tensor([2.0, np.sqrt(8)], dtype=torch.float64)
    )
    assert KINDS["probabilistic"].constant("median", y, 4, 1).distribution[0, 0, 0, 0] == 0


# --- predictions -------------------------------------------------------------------------------------------


def test_quantiles_and_intervals_of_a_criterion() -> None:
    crit = lossearch.criterion("gaussian_nll/identity", statistics=TargetStatistics((3.0,), (2.0,), (1.0,)))
    raw = torch.tensor([[0.5, 0.1], [-1.0, 2.0]], dtype=torch.float64)
    own = stats.norm(3 + 2 * raw[:, :1], 2 * (softplus(raw[:, 1:]) + 1e-3))
    np.testing.assert_allclose(crit.predict_quantiles(raw, [0.1, 0.5, 0.9]), own.ppf([0.1, 0.5, 0.9]))
    np.testing.assert_allclose(crit.predict_quantiles(raw, 0.9), own.ppf([0.9])[:, 0])
    np.testing.assert_allclose(crit.predict_interval(raw, 0.8), own.ppf([0.1, 0.9]))
    both = lossearch.criterion("laplace_nll/identity").predict_interval(torch.zeros(4, 6))
    assert both.shape == (4, 3, 2)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda c: c.predict_quantiles(torch.zeros(2, 2), [0.5, 1.0]), r"levels are numbers between 0 and 1.*got \[0.5, 1.0\]"),
        (lambda c: c.predict_quantiles(torch.zeros(2, 2), []), "levels are numbers between 0 and 1"),
        (lambda c: c.predict_interval(torch.zeros(2, 2), 90), "coverage is a share between 0 and 1, as 0.9; got 90"),
    ],
)  # fmt: skip
def test_levels_are_shares(call, said: str) -> None:
    with pytest.raises(InputError, match=said):
        call(lossearch.criterion("gaussian_nll/identity"))


def test_a_pair_of_values_has_no_quantiles() -> None:
    for name in ("mse/identity", "bce/sigmoid"):
        task = "regression" if name == "mse/identity" else "binary"
        with pytest.raises(InputError, match=f"{name} predicts no distribution, so it has no quantiles"):
            lossearch.criterion(name, task=task).predict_quantiles(torch.zeros(3), 0.5)


# --- studies -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    store = tmp_path_factory.mktemp("probabilistic")
    losses = ["gaussian_nll", "homoscedastic_nll", "mixture_density_nll", "hl_gauss", "multi_quantile"]
    return lossearch.search(
        X,
        Y,
        task="probabilistic",
        losses=losses,
        params={"hl_gauss.sigma": 0.75},
        store=store,
        name="spread",
        **QUICK,
    ), store


def test_a_study_judges_whole_distributions(study) -> None:
    result, _ = study
    board = result.leaderboard
    assert len(board) == 5
    assert result.verdict.metric == "crps"
    assert board["score"].between(0.1, 3).all()
    assert board.set_index("pair")["test_nll"].isna().to_dict() == {
        p: p == "multi_quantile/identity" for p in board["pair"]
    }
    assert board["test_coverage_90"].between(0, 1).all()
    assert "test_pinball" not in board


def test_what_is_recorded_scores_again(study) -> None:
    result, store = study
    again = lossearch.load("spread", store)
    assert again.leaderboard.equals(result.leaderboard)
    for metric in ("crps", "interval_score_90", "mae"):
        evidence = again.evidence(metric=metric)
        for pair in evidence.pairs:
            scores = [
                float(evidence.metric.fn(_stacked(s), evidence.target[torch.as_tensor(rows)]))
                for s, rows in zip(evidence.predictions[pair], evidence.rows, strict=True)
            ]
            kept = again.confirmed[pair].values[f"test_{metric}"]  # noqa: PD011
            np.testing.assert_allclose(scores, kept, rtol=1e-9)
    assert "multi_quantile/identity" not in again.evidence(metric="nll").pairs


def _stacked(said):
    from lossearch.metrics.joined import each_field

    return each_field(said, lambda t: t.unsqueeze(0))


def test_the_model_predicts_quantiles_in_units_of_the_target(study, tmp_path) -> None:
    result, _ = study
    model = result.model
    quantiles, interval = model.predict_quantiles(X, [0.05, 0.5, 0.95]), model.predict_interval(X)
    assert quantiles.shape == (240, 3)
    np.testing.assert_allclose(quantiles[:, [0, 2]], interval)
    assert np.mean((interval[:, 0] <= Y) & (interval[:, 1] >= Y)) > 0.6
    assert abs(quantiles[:, 1].mean() - Y.mean()) < 1
    model.save(tmp_path / "model")
    np.testing.assert_allclose(lossearch.load_model(tmp_path / "model").predict_interval(X), interval)


def test_a_model_with_numbers_of_its_loss_says_how_it_is_loaded(study, tmp_path) -> None:
    result, _ = study
    confirmation = result.confirmed["homoscedastic_nll/identity"]
    fitted = load_pair_model(result.folder, confirmation.point, confirmation.epoch)
    fitted.save(tmp_path / "model")
    widths = np.diff(lossearch.load_model(tmp_path / "model").predict_interval(X), axis=1)
    np.testing.assert_allclose(widths, np.full((240, 1), widths[0, 0]))
    readme = (tmp_path / "model" / "README.md").read_text()
    assert "print(model.predict_interval(X, coverage=0.9))" in readme
    assert "with torch alone" not in readme  # the spread is no layer of torch's


def test_a_report_draws_intervals(study) -> None:
    result, _ = study
    html = to_html(result.report())
    assert "Predicted 90 % intervals" in html
    assert re.search(r"\d+% of targets lie in their 90 % interval", html)


def test_several_targets_have_a_distribution_each(tmp_path) -> None:
    both = np.c_[Y, 100 * X[:, 0] + RNG.normal(size=240)]
    losses = ["gaussian_nll", "homoscedastic_nll", "multi_quantile"]
    result = lossearch.search(X, both, task="probabilistic", losses=losses, trials=3, store=tmp_path, **QUICK)
    assert result.model.predict(X[:3]).shape == (3, 2)
    assert result.model.predict_quantiles(X[:3], [0.1, 0.9]).shape == (3, 2, 2)
    evidence = result.evidence()
    shapes = {p: s[0].distribution.shape[1:] for p, s in evidence.predictions.items()}
    assert shapes == {
        "gaussian_nll/identity": (2, 2),
        "homoscedastic_nll/identity": (2, 2),
        "multi_quantile/identity": (2, 21),
    }


def test_rows_on_disk_are_learned_from(tmp_path) -> None:
    frame = pd.DataFrame(X, columns=["a", "b"]).assign(y=Y)
    frame.to_parquet(tmp_path / "rows.parquet")
    result = lossearch.search(
        data=str(tmp_path / "rows.parquet"), target="y", stream=True, task="probabilistic", losses=["gaussian_nll", "multi_quantile"],
        trials=2, store=tmp_path / "store", **QUICK,
    )  # fmt: skip
    assert set(result.leaderboard["pair"]) == {"gaussian_nll/identity", "multi_quantile/identity"}


class Rows(pl.LightningDataModule):
    def setup(self, stage=None):
        x, y = torch.tensor(X, dtype=torch.float32), torch.tensor(Y, dtype=torch.float32)
        self.parts = [TensorDataset(x[a:b], y[a:b]) for a, b in ((0, 120), (120, 180), (180, 240))]

    def train_dataloader(self):
        return DataLoader(self.parts[0], batch_size=32, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.parts[1], batch_size=60)

    def test_dataloader(self):
        return DataLoader(self.parts[2], batch_size=60)


class Net(pl.LightningModule):
    """A module with two outputs, for a place and a spread."""

    def __init__(self, criterion, lr=1e-2):
        super().__init__()
        self.save_hyperparameters(ignore=["criterion"])
        self.criterion = criterion
        self.net = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        return self.criterion(self(batch[0]), batch[1])

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self.criterion(self(batch[0]), batch[1]))

    def test_step(self, batch, batch_idx):
        self.log("test_loss", self.criterion(self(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)


def test_a_module_of_ones_own_is_judged_by_its_distributions(tmp_path) -> None:
    options = {k: v for k, v in QUICK.items() if k != "optimizer"}
    result = lossearch.search(
        module=Net, datamodule=Rows, task="probabilistic", losses=["gaussian_nll", "crps_gaussian"], trials=2,
        store=tmp_path, **options,
    )  # fmt: skip
    assert result.verdict.metric == "crps"
    assert result.evidence().predictions["gaussian_nll/identity"][0].distribution.shape == (60, 1, 2)


def test_the_regressor_predicts_quantiles(tmp_path) -> None:
    model = lossearch.LossSearchRegressor(
        task="probabilistic",
        losses=["gaussian_nll"],
        lr=0.02,
        seeds=1,
        confirm_seeds=0,
        epochs=8,
        random_state=0,
    )
    assert model.fit(X, Y).predict(X[:4]).shape == (4,)
    assert model.model_.predict_interval(X[:4]).shape == (4, 2)


def test_an_asymmetric_cost_is_a_metric_of_regression(tmp_path) -> None:
    result = lossearch.search(
        X, Y, metric="pinball_90", losses=["mse", "quantile"], params={"quantile.tau": 0.9}, trials=2, store=tmp_path, **QUICK
    )  # fmt: skip
    board = result.leaderboard.set_index("pair")["score"]
    assert board["quantile/identity"] < board["mse/identity"]
