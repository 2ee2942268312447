"""The distinct colors of an image, where they are few enough for a palette."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.io.gray import WEIGHTS

MOST = 256  # colors of a palette
_BAND = 1 << 16  # pixels that are looked at together: they stay in the cache
_SLOTS = 1 << 16
_FACTOR = 0x9E3779B1  # 2^32 divided by the golden ratio: spreads keys evenly


class PngPalette:
    """Up to 256 colors, dark to bright, and a table that finds the number of each.

    Parameters
    ----------
    colors : ndarray of uint8, shape (n_colors, n_channels)
        Distinct colors, of 2 to 4 channels; the last of 2 and 4 is alpha.
    """

    def __init__(self, colors: NDArray[np.uint8]) -> None:
        order = np.lexsort((*colors.T[::-1], _luminance(colors)))
        self.colors = colors[order]
        keys = _keys(self.colors)
        factor = _FACTOR
        while len(np.unique(_slots(keys, factor))) < len(keys):
            factor = (factor + 0x61C88646) & 0xFFFFFFFF  # even, so that the factor stays odd
        self._factor = factor
        # Slot 0 is that of key 0; in an empty slot stands the key of another, so that no pixel is found there.
        self._keys = np.zeros(_SLOTS, np.uint32)
        self._keys[0] = 1
        self._numbers = np.zeros(_SLOTS, np.uint8)
        slots = _slots(keys, factor)
        self._keys[slots] = keys
        self._numbers[slots] = np.arange(len(keys))

    @property
    def is_gray(self) -> bool:
        """Whether red, green and blue are equal in all colors."""
        return self.colors.shape[1] == 2 or bool((self.colors[:, :3] == self.colors[:, :1]).all())

    def numbers(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the number of each pixel's color.

        Parameters
        ----------
        pixels : ndarray of uint8, shape (height, width, n_channels)
            Of colors of this palette only.

        Returns
        -------
        ndarray of uint8, shape (height, width)
            Indices of `colors`.
        """
        return self._numbers[_slots(_keys(pixels), self._factor)].reshape(pixels.shape[:2])

    def others(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the distinct colors that are not in this palette.

        Parameters
        ----------
        pixels : ndarray of uint8, shape (height, width, n_channels)
            Any.

        Returns
        -------
        ndarray of uint8, shape (n_colors, n_channels)
            In no order of meaning.
        """
        keys = _keys(pixels)
        keys = keys[self._keys[_slots(keys, self._factor)] != keys]
        return _colors(np.unique(keys), pixels.shape[-1])


def find_palette(data: NDArray[Any]) -> PngPalette | None:
    """Collect the colors of an image.

    Parameters
    ----------
    data : ndarray of uint8, shape (height, width, n_channels)
        2 to 4 channels.

    Returns
    -------
    PngPalette or None
        None if there are more than 256 colors; a photograph is given up after its first rows.

    Notes
    -----
    A pixel is looked up by a multiplicative hash of its color, without collisions, so only colors that were not seen
    before are sorted.
    """
    palette = PngPalette(np.zeros((0, data.shape[-1]), np.uint8))
    for band in bands(data):
        others = palette.others(band)
        if len(palette.colors) + len(others) > MOST:
            return None
        if len(others):
            palette = PngPalette(np.concatenate([palette.colors, others]))
    return palette


def bands(data: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Cut an image into bands of rows.

    Parameters
    ----------
    data : ndarray, shape (height, width, ...)
        The image.

    Yields
    ------
    ndarray, shape (n_rows, width, ...)
        About 65,536 pixels, and at least one row.
    """
    n_rows = max(1, _BAND // data.shape[1])
    for top in range(0, len(data), n_rows):
        yield data[top : top + n_rows]


def _luminance(colors: NDArray[np.uint8]) -> NDArray[np.int64]:
    channels = colors[:, :3] if colors.shape[1] > 2 else colors[:, [0, 0, 0]]
    return channels.astype(np.int64) @ np.array(WEIGHTS, np.int64)


def _keys(colors: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Return each color as one number."""
    n_channels = colors.shape[-1]
    if n_channels == 4:
        return np.ascontiguousarray(colors).view(np.uint32).reshape(-1)
    keys = colors[..., 0].astype(np.uint32)
    for channel in range(1, n_channels):
        keys |= colors[..., channel].astype(np.uint32) << np.uint32(8 * channel)
    return keys.reshape(-1)


def _colors(keys: NDArray[np.uint32], n_channels: int) -> NDArray[np.uint8]:
    """Undo `_keys`."""
    if n_channels == 4:
        return keys.view(np.uint8).reshape(-1, 4)
    return np.stack([keys >> np.uint32(8 * channel) & np.uint32(255) for channel in range(n_channels)], -1).astype(
        np.uint8
    )


def _slots(keys: NDArray[np.uint32], factor: int) -> NDArray[np.uint32]:
    return keys * np.uint32(factor) >> np.uint32(16)
