"""Values of our losses by the code of other libraries: ``pip install -e '.[oracles]'``; what is not installed is skipped.

Each library is asked in a process of its own, since imports of JAX and MONAI change the environment. Theirs are kept from their traps: reductions, class weights and smoothing terms that differ from the papers are switched off.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
import torch

from lossearch.pairs.making import criterion

RNG = np.random.default_rng(0)
N, C = 60, 5
Z, ZC = 2 * RNG.normal(size=(N, 1)), 2 * RNG.normal(size=(N, C))
Y, YC = RNG.integers(0, 2, (N, 1)), RNG.integers(0, C, N)
REAL, HOT, SIGN = RNG.normal(size=(N, 1)), np.eye(C)[YC], 2.0 * Y - 1


def ours(name, task, raw, target, **params):
    return criterion(name, task=task, **params).per_sample(torch.tensor(raw), torch.tensor(target)).numpy()


def by_coral_pytorch():
    from coral_pytorch import losses

    logits, level = torch.tensor(ZC[:, :4]), torch.tensor(YC)
    levels = (level[:, None] > torch.arange(4)).double()
    theirs = losses.coral_loss(logits, levels, reduction=None)
    np.testing.assert_allclose(ours("coral/identity", "ordinal", ZC[:, :4], YC), theirs, rtol=1e-9)
    np.testing.assert_allclose(ours("extended_binary/identity", "ordinal", ZC[:, :4], YC), theirs, rtol=1e-9)
    # theirs divides the sum over all rows by the number of steps that a batch came to
    steps = np.minimum(YC + 1, 4).sum()
    found = ours("corn/identity", "ordinal", ZC[:, :4], YC).sum() / steps
    assert found == pytest.approx(float(losses.corn_loss(logits, level, 5)), rel=1e-9)


def by_entmax():
    import entmax

    for name, loss in (("sparsemax_loss", entmax.sparsemax_loss), ("entmax15_loss", entmax.entmax15_loss)):
        theirs = loss(torch.tensor(ZC), torch.tensor(YC), k=None)
        np.testing.assert_allclose(
            ours(f"{name}/identity", "multiclass", ZC, YC), theirs, rtol=1e-7, atol=1e-9
        )


def by_monai():
    from monai import losses

    # (1, 1, rows): the whole batch is one picture
    raw, target = (torch.tensor(v.astype(float)).reshape(1, 1, -1) for v in (Z, Y))
    plain = {"sigmoid": True, "batch": True, "smooth_nr": 0.0, "smooth_dr": 0.0}
    for name, params, theirs in (
        ("dice", {}, losses.DiceLoss(**plain)),
        ("squared_dice", {}, losses.DiceLoss(squared_pred=True, **plain)),
        ("jaccard", {}, losses.DiceLoss(jaccard=True, **plain)),
        ("tversky", {"alpha": 0.3}, losses.TverskyLoss(alpha=0.3, beta=0.7, **plain)),
    ):
        crit = criterion(f"{name}/sigmoid", task="binary", **params)
        found = float(crit(torch.tensor(Z), torch.tensor(Y)))
        # ours has a smoothing term
        assert found == pytest.approx(float(theirs(raw, target)), rel=2e-3), name
    focal = losses.FocalLoss(gamma=2.0, reduction="none")(torch.tensor(Z), torch.tensor(Y.astype(float)))
    np.testing.assert_allclose(ours("focal/sigmoid", "binary", Z, Y, gamma=2.0), focal[:, 0], rtol=1e-4)


def by_optax():
    from optax import losses

    p = np.exp(ZC - np.logaddexp.reduce(ZC, axis=1, keepdims=True))
    z, zc, hot, s = (v.astype("float32") for v in (Z[:, 0], ZC, HOT, SIGN[:, 0]))
    real, y = REAL[:, 0].astype("float32"), Y[:, 0].astype("float32")
    table = [
        ("mse/identity", "regression", Z, REAL, {}, losses.squared_error(z, real)),
        ("half_mse/identity", "regression", Z, REAL, {}, losses.l2_loss(z, real)),
        ("huber/identity", "regression", Z, REAL, {"delta": 0.5}, losses.huber_loss(z, real, delta=0.5)),
        ("log_cosh/identity", "regression", Z, REAL, {}, losses.log_cosh(z, real)),
        ("bce/sigmoid", "binary", Z, Y, {}, losses.sigmoid_binary_cross_entropy(z, y)),
        ("focal/sigmoid", "binary", Z, Y, {"gamma": 2.0}, losses.sigmoid_focal_loss(z, y, gamma=2.0)),
        ("hinge/identity", "binary", Z, Y, {}, losses.hinge_loss(z, s)),
        ("perceptron/identity", "binary", Z, Y, {}, losses.perceptron_loss(z, s)),
        ("sparsemax_binary/identity", "binary", Z, Y, {}, losses.sparsemax_loss(z, y)),
        ("cross_entropy/softmax", "multiclass", ZC, YC, {}, losses.softmax_cross_entropy(zc, hot)),
        ("poly1/softmax", "multiclass", ZC, YC, {"epsilon": 2.0}, losses.poly_loss_cross_entropy(zc, hot, epsilon=2.0)),
        ("kl_div/softmax", "multiclass", ZC, YC, {}, losses.kl_divergence(np.log(p).astype("float32"), hot)),
        ("crammer_singer/identity", "multiclass", ZC, YC, {}, losses.multiclass_hinge_loss(zc, YC)),
        ("perceptron/identity", "multiclass", ZC, YC, {}, losses.multiclass_perceptron_loss(zc, YC)),
        ("sparsemax_loss/identity", "multiclass", ZC, YC, {}, losses.multiclass_sparsemax_loss(zc, YC)),
    ]  # fmt: skip
    for name, task, raw, target, params, theirs in table:
        found = ours(name, task, raw, target, **params)
        np.testing.assert_allclose(found, np.asarray(theirs), rtol=2e-5, atol=2e-6, err_msg=name)


BY = {"coral_pytorch": by_coral_pytorch, "entmax": by_entmax, "monai": by_monai, "optax": by_optax}


@pytest.mark.slow
@pytest.mark.parametrize("library", BY)
def test_another_librarys_code_gives_the_same_values(library):
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    done = subprocess.run([sys.executable, __file__, library], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    BY[sys.argv[1]]()
