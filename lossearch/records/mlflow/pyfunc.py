"""What MLflow runs to load a registered model: its own code, not a pickle of an object.

MLflow keeps a copy of this file beside the model and calls it by ``set_model``; nothing imports it.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from lossearch.model import load_model, named_code


class ExportedModel(PythonModel):
    """The model in the directory that ``lossearch export`` wrote."""

    def load_context(self, context: Any) -> None:
        """Read the directory."""
        place = context.artifacts["model"]
        # whoever loads a registered model runs its code, of which this file is a part
        self.model = load_model(place, trust=named_code(place))

    # a DataFrame or an array, as the signature says; MLflow would take any other annotation for a schema
    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:  # noqa: ARG002
        """Return classes or values; class probabilities with ``params={"probabilities": True}``."""
        if (params or {}).get("probabilities"):
            return self.model.predict_proba(model_input)
        return self.model.predict(model_input)


set_model(ExportedModel())
