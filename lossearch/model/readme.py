"""The README of an exported model: what it is, and how it is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lossearch._text import escaped, in_code, listed

if TYPE_CHECKING:
    from lossearch.model.fitted import FittedModel

_WHAT_IT_HOLDS = """\
`model.json` holds everything but the weights as plain values: preparation of the inputs, classes or units of
the target, network, origin. No file is a pickle, and the training data are not needed."""


def readme(model: FittedModel, code: Sequence[str]) -> str:
    """Return the README, in Markdown; ``code`` is what of the user's own the model needs, each as ``module:function``."""
    o = model.origin
    scores = "; ".join(f"{name} {value:.4g}" for name, value in o.scores.items())
    facts = {
        "Pair": f"{in_code(model.point.pair)} at learning rate {model.point.lr:.4g}{_own(model)}",
        "Task": f"{escaped(o.task)} ({model.kind}), target {in_code(o.target)}",
        "Trained": f"{o.epoch} epochs of {escaped(o.optimizer)} on {o.rows} rows ({escaped(o.trained_on)}), seed {o.seed}",
        "Study": f"{in_code(o.study)}, digest {in_code(o.digest)}"
        + (f"; {escaped(scores)}" if scores else ""),
        "Network": f"{in_code(str(model.architecture))}, {_shape(model)}",
        "Versions": ", ".join(
            f"{k} {escaped(v)}" for k, v in o.versions.items() if k in {"lossearch", "torch", "python"}
        ),
    }
    if model.corrects_probabilities:
        facts["Probabilities"] = (
            "corrected for the class weights in training; labels go by the weighted score"
        )
    parts = [
        f"# {escaped(o.study)}: a model fitted by lossearch",
        "\n".join(f"- {name}: {text}" for name, text in facts.items()),
        "## Load it",
        _snippet(_with_lossearch(model, code)),
        _WHAT_IT_HOLDS,
    ]
    if not model.architecture.own and _is_stack(model):
        parts += ["## Or with torch alone", _snippet(_with_torch(model))]
    return "\n\n".join(parts) + "\n"


def _is_stack(model: FittedModel) -> bool:
    """Return whether the network is layers of torch's own, one after another: a loss may add some of its own."""
    layers = list(model.network.children())
    return not any(list(layer.children()) for layer in layers) and all(
        type(layer).__module__.startswith("torch.nn.") for layer in layers
    )


def _own(model: FittedModel) -> str:
    return "".join(f", {name} {value:.4g}" for name, value in model.point.params.items())


def _shape(model: FittedModel) -> str:
    a = model.architecture
    return f"input {'x'.join(map(str, a.input_shape))}, {a.n_out} output{'s' * (a.n_out > 1)}"


def _snippet(lines: Sequence[str]) -> str:
    return "\n".join(["```python", *lines, "```"])


def _with_lossearch(model: FittedModel, code: Sequence[str]) -> list[str]:
    proba = model.labels and model.gives_probabilities
    spread = model.criterion.pair.loss.distribution is not None
    network = model.architecture
    trust = f", trust={list(code)!r}" if code else ""
    own = (
        [f"# {listed([*map(repr, code)])} must be importable, or be given as model=..., losses=[...]"]
        if code
        else []
    )
    if network.own and network.code is None:
        own = [f"# the network {str(network)!r}, which no name leads to, is to be given as model=..."]
    return [
        "import lossearch",
        "",
        *own,
        f'model = lossearch.load_model("."{trust})  # this directory',
        "X = model.example()  # two made-up rows; give your own in this form",
        "print(model.predict(X))",
        *(["print(model.classes, model.predict_proba(X))"] if proba else []),
        *(["print(model.predict_interval(X, coverage=0.9))"] if spread else []),
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
