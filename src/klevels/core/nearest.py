"""The label of each pixel: its nearest color. 8-bit images of few channels are labeled color by color."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core import _kernels
from klevels.core.colors import STRIP_OF_BYTES, ColorTable
from klevels.core.labels import ignore_label
from klevels.core.rows import Rows
from klevels.errors import DataError

Nearest = Callable[[NDArray[Any]], NDArray[np.uint32]]


def label_pixels(
    rows: Rows, n_classes: int, nearest: Nearest, table: ColorTable | None, n_threads: int
) -> NDArray[Any]:
    """Label each pixel.

    Parameters
    ----------
    rows : Rows
        The image.
    n_classes : int
        How many labels there are.
    nearest : callable
        Returns the labels of a list of finite colors.
    table : ColorTable or None
        Of the image, if it has been counted; it may hold other colors as well.
    n_threads : int
        How many threads to use.

    Returns
    -------
    ndarray of uint8 or uint16
        In the image's shape without channels; the ignore label where a pixel does not count, or has NaN.

    Raises
    ------
    DataError
        If there are infinite values where pixels count, or the table is of another kind of image.
    """
    if table is not None and (table.dtype != rows.dtype or table.n_channels != rows.n_channels):
        raise DataError(
            f"the table is of {table.n_channels} channels of {table.dtype}, the image of {rows.n_channels} of "
            f"{rows.dtype}; give the table of this image, or none"
        )
    ignore = ignore_label(n_classes)
    labels = np.empty(rows.n_pixels, np.uint8 if ignore == 255 else np.uint16)
    if rows.is_narrow:
        _label_bytes(rows, labels, ignore, nearest, table, n_threads)
    else:
        _label_strips(rows, labels, ignore, nearest)
    return labels.reshape(rows.shape)


def _label_bytes(
    rows: Rows, labels: NDArray[Any], ignore: int, nearest: Nearest, table: ColorTable | None, n_threads: int
) -> None:
    for strip in rows.strips(STRIP_OF_BYTES):
        if table is None:
            colors, _ = _kernels.count_colors(strip.rows, strip.inside, n_threads)
        else:
            colors = table.bins.astype(np.uint8)
        found = nearest(colors).astype(np.uint16)
        _kernels.label_by_colors(strip.rows, strip.inside, colors, found, ignore, n_threads, labels[strip.where])


def _label_strips(rows: Rows, labels: NDArray[Any], ignore: int, nearest: Nearest) -> None:
    for strip in rows.strips():
        out = labels[strip.where]
        inside = np.ones(len(out), bool) if strip.inside is None else strip.inside != 0
        if strip.rows.dtype.kind == "f":
            inside &= ~np.isnan(strip.rows).any(axis=1)
        counting = strip.rows if inside.all() else strip.rows[inside]
        if counting.dtype.kind == "f" and not np.isfinite(counting).all():
            raise DataError("the image has infinite values; mask them or replace them by finite values")
        out[~inside] = ignore
        if len(counting):
            out[inside] = nearest(counting)
