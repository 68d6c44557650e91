"""The code of a user's own that a configuration names, and that making its study ready would run."""

from __future__ import annotations

from collections.abc import Iterator

from lossearch._imports import is_reference
from lossearch.config import KEYS, StudyConfig
from lossearch.data.sources import is_code
from lossearch.losses import losses_for, own_places
from lossearch.networks.architecture import NETWORKS


def named_code(config: StudyConfig, kind: str) -> dict[str, str]:
    """Return reference -> the key it is the value of, for each piece of code that a configuration names.

    Args:
        config: the study file's tables.
        kind: the kind of task, whose losses are no such code.
    """
    return dict(_named(config, kind))


def _named(config: StudyConfig, kind: str) -> Iterator[tuple[str, str]]:
    known = losses_for(kind)
    for key in KEYS:
        given = getattr(getattr(config, key.table), key.name) if key.option.code else None
        for name in (given,) if isinstance(given, str) else given or ():
            if key.table == "space":
                loss = name.rpartition("/")[0] if key.name == "pairs" else name
                yield from ((place, key.name) for place in own_places(loss) if loss not in known)
            elif _is_code(key.path, name):
                yield name, key.name
    # metrics of published figures are recorded too
    yield from ((row.metric, "metric") for row in config.published if is_reference(row.metric))


def _is_code(path: str, name: str) -> bool:
    if path == "task.data":
        return is_code(name)
    # whatever is no network of ours is looked for as code
    return name not in NETWORKS if path == "task.model" else is_reference(name)
