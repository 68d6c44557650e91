"""A fitted model as a directory: model.json, weights.safetensors and a README that says how to load it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from lossearch._imports import leads_somewhere
from lossearch._json import write_json, write_text
from lossearch._trust import as_trust, require_trusted
from lossearch.data.inputs import Inputs
from lossearch.errors import InputError, StoreError
from lossearch.kinds import Table, TargetStatistics
from lossearch.losses import (
    ACTIVATIONS,
    ENCODINGS,
    Loss,
    UnreadableError,
    as_loss,
    is_expression,
    loss_of_sum,
    losses_for,
    own_loss,
    own_places,
    place_of,
)
from lossearch.model.directory import new_directory
from lossearch.model.fitted import FittedModel, Origin
from lossearch.model.own_module import CARD as MODULE_CARD
from lossearch.model.readme import readme
from lossearch.networks.architecture import Architecture
from lossearch.pairs import Pair
from lossearch.records.damage import damaged, read_record, reading
from lossearch.records.tensors import read_tensors, write_tensors
from lossearch.space import Point

FORMAT = 4
"""Version of the directory's layout; earlier ones are read, a later one is refused."""

CARD = "model.json"
WEIGHTS = "weights.safetensors"
_GIVEN = "Or give it: lossearch.load_model(DIR, model=FUNCTION, losses=[LOSS])."


def save_model(model: FittedModel, directory: str | Path) -> Path:
    """Write a model to a directory that is new or empty, and return it.

    Raises:
        InputError: the directory exists and is not empty, or cannot be written.
    """
    with new_directory(directory) as folder:
        weights = write_tensors(folder / WEIGHTS, model.network.state_dict())
        card = describe(model) | {"weights": {"file": WEIGHTS, "blake2b": _digest(weights)}}
        write_text(folder / "README.md", readme(model, tuple(_code(card).values())))
        write_json(folder / CARD, card)  # last: where it is, the rest is
    return folder


def describe(model: FittedModel) -> dict[str, Any]:
    """Return everything about a model but its weights, as plain values."""
    pair = model.criterion.pair
    return {
        # one without counts of classes, or without class weights, is read by an earlier lossearch too
        "format": 4 if model.statistics.class_counts else 3 if model.class_weights else 2,
        "kind": model.kind,
        "point": model.point.as_json(),
        "encoding": pair.encoding.name,
        "loss": _reference(pair),
        "statistics": model.statistics.as_json(),
        "classes": list(model.labels),
        "n_out": model.n_out,
        "class_weights": model.class_weights,
        **({"shape": list(model.shape)} if model.shape else {}),
        "network": model.architecture.as_json(),
        "inputs": model.inputs.as_json(),
        "origin": asdict(model.origin),
    }


def _reference(pair: Pair) -> str | None:
    """Return the place of a user's loss, None for one of the catalogue."""
    loss = pair.loss
    return None if losses_for(pair.kind).get(loss.name) is loss else place_of(loss)


