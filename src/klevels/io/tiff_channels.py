"""Which samples of a TIFF file are gray, colors, alpha, or neither."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.errors import ReadError
from klevels.io.tiff_colors import lookup
from klevels.io.tiff_pages import MINISWHITE, PALETTE
from klevels.io.tiff_segments import dtype_of

MINISBLACK, RGB, SEPARATED, YCBCR = 1, 2, 5, 6
JPEG = 7
ALPHA = {1: "premultiplied", 2: "straight", 999: "straight"}  # 999 is what Corel Draw writes for straight alpha


@dataclass(frozen=True, slots=True)
class Channels:
    """Which samples of a pixel are channels.

    Parameters
    ----------
    kept : tuple of int
        The samples.
    meta : dict
        "alpha": True where the last channel is alpha; "premultiplied": True where the colors were multiplied by it.
    """

    kept: tuple[int, ...]
    meta: dict[str, object]


def n_channels(page: Any, *, all_count: bool) -> int:
    """Return how many channels the image of a page has; 0 for gray.

    Parameters
    ----------
    page : TiffPage
        A checked page.
    all_count : bool
        Whether samples of unspecified kind are channels.

    Returns
    -------
    int
        0, or the length of the channel axis, with the alpha channel if there is one.

    Raises
    ------
    ReadError
        If the page has colors that cannot be turned into RGB with certainty.
    """
    n_color = _n_color(page)
    if page.photometric == PALETTE:
        return 3 if lookup(page).ndim > 1 else 0
    n_extra = sum(all_count or kind in ALPHA for kind in _extra_samples(page))
    return 0 if n_color + n_extra == 1 else n_color + n_extra


def needs_pixels(page: Any, *, all_count: bool) -> bool:
    """Tell whether the pixels decide which samples are channels.

    Parameters
    ----------
    page : TiffPage
        A checked page.
    all_count : bool
        Whether samples of unspecified kind are channels.

    Returns
    -------
    bool
        True if there is alpha, or a sample of unspecified kind that is no channel.
    """
    return page.photometric != PALETTE and any(kind in ALPHA or not all_count for kind in _extra_samples(page))


def find_channels(parts: Iterable[NDArray[Any]], page: Any, *, all_count: bool) -> Channels:
    """Find which samples are channels.

    Parameters
    ----------
    parts : iterable of ndarray, shape (n_pages, length, width, n_samples)
        All samples as decoded, part by part: taken only if they decide, and only until they have.
    page : TiffPage
        A checked page.
    all_count : bool
        Whether samples of unspecified kind are channels.

    Returns
    -------
    Channels
        The colors, alpha unless it is opaque everywhere, and, if all count, the rest.

    Raises
    ------
    ReadError
        If there are samples of unspecified kind that are more than filling.

    Notes
    -----
    Extra samples of unspecified kind are left out if they are constant over the image; if not they may be anything,
    such as another channel, and the file is refused unless its description says that they are channels.
    """
    n_color = _n_color(page)
    kinds = dict(enumerate(_extra_samples(page), n_color)) if page.photometric != PALETTE else {}
    # What a sample must be everywhere to be left out: opaque, or, if its kind is unknown, what it is at first.
    filling: dict[int, Any] = {
        index: _opaque(page) if kind in ALPHA else None
        for index, kind in kinds.items()
        if kind in ALPHA or not all_count
    }
    kept = set(range(n_color)) | (kinds.keys() - filling.keys())
    for part in parts if filling else ():
        for index in tuple(filling):
            extra = part[..., index]
            if filling[index] is None:
                filling[index] = extra.flat[0]
            if (extra == filling[index]).all():
                continue
            if kinds[index] not in ALPHA:
                raise ReadError(
                    f"has {page.samplesperpixel} samples a pixel, and sample {index + 1} is of unspecified kind and not"
                    " constant; gray or RGB, with or without alpha, are read: save the channels apart"
                )
            kept.add(index)
            del filling[index]
        if not filling:
            break
    meta: dict[str, object] = {}
    if any(kinds.get(index) in ALPHA for index in kept):
        meta["alpha"] = True
    if any(kinds.get(index) == 1 for index in kept):
        meta["premultiplied"] = True
    return Channels(tuple(sorted(kept)), meta)


def _n_color(page: Any) -> int:
    """Return the number of color samples; refuse what is not gray, RGB, or surely turned into RGB."""
    photometric, n_samples = page.photometric, page.samplesperpixel
    if 262 not in page.tags:
        raise ReadError("does not say whether 0 is black or white (PhotometricInterpretation); save it again")
    if photometric == MINISWHITE and dtype_of(page).kind not in "bu":
        raise ReadError(f"is {dtype_of(page)} with 0 for white; only unsigned integers can be inverted; convert it")
    if photometric == MINISBLACK and n_samples == 3 and not page.extrasamples:
        return 3  # how tifffile writes colors of other kinds than uint8 and uint16
    if photometric == PALETTE and (n_samples != 1 or dtype_of(page).kind not in "bu" or page.bitspersample > 16):
        raise ReadError(f"has a palette and {n_samples} samples of {page.bitspersample} bits; save it again as RGB")
    if photometric == YCBCR and (page.compression != JPEG or dtype_of(page) != np.uint8 or page.planarconfig != 1):
        raise ReadError("has YCbCr colors that are not JPEG-compressed; save it again as RGB")
    needed = {MINISWHITE: 1, MINISBLACK: 1, PALETTE: 1, RGB: 3, YCBCR: 3}.get(photometric)
    if needed is None:
        name = getattr(photometric, "name", photometric)
        if photometric == SEPARATED:
            raise ReadError(f"is CMYK or another set of inks ({name}), made for print; convert it to RGB or gray first")
        raise ReadError(f"has colors of kind {name}; gray, RGB, palettes and JPEG's YCbCr are read; convert it to RGB")
    if n_samples < needed:
        raise ReadError(f"is RGB with {n_samples} samples a pixel; 3 are needed; save it again")
    return needed


def _extra_samples(page: Any) -> tuple[int, ...]:
    """Return the kind of each sample beyond the colors; 0 where it is not specified."""
    n_extra = page.samplesperpixel - _n_color(page)
    declared = page.extrasamples if isinstance(page.extrasamples, tuple) else (page.extrasamples,)
    kinds = [int(kind) for kind in declared][:n_extra]
    if sum(kind in ALPHA for kind in kinds) > 1:
        raise ReadError(f"has {len(kinds)} extra samples and several are alpha; save it again with one")
    return (*kinds, *(0,) * (n_extra - len(kinds)))


def _opaque(page: Any) -> float:
    """Return the value of alpha that hides all behind it."""
    dtype = dtype_of(page)
    if dtype.kind == "f":
        return 1.0
    return int(np.iinfo(dtype).max) if dtype.kind == "i" else (1 << page.bitspersample) - 1
