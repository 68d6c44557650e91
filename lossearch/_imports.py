"""Objects named as ``module:function`` or ``module.function``, and classes of Lightning packages that are imported."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

from lossearch._registry import did_you_mean
from lossearch.errors import InputError

T = TypeVar("T")

LIGHTNING = ("pytorch_lightning", "lightning.pytorch")
"""The packages that a user's Trainer and modules may come from."""


def lightning_classes(path: str) -> tuple[type, ...]:
    """Return what stands at a dotted path of each Lightning package that is imported, such as its Trainer."""
    return tuple(attrgetter(path)(sys.modules[p]) for p in LIGHTNING if p in sys.modules)


FILE_PREFIX = "lossearch_file_"
"""What the name of a module begins with that was loaded from a file that was named."""


def is_reference(name: str) -> bool:
    """Return whether a name is of the form module:function, or module.function as Python writes it."""
    module, dot, attribute = _halves(name)
    return bool(dot and module and attribute)


def _halves(name: str) -> tuple[str, str, str]:
    if ":" in name:
        return name.rpartition(":")
    parts = name.split(".")
    return name.rpartition(".") if all(map(str.isidentifier, parts)) else (name, "", "")


def leads_somewhere(name: str) -> bool:
    """Return whether a name is one by which another process finds what stands there."""
    return "<" not in name and _halves(name)[0] != "__main__"


def reference_to(thing: Any, function: Callable[..., Any]) -> str | None:
    """Return the name that :func:`load_object` finds a thing by in another process, None where there is none.

    Args:
        thing: what stands in a module.
        function: the function of that module it was made of, whose name it bears.
    """
    name, module = getattr(function, "__qualname__", ""), getattr(function, "__module__", None) or ""
    loaded = sys.modules.get(module)
    if module == "__main__" or loaded is None or _inside(loaded, name) is not thing:
        return None
    return f"{loaded.__file__ if module.startswith(FILE_PREFIX) else module}:{name}"


def beside(name: str, folder: Path) -> str:
    """Return a reference whose module only ``folder`` has as one to the file there, any other name as it is."""
    if not is_reference(name):
        return name
    module, _, attribute = _halves(name)
    path = Path(module) if module.endswith(".py") else Path(*module.split(".")).with_suffix(".py")
    known = path.is_file() or (not module.endswith(".py") and _is_installed(module))
    return name if known or not (folder / path).is_file() else f"{folder / path}:{attribute}"


def _is_installed(module: str) -> bool:
    return module in sys.modules or importlib.util.find_spec(module.partition(".")[0]) is not None


def _inside(module: ModuleType, name: str) -> Any:
    """Return what stands at a dotted name in a module, None where there is nothing."""
    try:
        return attrgetter(name)(module) if name else None
    except AttributeError:
        return None


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let modules of a folder be imported, as they are beside a script."""
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def joined(cls: type[T], bases: tuple[type, ...]) -> type[T]:
    """Return ``cls`` as a class that also is each of these, such as the Callback of a package.

    It is the same at every call; ``_declared`` of it is ``cls``.
    """
    missing = tuple(base for base in bases if not issubclass(cls, base))
    return _subclass(cast("Hashable", cls), missing) if missing else cls


@functools.cache
def _subclass(cls: Any, bases: tuple[type, ...]) -> Any:
    known = {"__module__": cls.__module__, "__doc__": cls.__doc__, "_declared": cls}
    return type(cls.__name__, (cls, *bases), known)


def _from_file(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _importable(path.parent):
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
        own_name = f"{FILE_PREFIX}{path.stem}"
        loaded = sys.modules.get(own_name)
        same = loaded is not None and loaded.__file__ == str(path)
        return loaded if same and loaded is not None else _from_file(path, own_name)
    if _is_installed(name):
        return importlib.import_module(name)
    with _importable(Path.cwd()):
        return importlib.import_module(name)


def load_object(name: str, what: str) -> Any:
    """Return what ``module:name`` or ``module.name`` stands for.

    The module is importable, or a file: ``nets`` finds ``nets.py`` in the working directory, and
    ``path/to/nets.py:function`` names the file itself.

    Args:
        name: module and name, with a colon or a dot between them.
        what: what it is for, for messages.

    Raises:
        InputError: there is no such module or name, or the module cannot be imported.
    """
    module_name, mark, attribute = _halves(name)
    if not (mark and module_name and attribute):
        raise InputError(f"{what} {name!r} is not of the form module:function.")
    try:
        module = _module(module_name)
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(
            f"{what} {name!r}: module {module_name!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    found = _inside(module, attribute)
    if found is None:
        public = [n for n in vars(module) if not n.startswith("_")]
        hint = did_you_mean(attribute, public)
        raise InputError(f"{what} {name!r}: module {module_name!r} has no {attribute!r}.{hint}")
    return found


def load_function(name: str, what: str) -> Callable[..., Any]:
    """Return the callable that ``module:function`` names; see :func:`load_object`.

    Raises:
        InputError: there is none.
    """
    found = load_object(name, what)
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
