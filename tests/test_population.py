from lossearch.testing.training import TrainingContract
from lossearch.training.population import train_population
class TestPopulation(TrainingContract):
    tolerance=1e-12
    def trains(self):
        return train_population
