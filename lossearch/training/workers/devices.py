"""The GPUs of a machine, one to a worker in turn."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch

from lossearch.training.contract import TrainSettings
from lossearch.training.trainer import device_of

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""The environment variable that says which GPUs a process sees."""


def gpus(settings: TrainSettings, trainer: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the name of each GPU that workers may train on, none where they share what there is.

    Args:
        settings: the study's.
        trainer: the user's arguments of a Trainer, which may fix the device.
    """
    fixed = ":" in settings.device or {"accelerator", "devices"} & trainer.keys()
    if fixed or device_of(settings).type != "cuda":
        return ()
    return visible(os.environ.get(VISIBLE), torch.cuda.device_count())


def name_of(device: torch.device) -> str:
    """Return what people call a device: "cuda:0 (NVIDIA H200)"."""
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


def visible(named: str | None, count: int) -> tuple[str, ...]:
    """Return the name of each of ``count`` GPUs, as the environment names them; none where there is only one."""
    names = [name.strip() for name in named.split(",")] if named else [str(i) for i in range(count)]
    return tuple(names[:count]) if count > 1 else ()
