"""A user's module keeps the promises of training, trained alone and together with others."""

from __future__ import annotations

from dataclasses import replace

import pytest
from contracts.own_module import as_module
from contracts.problems import every_pair
from contracts.training import TrainingContract
from contracts.training_base import SETTINGS, conventional, of_each_sort

from lossearch.training.plain.train import train_plain
from lossearch.training.population.method import train_population


class OwnModuleContract(TrainingContract):
    """What is not promised of a module is left out."""

    # what a module adds to pairs, optimisers and networks shows in its first epochs
    compared = optimised = replace(SETTINGS, epochs=4)

    def pairs(self, task):
        """Return a pair of each sort: a module meets a criterion, not a loss."""
        return of_each_sort([conventional(task), *every_pair(task)])

    # its rows, its shape and its weights of rows are its own business
    test_numbers_that_are_none_are_refused = None
    test_settings_that_cannot_be = None
    test_a_network_of_the_wrong_width = None
    test_every_weighted_pair_trains_as_a_plain_loop_would = None
    test_weights_are_a_points_own_setting = None
    # training rows are not scored
    test_curves_have_a_value_an_epoch = None
    test_metrics_are_those_of_the_network = None
    test_kept_weights_are_of_the_judged_epoch = None
    # a loss that is not finite is where it is seen first
    test_a_gradient_that_is_not_finite = None
    # here each seed is a call of its own; see test_own_module_training
    test_pruned_points_end_and_others_do_not_notice = None


class TestAlone(OwnModuleContract):
    def method(self):
        return as_module(train_plain)


class TestTogether(OwnModuleContract):
    tolerance = 1e-10

    def method(self):
        return as_module(train_population)


pytestmark = pytest.mark.slow
