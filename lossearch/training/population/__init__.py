"""Many replicates trained together as one batched model."""

from lossearch.training.population.train import train_population

__all__ = ["train_population"]
