"""Records: the store, Optuna's storage, curves in Parquet, and the MLflow view written from them."""

from lossearch.records.store import Store
from lossearch.records.study import StudyRecord
from lossearch.records.trial import TrialRecord

__all__ = ["Store", "StudyRecord", "TrialRecord"]
