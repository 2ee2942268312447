"""Gray values as unsigned integers of the same order: the grid on which 32- and 64-bit data are counted."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

SIGN = np.uint64(1 << 63)


def key_kind(dtype: np.dtype[Any]) -> Literal["integer", "float32", "float64"]:
    """Return which order of keys a dtype uses; float16 values are float32 values.

    Parameters
    ----------
    dtype : dtype
        Of an image.

    Returns
    -------
    {"integer", "float32", "float64"}
        The kind of key.
    """
    if dtype.kind != "f":
        return "integer"
    return "float64" if dtype.itemsize > 4 else "float32"


def keys_of(values: NDArray[Any]) -> NDArray[np.uint64]:
    """Return the keys of values: integers in the same order, equal for -0 and +0.

    Parameters
    ----------
    values : ndarray
        Finite numbers.

    Returns
    -------
    ndarray of uint64
        Of the same shape.
    """
    kind = key_kind(values.dtype)
    if kind == "integer":
        return values.astype(np.int64).view(np.uint64) ^ SIGN
    if kind == "float64":
        bits = (values.astype(np.float64) + 0.0).view(np.uint64)
        return np.where(bits & SIGN, ~bits, bits | SIGN)
    bits32 = (values.astype(np.float32) + np.float32(0)).view(np.uint32)
    sign32 = np.uint32(1 << 31)
    return np.where(bits32 & sign32, ~bits32, bits32 | sign32).astype(np.uint64)


def values_of(keys: NDArray[np.uint64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the values of keys, as int64 or float64.

    Parameters
    ----------
    keys : ndarray of uint64
        As `keys_of` made them.
    dtype : dtype
        Of the image.

    Returns
    -------
    ndarray of int64 or float64
        Of the same shape.
    """
    kind = key_kind(dtype)
    if kind == "integer":
        return (keys ^ SIGN).view(np.int64)
    if kind == "float64":
        return np.where(keys & SIGN, keys ^ SIGN, ~keys).view(np.float64)
    keys32 = keys.astype(np.uint32)
    sign32 = np.uint32(1 << 31)
    return np.where(keys32 & sign32, keys32 ^ sign32, ~keys32).view(np.float32).astype(np.float64)


def bin_origins(keys: NDArray[np.uint64], dtype: np.dtype[Any], shift: int) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return the least value of each bin, and the step from one representable value in it to the next.

    Parameters
    ----------
    keys : ndarray of uint64
        Keys of which the lowest `shift` bits were dropped.
    dtype : dtype
        Of the image.
    shift : int
        How many bits were dropped.

    Returns
    -------
    origins : ndarray of int64 or float64
        The least value of each bin.
    steps : ndarray of float64
        The step, constant within a bin: no bin reaches over a power of two.
    """
    first = keys << np.uint64(shift)
    origins = values_of(first, dtype)
    if key_kind(dtype) == "integer":
        return origins, np.ones(len(keys))
    # The exponent of the key's own bits: for a negative bin the least value's spacing may be that of the next binade.
    last = values_of(first | np.uint64((1 << shift) - 1), dtype)
    smaller = np.minimum(np.abs(origins), np.abs(last))
    n_bits, least = (52, -1022) if key_kind(dtype) == "float64" else (23, -126)
    exponents = np.where(smaller == 0, least, np.frexp(smaller)[1] - 1)
    return origins, np.ldexp(1.0, np.maximum(exponents, least) - n_bits)
