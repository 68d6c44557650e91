"""What the parts of the package promise each other, as test classes that every part with that promise runs.

Failing assertions in them show their values.
"""

import pkgutil

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))
