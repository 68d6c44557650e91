"""Segmentation: targets are masks, each pixel of which belongs to what is looked for or not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lossearch.errors import InputError, refuse
from lossearch.kinds._baselines import Baseline
from lossearch.kinds._kind import Array, Readout, ReadTargets
from lossearch.kinds._predictions import Predictions, stepped
from lossearch.kinds._target import is_text, shown, some_rows
from lossearch.kinds.multilabel import Multilabel

if TYPE_CHECKING:
    from torch import Tensor

_WHITE = 255
"""How files hold what is marked."""


class Segmentation(Multilabel):
    """Targets are masks, (N, H, W) of 0 and 1, and the network gives a raw score for each pixel.

    Inside a mask is a row of H * W labels. Those are places of one picture: weights and what is balanced are of all
    pixels together, and losses and metrics count over pixels, never over one pixel's rows.
    """

    name: ClassVar[str] = "segmentation"
    baselines: ClassVar[tuple[Baseline, ...]] = ()
    like: ClassVar[str] = "multilabel"
    like_by_number: ClassVar[bool] = True
    usual: ClassVar[tuple[str, ...] | None] = ("bce", "focal")
    maps: ClassVar[bool] = True
    head: ClassVar[str] = "one output, the raw score, for each pixel"
    kept: ClassVar[tuple[str, ...]] = ("label", "steps")
    figures: ClassVar[tuple[str, ...]] = ("overlap",)
    network: ClassVar[str] = "fcn"

    def asks(self, y: Array) -> str | None:
        """Return the reason where y has pictures of 0 and 1."""
        if y.ndim < 3 or self.misfit(y):
            return None
        size = " x ".join(map(str, y.shape[1:]))
        return f"y has masks of {size} pixels, {np.mean(y != 0):.2g} of them 1"

    def misfit(self, y: Array) -> str:
        """Return why targets cannot be of this kind, or ''."""
        masks = _without_channel(y)
        if is_text(y) or masks.ndim not in (2, 3):
            return f"y has shape {y.shape}, and {self.name} needs masks (N, H, W)"
        if masks[0].size < 2:
            return f"y has shape {y.shape}, masks of one pixel, which are labels: give y as (N,)"
        odd: Array = np.any((~np.isin(masks, _codes(masks))).reshape(len(masks), -1), axis=1)
        if not odd.any():
            return ""
        values = np.unique(masks)
        several = (
            ": masks of several classes are not known; give those of one class, as y == 1"
            if len(values) > 2 and np.equal(np.mod(values, 1), 0).all()
            else ""
        )
        return f"y holds {shown(values, 4)} ({some_rows(odd)}), and {self.name} needs masks of 0 and 1, or 0 and 255{several}"

    def read(self, y: Array, names: Sequence[str]) -> ReadTargets:  # noqa: ARG002 - pixels have none
        """Return (N, H * W) bytes of 0 and 1; masks that are flat already are taken.

        Raises:
            InputError: no mask marks anything, or each marks all.
        """
        masks = _without_channel(y)
        pixels = (masks != 0).reshape(len(masks), -1).astype(np.uint8)
        empty = int((~pixels.any(axis=1)).sum())
        refuse(
            [f"all pixels of y are {pixels[0, 0]}: there is nothing to predict."]
            if pixels.min() == pixels.max()
            else []
        )
        note = "; 255 is read as 1" if masks.dtype != bool and masks.max() == _WHITE else ""
        note += f"; {empty} of {len(masks)} masks are empty" if empty else ""
        return ReadTargets(
            pixels, pixels.shape[1], note=note, shape=tuple(masks.shape[1:]) if masks.ndim == 3 else ()
        )

    def checked(self, target: Tensor, rows: int, n_out: int, who: str) -> Tensor:
        """Return masks (N, H * W) of 0 and 1; (N, H, W) and (N, 1, H, W) are taken."""
        found = self.flat(target)
        if tuple(found.shape) != (rows, n_out):
            raise InputError(
                f"{who} met output of {rows} rows of {n_out} pixels and masks of shape {tuple(target.shape)}; they must "
                "agree row by row and pixel by pixel."
            )
        return super().checked(found, rows, n_out, who)

    def class_shape(self, n_out: int) -> tuple[int, int]:  # noqa: ARG002 - pixels share what they weigh
        """Return one choice of two, the same for all pixels."""
        return 1, 2

    def predictions(self, raw: Tensor, readout: Readout, wanted: Collection[str]) -> Predictions:
        """Return labels, scores, output, and probabilities where there are such, (..., N, P)."""
        found = super().predictions(raw, readout, wanted)
        return replace(found, steps=stepped(raw)) if "steps" in wanted else found

    def laid_out(self, values: Array, shape: tuple[int, ...]) -> Array:
        """Return masks (N, H, W) as bytes, and probabilities as they are."""
        found = super().laid_out(values, shape)
        return found if found.dtype.kind == "f" else found.astype(np.uint8)

    def default_metric(self, y: Array) -> tuple[str, str]:
        """Return the metric that judges unless another is named, and the reason."""
        return "iou", f"iou: {np.mean(y):.1%} of the pixels are marked, and accuracy would count the others"


def _without_channel(y: Array) -> Array:
    """Return masks (N, 1, H, W) as (N, H, W), any others as they are."""
    return y[:, 0] if y.ndim == 4 and y.shape[1] == 1 else y


def _codes(masks: Array) -> tuple[int, int]:
    """Return what stands for 0 and 1."""
    return (0, _WHITE) if masks.size and masks.max() == _WHITE else (0, 1)


KIND = Segmentation()
