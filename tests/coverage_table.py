"""Write docs/losses.md: what the losses of torch, Keras and optax are called here, or why they are not here."""

from __future__ import annotations

import json
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from lossearch.kinds import KINDS
from lossearch.losses import ACTIVATIONS, BUILT_IN, Loss
from lossearch.pairs import Pair, pair_up

PAGE = Path(__file__).parents[1] / "docs" / "losses.md"
NAMES = Path(__file__).parent / "data" / "losses_of_others.json"
"""Library -> the version that was read and the names it had; ``python tests/coverage_table.py --read`` reads installed ones."""

LIBRARIES = {"torch": "torch.nn and torch.nn.functional", "keras": "keras.losses", "optax": "optax.losses"}
_EMBEDDINGS = "compares embeddings of two rows or three; a network that predicts a target has none"
_SEQUENCES = "aligns sequences of labels with sequences of outputs; a row here has one target"
_UNNORMALISED = "for targets that are no probabilities; of classes it is kl_div"
OUT = {
    **dict.fromkeys(
        (
            "CosineEmbeddingLoss", "cosine_embedding_loss", "HingeEmbeddingLoss", "hinge_embedding_loss",
            "TripletMarginLoss", "TripletMarginWithDistanceLoss", "triplet_margin_loss",
            "triplet_margin_with_distance_loss", "Circle", "circle", "ntxent",
        ),
        _EMBEDDINGS,
    ),
    **dict.fromkeys(("CTC", "ctc", "CTCLoss", "ctc_loss", "ctc_loss_with_forward_probs"), _SEQUENCES),
    **dict.fromkeys(
        ("MarginRankingLoss", "margin_ranking_loss"), "compares the scores of two rows, and needs pairs of rows as data"
    ),
    **dict.fromkeys(
        ("LinearCrossEntropyLoss", "linear_cross_entropy"),
        "cross_entropy computed together with the last layer, which the network has here",
    ),
    **dict.fromkeys(("convex_kl_divergence", "generalized_kl_divergence"), _UNNORMALISED),
    "kl_divergence_with_log_targets": "kl_div of targets given as logarithms; classes have none",
    "smooth_labels": "changes targets, not a loss: label_smoothing_ce trains on what it gives",
    "make_fenchel_young_loss": "makes losses: sparsemax_loss and entmax15_loss are two that it makes",
    "multiclass_generalized_dice_loss": "weighs classes by how rare they are in the batch, so that each batch has an objective of its own; see dice",
    "ranking_softmax_loss": "ranks the items of a list; a row here is one item",
}  # fmt: skip
"""Name -> why there is no such loss; read only where no loss has the name."""
NOT_LOSSES = {"Loss", "get", "serialize", "deserialize"}
LEFT_OUT = {
    "arcface, cosface": "need a head of normalised features and weights, whose scores are cosines; `ldam` has the margins without it",
    "weighted cross-entropy": 'is `cross_entropy` or `bce` with `class_weight`, and by inverse frequency with `class_weight = "balanced"`; so is focal with a weight for each class',
    "distribution_balanced": "its factors are of how labels occur together, which counts of single labels do not say; `class_balanced_ce` and `logit_adjusted` weigh or shift each label by its own",
    "balanced_mse": "sets each output against every target of its batch, so that a row's value is not its own; weigh rows whose targets are rare instead",
    "weighted_mape": "is `mae` divided by the mean target of the batch, a factor that all its rows share",
    "error-correcting output codes": "train on codewords, wider or narrower than the classes are many; with a bit for each class they are `ovr_logistic`, `ovr_hinge` and their kin",
    "lovasz_softmax": "is for masks of several classes, which are not known; of one there is `lovasz_hinge`",
    "boundary, hausdorff_dt": "read how far each pixel is from the edge of its mask, and need maps of that as data",
    "soft_cldice, ssim, ms_ssim": "read each pixel with its neighbours; a loss here is given a row's numbers without their places",
    "spectral_convergence, log_stft": "are of sound, by windows of it",
    "categorical_256": "needs 256 outputs for each number of the input; `hl_gauss` has 51 bins, and `discretized_logistic_mixture` nine numbers for any levels",
    "KL term of a variational autoencoder": "is of the network's hidden numbers, not of what it gives; a module of your own adds it to its loss",
    "cox_ph, weibull survival": "need to know of each row whether it was still waiting when it was last seen; targets here do not say",
}
"""Losses of papers that are not here, and why."""


