"""Objects named as ``module:function``, and classes of Lightning packages that are imported."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

from lossearch._registry import did_you_mean
from lossearch.errors import InputError

LIGHTNING = ("pytorch_lightning", "lightning.pytorch")
"""The packages that a user's Trainer and modules may come from."""


def lightning_classes(path: str) -> tuple[type, ...]:
    """Return what stands at a dotted path of each Lightning package that is imported, such as its Trainer."""
    return tuple(attrgetter(path)(sys.modules[p]) for p in LIGHTNING if p in sys.modules)


def _from_file(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _module(name: str) -> ModuleType:
    if name.endswith(".py"):
        path = Path(name).resolve()
        if not path.is_file():
            raise InputError(f"There is no file {name}.")
        own_name = f"lossearch_file_{path.stem}"
        loaded = sys.modules.get(own_name)
        same = loaded is not None and loaded.__file__ == str(path)
        return loaded if same and loaded is not None else _from_file(path, own_name)
    if name in sys.modules:
        return sys.modules[name]
    local = Path(*name.split(".")).with_suffix(".py")
    found = importlib.util.find_spec(name.partition(".")[0]) is not None
    return (
        importlib.import_module(name) if found or not local.is_file() else _from_file(local.resolve(), name)
    )


def load_function(name: str, what: str) -> Callable[..., Any]:
    """Return the callable that ``module:function`` names.

    The module is importable, or a file: ``nets`` finds ``nets.py`` in the working directory, and
    ``path/to/nets.py:function`` names the file itself.

    Args:
        name: module and function, with a colon between them.
        what: what it is for, for messages.

    Raises:
        InputError: there is no such module or function, or the module cannot be imported.
    """
    module_name, colon, attribute = name.rpartition(":")
    if not (colon and module_name and attribute):
        raise InputError(f"{what} {name!r} is not of the form module:function.")
    try:
        module = _module(module_name)
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(
            f"{what} {name!r}: module {module_name!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    found = getattr(module, attribute, None)
    if found is None:
        public = [n for n in vars(module) if not n.startswith("_")]
        hint = did_you_mean(attribute, public)
        raise InputError(f"{what} {name!r}: module {module_name!r} has no {attribute!r}.{hint}")
    if not callable(found):
        raise InputError(f"{what} {name!r} is a {type(found).__name__}, not a function.")
    function: Callable[..., Any] = found
    return function


def own_class(given: Any, what: str) -> tuple[Callable[..., Any], str]:
    """Return a class or function of the user's, and its name as ``module:name``.

    Args:
        given: it, or its name.
        what: what it is for, for messages.

    Raises:
        InputError: it is not found, or cannot be called.
    """
    if isinstance(given, str):
        return load_function(given, what), given
    if not callable(given) or not hasattr(given, "__name__"):
        of = type(given).__name__
        raise InputError(
            f"{what} is a {of} object, which every replicate would share. Give the class, with its arguments in "
            f"{what}_args, or a function that makes one: lambda criterion, lr: {of}(...)."
        )
    return given, f"{given.__module__}:{given.__qualname__}"