def _digest(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def load_model(
    directory: str | Path,
    *,
    model: Callable[..., nn.Module] | None = None,
    losses: Sequence[Loss | Callable[..., Any]] = (),
    trust: str | Iterable[str] = (),
) -> FittedModel:
    """Return the model in a directory that ``export`` wrote. Needs no data, and runs no code that the files name.

    Args:
        directory: where it is.
        model: the network factory, where it is your own.
        losses: losses of your own.
        trust: names of such code (``module:function``) in the files, to be imported where it is not given.

    Raises:
        InputError: a factory or loss is your own and neither given nor trusted, or it is not found.
        StoreError: there is no model in the directory, or it is damaged or of a later format.

    Example:
        >>> import lossearch
        >>> directory = lossearch.load("circles").model.save("circles-model")
        >>> lossearch.load_model(directory).predict([[0.0, 0.1]]).shape
        (1,)
    """
    folder = Path(directory).expanduser()
    card = _card(folder)
    with reading(folder / CARD):
        own = {loss.name: loss for loss in (as_loss(x, card["kind"]) for x in losses)}
        code = {name: what for name, what in _code(card).items() if not _is_given(what, card, model, own)}
        require_trusted(code, as_trust(trust), f"The model in {folder}", _GIVEN)
        return _assembled(folder, card, model, own)


def named_code(directory: str | Path) -> frozenset[str]:
    """Return the code of a user's own that a model in a directory needs, each as ``module:function``."""
    return frozenset(_code(_card(Path(directory))))


def _card(folder: Path) -> dict[str, Any]:
    if not (folder / CARD).is_file() and (folder / MODULE_CARD).is_file():
        raise StoreError(
            f"{folder} holds an exported LightningModule of your own, not a model of lossearch's making: the lines that load "
            f"it are in {folder / 'README.md'}."
        )
    if not (folder / CARD).is_file():
        raise StoreError(f"{folder} holds no exported model: there is no {CARD} in it.")
    card: dict[str, Any] = read_record(folder / CARD, dict)
    if card.get("format", 0) > FORMAT:
        raise StoreError(
            f"{folder} has format {card['format']}; this lossearch reads up to {FORMAT}. Upgrade lossearch."
        )
    return card


def _code(card: Mapping[str, Any]) -> dict[str, str]:
    """Return what code a card names: its name -> what for."""
    network = Architecture.from_json(card["network"]).code
    names = {
        **dict.fromkeys(own_places(card["loss"] or ""), "loss"),
        **({network: "model"} if network else {}),
    }
    return {name: what for name, what in names.items() if leads_somewhere(name)}


def _is_given(what: str, card: Mapping[str, Any], model: Any, losses: Mapping[str, Loss]) -> bool:
    return model is not None if what == "model" else _given_loss(card, losses) is not None


def _given_loss(card: Mapping[str, Any], losses: Mapping[str, Loss]) -> Loss | None:
    """Return a card's loss where it is given, or those of a user's own that it is made of are."""
    name = _loss_name(card)
    if name in losses or not is_expression(name) or own_places(name):
        return losses.get(name)
    try:
        return loss_of_sum(name, card["kind"], losses)
    except UnreadableError:
        return None


def _loss_name(card: Mapping[str, Any]) -> str:
    name: str = card["point"]["pair"].rpartition("/")[0]
    return name


def _assembled(
    folder: Path,
    card: Mapping[str, Any],
    factory: Callable[..., nn.Module] | None,
    losses: Mapping[str, Loss],
) -> FittedModel:
    """Return the model of a card, whose code is given or trusted."""
    pair = _pair(card, losses)
    point = Point.from_json(card["point"], pair)
    architecture = Architecture.from_json(card["network"])
    statistics = TargetStatistics(**{k: tuple(v) for k, v in card["statistics"].items()})
    n_out = card.get("n_out", architecture.n_out)  # cards of before there were heads have none
    network = pair.ended(architecture.build(factory or architecture.code), n_out)
    weights = folder / Path(card["weights"]["file"]).name  # beside it, whatever else a stranger's may say
    tensors, _ = read_tensors(weights)
    if _digest(weights) != card["weights"]["blake2b"]:
        raise damaged(weights, f"it is not the file that {CARD} describes")
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(
            f"The network that {architecture} builds does not fit the weights: it has changed since. "
            f"{str(error).strip().splitlines()[-1].strip()}"
        ) from error
    return FittedModel(
        point,
        network,
        architecture,
        statistics,
        Inputs.from_json(card["inputs"]),
        tuple(card["classes"]),
        n_out,
        Origin(**card["origin"]),
        _table(card.get("class_weights")),
        tuple(card.get("shape", ())),
    )


def _table(rows: Sequence[Sequence[float]] | None) -> Table | None:
    return None if rows is None else tuple(map(tuple, rows))


def _pair(card: Mapping[str, Any], losses: Mapping[str, Loss]) -> Pair:
    loss_name, _, activation = card["point"]["pair"].rpartition("/")
    given = _given_loss(card, losses)
    if given is not None:
        loss = given
    elif card["loss"] is None:
        loss = losses_for(card["kind"])[loss_name]
    else:
        loss = _own_loss(card["loss"], loss_name, card["kind"])
    return Pair(loss, ACTIVATIONS[activation], ENCODINGS[card["encoding"]], card["kind"])


def _own_loss(reference: str, name: str, kind: str) -> Loss:
    missing = InputError(
        f"This model was trained with the loss {name!r} of {reference}, which cannot be imported here. "
        "Give it: lossearch.load_model(DIR, losses=[LOSS])."
    )
    if not all(map(leads_somewhere, own_places(reference))):
        raise missing
    try:
        return own_loss(reference, kind)
    except InputError as error:
        raise missing from error
