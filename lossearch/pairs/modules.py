"""Every loss as an ``nn.Module`` of its own: ``Focal(gamma=2.0)``. Found as ``lossearch.losses.Focal``.

The classes are made from the losses' declarations when they are first asked for. ``modules.pyi`` lists those of this
package for editors and type checkers; ``python tests/loss_stub.py`` writes it.
"""

from __future__ import annotations

from typing import Any

from lossearch.pairs.module_classes import class_names, module_class


def __getattr__(name: str) -> Any:
    return module_class(name)


def __dir__() -> list[str]:
    return class_names()
