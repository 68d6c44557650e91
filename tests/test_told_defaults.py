"""A default that documentation states in brackets is that of the signature."""

from __future__ import annotations

import inspect
import re

import pytest

import lossearch
from lossearch import LossSearchClassifier, LossSearchRegressor
from lossearch.estimators.options import OWN_WORDS

PUBLIC = [getattr(lossearch, name) for name in lossearch.__all__]
TELLING = [thing for thing in PUBLIC if callable(thing) and "[default: " in (thing.__doc__ or "")]


def stated(function):
    """Return parameter -> what its documentation says in brackets, of those of which it says any."""
    told = dict(re.findall(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", function.__doc__, re.MULTILINE))
    return {
        name: found[1] for name, words in told.items() if (found := re.search(r"\[default: (.*?)\]", words))
    }


def test_what_is_searched_tells_its_defaults():
    assert {lossearch.search, LossSearchClassifier, LossSearchRegressor} <= set(TELLING)


@pytest.mark.parametrize("function", TELLING)
def test_a_default_that_is_told_is_that_of_the_signature(function):
    defaults = {name: str(p.default) for name, p in inspect.signature(function).parameters.items()}
    found = stated(function)
    assert {"seeds", "confirm_seeds", "epoch", "init", "scale"} <= found.keys()
    assert found == {name: defaults[name] for name in found}


@pytest.mark.parametrize("cls", [LossSearchClassifier, LossSearchRegressor])
def test_every_default_of_an_estimator_that_is_a_value_is_told(cls):
    valued = {n for n, p in inspect.signature(cls).parameters.items() if p.default is not None}
    assert stated(cls).keys() == valued - OWN_WORDS.keys()
