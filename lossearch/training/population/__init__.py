"""Many replicates trained together as one batched model."""

from lossearch.training.population.method import Populations, train_population

__all__ = ["Populations", "train_population"]
