"""For a user's own Optuna objective: which point to train, and a callback that watches the training."""

from lossearch.integrations.callback import LossSearchCallback
from lossearch.integrations.suggestion import suggest

__all__ = ["LossSearchCallback", "suggest"]
