"""Populations keep the training contract."""

from __future__ import annotations

from contracts.training import TrainingContract

from lossearch.training.population.method import train_population


class TestPopulation(TrainingContract):
    # products over all configurations of a seed may be computed by other kernels for other numbers of configurations
    tolerance = 1e-12
    judges_together = True

    def method(self):
        return train_population
