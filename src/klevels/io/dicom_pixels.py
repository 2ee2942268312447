"""The pixels of DICOM files, decoded frame by frame when they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from klevels.errors import ReadError
from klevels.io.dicom_encoded import CODECS, RLE, EncodedFrames
from klevels.io.dicom_frames import Frame
from klevels.io.dicom_header import Header
from klevels.lazy import LazyArray, MappedArray, TransposedArray, Window, scaled

_NATIVE = {"", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"}


def compression_of(header: Header) -> str:
    """Return the name of the compression.

    Parameters
    ----------
    header : Header
        Of a file that `frames_of` reads.

    Returns
    -------
    str
        "none", "JPEG 2000" and so on.
    """
    return "none" if header.syntax in _NATIVE else CODECS[header.syntax][0]


def frames_of(header: Header) -> LazyArray:
    """Return the frames of a file as they are stored.

    Parameters
    ----------
    header : Header
        Of the file.

    Returns
    -------
    LazyArray
        Of the header's shape.

    Raises
    ------
    ReadError
        If the compression is not known, or the file cannot hold what it claims.
    """
    if header.syntax in _NATIVE:
        if header.n_bytes is None:
            raise ReadError(
                f"{header.path}: its pixels are compressed, but its transfer syntax says they are not; export it again"
            )
        if not header.is_planar:
            return MappedArray(header.path, header.shape, header.dtype, header.offset)
        n, rows, columns, colors = header.shape
        planes = MappedArray(header.path, (n, colors, rows, columns), header.dtype, header.offset)
        return TransposedArray(planes, (0, 2, 3, 1))
    if header.syntax not in CODECS:
        raise ReadError(
            f"{header.path}: its transfer syntax is {header.syntax}; uncompressed, "
            f"{', '.join(dict.fromkeys(name for name, _ in CODECS.values()))} are read: convert it"
        )
    if len(header.shape) == 4 and header.syntax != RLE:
        raise ReadError(f"{header.path}: is in color, and compressed; save it uncompressed, or with RLE")
    return EncodedFrames(header)


class SlicesArray(LazyArray):
    """Frames, of one file or of many, in the order of space, with values in their unit.

    Parameters
    ----------
    frames : sequence of (LazyArray, int, Frame)
        For each slice an array of stored frames, which of them it is, and what its values mean.
    bits : int
        How many bits of a stored value count.
    dtype : dtype
        Of the values in their unit, see `dtype_of`.
    source : str
        The file or folder.
    """

    def __init__(
        self, frames: Sequence[tuple[LazyArray, int, Frame]], bits: int, dtype: DTypeLike, source: str
    ) -> None:
        arrays = {id(array): array for array, _, _ in frames}.values()
        stored = sum(array.nbytes if array.stored_bytes is None else array.stored_bytes for array in arrays)
        super().__init__((len(frames), *frames[0][0].shape[1:]), dtype, None, source, stored)
        self._slices = tuple((array, i, frame.slope, frame.intercept) for array, i, frame in frames)
        self._bits = bits

    def read(self, window: Window) -> NDArray[Any]:
        out = np.empty([one.stop - one.start for one in window], self.dtype)
        for to, (array, i, slope, intercept) in zip(out, self._slices[window[0]], strict=True):
            values = _significant(array[(i, *window[1:])], self._bits)
            np.copyto(to, scaled(values, slope, intercept), casting="unsafe")
        return out


def dtype_of(stored: np.dtype[Any], bits: int, frames: Sequence[Frame]) -> np.dtype[Any]:
    """Return the dtype that holds the values of all slices in their unit.

    Parameters
    ----------
    stored : dtype
        Of the stored values.
    bits : int
        How many of their bits count.
    frames : sequence of Frame
        Whose slopes and intercepts may differ.

    Returns
    -------
    dtype
        The stored one where nothing is scaled. Where all slopes are 1 and all intercepts whole numbers, the least of
        int16, int32 and int64 that holds what the bits can become; otherwise float32, or float64 for more than 16 bits.
    """
    native = stored.newbyteorder("=")
    scales = {(frame.slope, frame.intercept) for frame in frames}
    if scales == {(1, 0)}:
        return native
    if native.kind != "f" and all(slope == 1 and intercept.is_integer() for slope, intercept in scales):
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if native.kind == "i" else (0, 2**bits - 1)
        low += int(min(intercept for _, intercept in scales))
        high += int(max(intercept for _, intercept in scales))
        for name in ("int16", "int32", "int64"):
            if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
                return np.dtype(name)
    return np.dtype(np.float32 if native.itemsize <= 2 else np.float64)


def _significant(values: NDArray[Any], bits: int) -> NDArray[Any]:
    """Return values in native byte order, whose upper bits, which may hold overlays, repeat the sign or are 0."""
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    spare = 8 * native.itemsize - bits
    return native << spare >> spare if spare else native
