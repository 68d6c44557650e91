"""A fitted model: predictions for raw rows, and a directory that holds all it needs."""

from lossearch.model.fitted import FittedModel, Origin
from lossearch.model.saved import load_model, named_code, save_model

__all__ = ["FittedModel", "Origin", "load_model", "named_code", "save_model"]
