"""The README of an exported model: what it is, and how it is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lossearch.model.fitted import FittedModel

_WHAT_IT_HOLDS = """\
`model.json` holds everything but the weights as plain values: preparation of the inputs, classes or units of
the target, network, origin. No file is a pickle, and the training data are not needed."""


def readme(model: FittedModel) -> str:
    """Return the README, in Markdown."""
    o = model.origin
    scores = "; ".join(f"{name} {value:.4g}" for name, value in o.scores.items())
    facts = {
        "Pair": f"`{model.point.pair}` at learning rate {model.point.lr:.4g}{_own(model)}",
        "Task": f"{o.task} ({model.kind}), target `{o.target}`",
        "Trained": f"{o.epoch} epochs of {o.optimizer} on {o.rows} rows ({o.trained_on}), seed {o.seed}",
        "Study": f"`{o.study}`, digest `{o.digest}`" + (f"; {scores}" if scores else ""),
        "Network": f"`{model.architecture}`, {_shape(model)}",
        "Versions": ", ".join(
            f"{k} {v}" for k, v in o.versions.items() if k in {"lossearch", "torch", "python"}
        ),
    }
    if model.corrects_probabilities:
        facts["Probabilities"] = (
            "corrected for the class weights in training; labels go by the weighted score"
        )
    parts = [
        f"# {o.study}: a model fitted by lossearch",
        "\n".join(f"- {name}: {text}" for name, text in facts.items()),
        "## Load it",
        _snippet(_with_lossearch(model)),
        _WHAT_IT_HOLDS,
    ]
    if not model.architecture.own:
        parts += ["## Or with torch alone", _snippet(_with_torch(model))]
    return "\n\n".join(parts) + "\n"


def _own(model: FittedModel) -> str:
    return "".join(f", {name} {value:.4g}" for name, value in model.point.params.items())


def _shape(model: FittedModel) -> str:
    a = model.architecture
    return f"input {'x'.join(map(str, a.input_shape))}, {a.n_out} output{'s' * (a.n_out > 1)}"


def _snippet(lines: Sequence[str]) -> str:
    return "\n".join(["```python", *lines, "```"])


def _with_lossearch(model: FittedModel) -> list[str]:
    proba = model.labels and model.gives_probabilities
    network = model.architecture
    own = [f"# {network} must be importable, or be given as model=..."] if network.own else []
    return [
        "import lossearch",
        "",
        *own,
        'model = lossearch.load_model(".")  # this directory',
        "X = model.example()  # two made-up rows; give your own in this form",
        "print(model.predict(X))",
        *(["print(model.classes, model.predict_proba(X))"] if proba else []),
    ]


def _with_torch(model: FittedModel) -> list[str]:
    a = model.architecture
    layers = ", ".join(f"nn.{layer!r}" for layer in model.network.children())
    shape = ", ".join(map(str, a.input_shape))
    return [
        "import torch",
        "from safetensors.torch import load_file",
        "from torch import nn",
        "",
        f"network = nn.Sequential({layers}){'.double()' if a.dtype == 'float64' else ''}",
        'network.load_state_dict(load_file("weights.safetensors"))',
        f'inputs = torch.zeros(1, {shape}, dtype=torch.{a.dtype})  # prepared as model.json\'s "inputs" say',
        "raw = network.eval()(inputs)  # before the output activation",
    ]
