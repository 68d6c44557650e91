"""A user's module keeps the promises of training, trained alone and together with others."""

from __future__ import annotations

import pytest
from contracts.own_module import as_module
from contracts.training import TrainingContract

from lossearch.training.plain.train import train_plain
from lossearch.training.population.method import train_population


class OwnModuleContract(TrainingContract):
    """What is a network's own business left out: its rows and its shape are the module's."""

    test_curves_have_a_value_an_epoch = None
    test_numbers_that_are_none_are_refused = None
    test_settings_that_cannot_be = None
    test_a_network_of_the_wrong_width = None


class TestAlone(OwnModuleContract):
    def method(self):
        return as_module(train_plain)


class TestTogether(OwnModuleContract):
    tolerance = 1e-10

    def method(self):
        return as_module(train_population)


pytestmark = pytest.mark.slow
