"""The Trainer that every method of training uses, and what a training must not leave behind.

One process, one device, nothing logged or printed; log levels, warning filters, thread count and signal
handlers are as before.
"""

from __future__ import annotations

import gc
import logging
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, TypedDict

import torch

from lossearch._lazy import pl
from lossearch._options import option
from lossearch._process import left_as_it_was
from lossearch._random import isolated
from lossearch.errors import InputError, RunFailedError, SignalledError
from lossearch.training.contract import TrainSettings
from lossearch.training.precision import PRECISIONS

if TYPE_CHECKING:
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment

_CHATTY = (
    "pytorch_lightning",
    "lightning",
    # these have a level of their own
    "lightning.pytorch",
    "lightning.fabric",
    "lightning_fabric",
    "lightning_utilities",
)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the training library inside; turn shape broadcasting from a warning into an error.

    An (N, 1) output against an (N,) target is otherwise trained on as an N x N table. Warnings of the
    user's own code are shown as ever.
    """
    # its import sets levels of its own: what is silenced before that speaks again
    with left_as_it_was():
        import pytorch_lightning  # noqa: F401
    loggers = [logging.getLogger(name) for name in _CHATTY]
    levels = [logger.level for logger in loggers]
    try:
        with warnings.catch_warnings():
            for package in _CHATTY:
                warnings.filterwarnings("ignore", module=rf"{package}(\.|$)")
            warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).*")
            warnings.filterwarnings("error", message="Using a target size", category=UserWarning)
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Compute on ``count`` threads inside; None leaves the number as it is."""
    before = torch.get_num_threads()
    if count is None or count == before:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def repeatable() -> Iterator[None]:
    """Have convolutions on a GPU computed in the same way every time inside, whatever is quickest at the moment."""
    settings = torch.backends.cudnn
    before = settings.deterministic, settings.benchmark
    settings.deterministic, settings.benchmark = True, False
    try:
        yield
    finally:
        settings.deterministic, settings.benchmark = before


@contextmanager
def interruptible() -> Iterator[None]:
    """Let nothing end the process by SystemExit.

    Raises:
        KeyboardInterrupt: Ctrl-C or another signal, which a Trainer makes a SystemExit; SIGTERM as SignalledError.
        RunFailedError: the user's code called ``sys.exit``.
    """
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if main else None
    try:
        yield
    except pl.utilities.exceptions.SIGTERMException:
        raise SignalledError(signal.SIGTERM) from None
    except SystemExit as ending:
        if isinstance(ending.__context__, KeyboardInterrupt):
            raise ending.__context__ from None
        raise process_ended(ending) from ending
    finally:
        if handler is not None:
            signal.signal(signal.SIGINT, handler)


def process_ended(ending: SystemExit) -> RunFailedError:
    """Return the error that stands for a ``sys.exit`` of code that a study runs."""
    return RunFailedError(
        f"SystemExit({ending.code!r}): code that the study runs (network, loss, data or listener) called sys.exit, "
        "which would end the process as if all were well. Raise an error there instead."
    )


def fit(trainer: pl.Trainer, module: pl.LightningModule, *loaders: Any, **data: Any) -> None:
    """Train a module; a SIGTERM that came too late for the Trainer to heed is heeded here.

    Raises:
        SignalledError: it came.
    """
    trainer.fit(module, *loaders, **data)
    if trainer.received_sigterm:
        raise SignalledError(signal.SIGTERM)


@contextmanager
def contained(seed: int, thread_count: int | None) -> Iterator[None]:
    """Put all of these around one replicate, with its own random state."""
    with threads(thread_count), repeatable(), quiet(), interruptible(), isolated(seed):
        yield


def _one_process() -> LightningEnvironment:
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment

    return LightningEnvironment()


def make_trainer(settings: TrainSettings, *, automatic: bool = True) -> pl.Trainer:
    """Return a Trainer for these settings.

    Args:
        settings: how replicates are trained.
        automatic: whether it steps the optimiser, and then clips gradients and trains in float64 where asked
            to. A lower precision is taken care of where the network is applied, which leaves losses alone.
    """
    double = automatic and PRECISIONS[settings.precision].weights == torch.float64
    return pl.Trainer(
        **placed(settings.device),
        # one process, whatever a cluster's environment variables say
        plugins=[_one_process()],
        precision="64-true" if double else "32-true",
        max_epochs=int(settings.epochs),
        gradient_clip_val=settings.clip if automatic else None,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


class Placed(TypedDict):
    """The arguments of a Trainer that say where it trains."""

    accelerator: str
    devices: int | list[int]


def placed(device: str) -> Placed:
    """Return a Trainer's arguments for a device: "cuda:1" is the second GPU."""
    accelerator, _, number = device.partition(":")
    return Placed(accelerator=accelerator, devices=[int(number)] if number else 1)


def device_of(settings: TrainSettings) -> torch.device:
    """Return where these settings train.

    Raises:
        InputError: there is no such device here.
    """
    return _root_device(settings.device)


@cache
def _root_device(device: str) -> torch.device:
    if device == "cpu":
        return torch.device("cpu")
    from lightning_fabric.utilities.exceptions import MisconfigurationException

    # a Trainer knows, but looks for callbacks among all installed packages whenever one is made
    try:
        with quiet():
            return pl.Trainer(
                **placed(device),
                plugins=[_one_process()],
                logger=False,
                enable_checkpointing=False,
            ).strategy.root_device
    except (MisconfigurationException, ValueError) as error:
        gpus = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
        mps = ["mps"] if torch.backends.mps.is_available() else []
        raise InputError(
            f"{option('device', device)} cannot be used: this machine has no such device. Give one of "
            f"{', '.join(['auto', 'cpu', *gpus, *mps])}."
        ) from error


def seconds_of(call: Callable[[], object], device: torch.device) -> float:
    """Return the seconds that a call takes on a device, of this thread's own where that is a processor.

    Other work on the machine disturbs those less, but they say nothing of what a GPU does meanwhile.
    """
    clock = time.thread_time if device.type == "cpu" else time.perf_counter
    begun = clock()
    call()
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return clock() - begun


def out_of_memory(error: Exception) -> bool:
    """Return whether an error says that memory ran out, on whatever device."""
    words = str(error).lower()
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(
        sign in words for sign in ("out of memory", "can't allocate memory")
    )


def free_memory(error: Exception) -> None:
    """Give back what a training held that ran out of memory, so that the next one finds room.

    Other failures leave no more behind than a training that ends well, and looking at every object of the
    process takes tenths of a second.
    """
    if not out_of_memory(error):
        return
    # the error holds the frames that it passed, and they hold what they computed with
    traceback.clear_frames(error.__traceback__)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def first_sentence(error: Exception) -> str:
    """Return the first sentence of an error's message."""
    line = (str(error).strip() or "no message").splitlines()[0]
    return line.split(". ")[0].rstrip(".")[:200]
