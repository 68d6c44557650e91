"""Contracts as reusable tests: subclass one in your own test file, and pytest runs it on your component.

Import the one you need from its module; each needs pytest. Failing assertions in them show their values.
"""

import pkgutil

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))
