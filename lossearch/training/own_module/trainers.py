"""The Trainer of a user's module: the study's settings, and what the user says of it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from lossearch.errors import InputError, refuse
from lossearch.training.contract import TrainSettings
from lossearch.training.trainer import placed

_LEFT_OUT = {
    "barebones": "it switches off the hooks that a study needs",
    "fast_dev_run": "a study trains whole epochs",
    "max_time": "what is trained would depend on the machine; [budget] time limits a study",
    "num_nodes": "a replicate is trained by one process; [train] workers trains several replicates at once",
    "strategy": "a replicate is trained by one process; [train] workers trains several replicates at once",
}
_EPOCHS = ("max_epochs", "min_epochs")


def check_trainer(kwargs: Mapping[str, Any]) -> None:
    """Refuse arguments of a Trainer that do not go with a study.

    Raises:
        InputError: there are such.
    """
    wrong = [
        f"trainer_kwargs has {name}: leave it out, for {why}."
        for name, why in _LEFT_OUT.items()
        if kwargs.get(name)
    ]
    wrong += [
        f"trainer_kwargs has {name}: write epochs= (in [train]) instead."
        for name in _EPOCHS
        if name in kwargs
    ]
    devices = kwargs.get("devices", 1)
    if devices not in (1, "1") and not (isinstance(devices, (list, tuple)) and len(devices) == 1):
        wrong.append(
            f"trainer_kwargs has devices={devices!r}: a replicate is trained on one device. Leave it out."
        )
    if kwargs.get("limit_val_batches", 1) == 0:
        wrong.append("trainer_kwargs has limit_val_batches=0: without validation nothing can be judged.")
    refuse(wrong)


def own_trainer(
    package: Any, settings: TrainSettings, kwargs: Mapping[str, Any], callbacks: Sequence[Any], folder: str
) -> Any:
    """Return a fresh Trainer.

    Args:
        package: the Lightning package.
        settings: the study's.
        kwargs: the user's arguments; callbacks and loggers may be functions that make them, and are else copied.
        callbacks: ours.
        folder: where what the user's callbacks write goes, unless they say.

    Raises:
        InputError: the Trainer refuses them.
    """
    fabric = "lightning.fabric" if package.__name__.startswith("lightning.") else "lightning_fabric"
    environment = import_module(f"{fabric}.plugins.environments.lightning").LightningEnvironment
    own = [_fresh(c, package.Callback) for c in kwargs.get("callbacks", ())]
    loggers = kwargs.get("logger", False)
    given = {
        **placed(settings.device),
        "precision": settings.precision,
        "gradient_clip_val": settings.clip,
        "default_root_dir": folder,
        "enable_checkpointing": any(isinstance(c, package.callbacks.Checkpoint) for c in own),
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "use_distributed_sampler": False,
        **kwargs,
        "max_epochs": int(settings.epochs),
        "logger": [_fresh(x, ()) for x in loggers]
        if isinstance(loggers, (list, tuple))
        else _fresh(loggers, ()),
        "callbacks": [*own, *callbacks],
        # one process, whatever a cluster's environment variables say
        "plugins": [environment(), *kwargs.get("plugins", ())],
    }
    try:
        return package.Trainer(**given)
    except (
        TypeError,
        ValueError,
        RuntimeError,
        package.trainer.configuration_validator.MisconfigurationException,
    ) as error:
        raise InputError(
            f"The Trainer cannot be made with trainer_kwargs ({', '.join(kwargs)}): {error}"
        ) from error


def without_logs(package: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the user's arguments with Lightning's own stand-ins for loggers: what is only tried out is no run of theirs.

    None at all would fail a module that logs to ``self.logger.experiment``.
    """
    loggers = kwargs.get("logger")
    if not loggers:
        return {**kwargs}
    stand_in = import_module(f"{package.__name__}.loggers.logger").DummyLogger
    many = len(loggers) if isinstance(loggers, (list, tuple)) else 1
    return {**kwargs, "logger": [stand_in() for _ in range(many)]}


def _fresh(given: Any, kinds: type | tuple[type, ...]) -> Any:
    """Return what a function makes, or a copy of a callback: replicates share none, which keep a state."""
    if kinds and isinstance(given, kinds):
        return copy.deepcopy(given)
    return given() if callable(given) else given
