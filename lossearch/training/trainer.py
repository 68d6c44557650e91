"""The Trainer that every way of training uses: one process, one device, nothing logged or printed."""

from __future__ import annotations

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment

from lossearch.training.contract import TrainSettings
from lossearch.training.scope import quiet


def make_trainer(settings: TrainSettings, *, clip: float | None = None, double: bool = False) -> pl.Trainer:
    """Return a Trainer for these settings.

    Args:
        settings: give accelerator and epochs.
        clip: the norm that gradients are clipped to, where the Trainer is to do it.
        double: whether it is to train in float64.
    """
    return pl.Trainer(
        accelerator=settings.accelerator,
        devices=1,
        # one process, whatever a cluster's environment variables say
        plugins=[LightningEnvironment()],
        precision="64-true" if double else "32-true",
        max_epochs=int(settings.epochs),
        gradient_clip_val=clip,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


def device_of(settings: TrainSettings) -> torch.device:
    """Return where these settings train."""
    if settings.accelerator == "cpu":
        return torch.device("cpu")
    with quiet():
        return make_trainer(settings).strategy.root_device