def here(name: str) -> list[Loss]:
    """Return the losses that a name stands for, as name, alias or class."""
    return [loss for loss in BUILT_IN if name in (loss.name, *loss.aliases, loss.class_name)]


def installed(library: str) -> list[str] | None:
    """Return the names of an installed library's losses; None where it is not installed."""
    if find_spec(library) is None:
        return None
    if library == "torch":
        functions = [
            name
            for name in dir(import_module("torch.nn.functional"))
            if name.endswith(("_loss", "cross_entropy", "cross_entropy_with_logits")) or name == "kl_div"
        ]
        return sorted({*import_module("torch.nn.modules.loss").__all__, *functions})
    module = import_module(f"{library}.losses")
    return sorted(
        name for name in dir(module) if not name.startswith("_") and callable(getattr(module, name))
    )


def unknown(names: list[str]) -> list[str]:
    """Return the names that no loss has and that no reason is given for."""
    return [n for n in names if not here(n) and n not in OUT and n not in NOT_LOSSES]


def read() -> dict[str, dict[str, object]]:
    """Return what was read of each library."""
    found: dict[str, dict[str, object]] = json.loads(NAMES.read_text())
    return found


def _pairs(loss: Loss) -> list[Pair]:
    found = [pair_up(loss, a) for a in ACTIVATIONS.values()]
    return [p for p in found if isinstance(p, Pair)]


def objectives(losses: list[Loss]) -> int:
    """Return how many of these losses are not another one, but for a factor or a scale, with every activation."""
    return sum(any(p.equivalent is None for p in _pairs(loss)) for loss in losses)


def _row(name: str) -> str:
    found = here(name)
    if not found:
        return f"| `{name}` | | {OUT[name]} |"
    own = " ".join(dict.fromkeys(f"`{x.name}`" for x in found))
    kinds = dict.fromkeys(k for x in found for k in x.kinds)
    return f"| `{name}` | {own} | {', '.join(kinds)} |"


def page() -> str:
    """Return the page as it is to be."""
    names = sum(len({x.name, *x.aliases}) for x in BUILT_IN)
    lines = [
        "# Losses of other libraries",
        "",
        "Written by `python tests/coverage_table.py` from the declarations; names are aliases, so that each can be used as it is:",
        '`--losses BCEWithLogitsLoss`, `lossearch.criterion("categorical_hinge/identity")`.',
        "",
        f"There are {len(BUILT_IN)} losses under {names} names. {objectives(list(BUILT_IN))} of them are objectives of their own:",
        "the others are, with every activation they may meet, another one but for a factor or a scale of the output.",
        "",
        "| task | losses | objectives of their own |",
        "|---|---|---|",
    ]
    for kind in KINDS:
        own = [x for x in BUILT_IN if kind in x.kinds]
        lines.append(f"| {kind} | {len(own)} | {objectives(own)} |")
    for library, words in LIBRARIES.items():
        known = read()[library]
        listed = [n for n in known["names"] if n not in NOT_LOSSES]  # type: ignore[attr-defined]
        lines += [
            "",
            f"## {words} ({library} {known['version']})",
            "",
            "| there | here | tasks, or why not |",
            "|---|---|---|",
        ]
        lines += map(_row, listed)
    lines += ["", "## Of papers, and not here", "", "| loss | why |", "|---|---|"]
    lines += [f"| {name} | {why} |" for name, why in LEFT_OUT.items()]
    return "\n".join(lines) + "\n"


def reread() -> None:
    """Read the names of the libraries that are installed."""
    known = read() if NAMES.exists() else {}
    for library in LIBRARIES:
        names = installed(library)
        if names is not None:
            known[library] = {"version": version(library).partition("+")[0], "names": names}
    NAMES.write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    import sys

    if "--read" in sys.argv:
        reread()
    PAGE.write_text(page())
