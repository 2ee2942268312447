"""A dataset of an HDF5 file as a lazy array: filters, chunks that are missing, chunks that are damaged."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from klevels.errors import ReadError
from klevels.lazy import LazyArray, Window

if TYPE_CHECKING:
    import h5py

_NAMES = {1: "deflate", 4: "szip", 5: "nbit", 6: "scale-offset", 32000: "lzf"} | {
    32001: "blosc",
    32004: "lz4",
    32008: "bitshuffle",
    32013: "zfp",
    32015: "zstd",
    32026: "blosc2",
}
_NO_COMPRESSION = {2, 3}  # shuffle and fletcher32
_N_SUM = 4  # bytes of a fletcher32 checksum


class Hdf5Array(LazyArray):
    """A dataset of an HDF5 file, opened for each window: nothing is held open, and any thread or process may read.

    Parameters
    ----------
    path : Path
        The file.
    dataset : h5py.Dataset
        Open while this is made.
    stored_bytes : int
        What it takes in the file.
    present : ndarray of int64, optional
        The chunks that are there, sorted, counted in C order. None: all are.
    missing : float, optional
        The value of those that are not.
    """

    def __init__(
        self,
        path: Path,
        dataset: h5py.Dataset,
        stored_bytes: int,
        present: NDArray[np.int64] | None,
        missing: float | None,
    ) -> None:
        super().__init__(dataset.shape, dataset.dtype, dataset.chunks or _slabs(dataset), str(path), stored_bytes)
        self._dataset = str(dataset.name)
        self._pieces = tuple(dataset.chunks or dataset.shape)
        self._present = present
        self._missing = missing

    def read(self, window: Window) -> NDArray[Any]:
        import h5py

        try:
            with h5py.File(self.source, "r") as file:
                dataset = file[self._dataset]
                check_filters(f"{self.source}: dataset {self._dataset}", dataset)
                try:
                    values: NDArray[Any] = dataset[window]
                except OSError as error:
                    raise self._damaged(dataset, window, error) from error
        except (OSError, KeyError, RuntimeError) as error:  # what h5py makes of HDF5's errors
            if isinstance(error, ReadError):
                raise
            raise ReadError(f"{self.source}: cannot be read ({_reason(error)}); it has changed or is gone") from error
        if self._present is not None:
            self._fill(values, window, self._present)
        return values

    def _fill(self, values: NDArray[Any], window: Window, present: NDArray[np.int64]) -> None:
        """Put the value for missing chunks where HDF5 put its own."""
        grid = _grid(self.shape, self._pieces)
        for place, part in _pieces_in(window, self._pieces):
            number = np.ravel_multi_index(place, grid)
            found = np.searchsorted(present, number)
            if found == len(present) or present[found] != number:
                inner = tuple(slice(p.start - w.start, p.stop - w.start) for p, w in zip(part, window, strict=True))
                values[inner] = self._missing

    def _damaged(self, dataset: h5py.Dataset, window: Window, error: OSError) -> ReadError:
        """Find out which chunk cannot be read."""
        where = "a part"
        for place, part in _pieces_in(window, self._pieces):
            try:
                dataset[part]
            except OSError as one:
                where, error = f"chunk {place}, which begins at {tuple(p.start for p in part)},", one
                break
        return ReadError(
            f"{self.source}: dataset {self._dataset}: {where} cannot be read ({_reason(error)}); "
            "it is damaged: copy or export the file again"
        )


def missing_chunks(dataset: h5py.Dataset) -> int:
    """Count the chunks that were never written; a dataset without chunks is one.

    Parameters
    ----------
    dataset : h5py.Dataset
        Any.

    Returns
    -------
    int
        None of them holds a value.
    """
    if dataset.chunks is None:
        return int(dataset.id.get_storage_size() == 0)
    return math.prod(_grid(dataset.shape, dataset.chunks)) - int(dataset.id.get_num_chunks())


def present_chunks(dataset: h5py.Dataset) -> NDArray[np.int64]:
    """List the chunks that were written.

    Parameters
    ----------
    dataset : h5py.Dataset
        Any.

    Returns
    -------
    ndarray of int64
        Their numbers in C order, sorted.
    """
    if dataset.chunks is None:
        return np.empty(0, np.int64)
    corners: list[tuple[int, ...]] = []
    dataset.id.chunk_iter(lambda info: corners.append(info.chunk_offset))
    if not corners:
        return np.empty(0, np.int64)
    places = np.array(corners, np.int64) // np.array(dataset.chunks)
    return np.sort(np.ravel_multi_index(tuple(places.T), _grid(dataset.shape, dataset.chunks))).astype(np.int64)


def check_sums(label: str, dataset: h5py.Dataset) -> None:
    """Refuse chunks that are too short for the checksum that they end with: HDF5 would read beyond them, and crash.

    Parameters
    ----------
    label : str
        The file and the dataset.
    dataset : h5py.Dataset
        Any.

    Raises
    ------
    ReadError
        With the place of the first such chunk.
    """
    if dataset.chunks is None or not dataset.fletcher32:
        return
    short: list[tuple[int, ...]] = []
    dataset.id.chunk_iter(lambda info: short.append(info.chunk_offset) if info.size < _N_SUM else None)
    if short:
        raise ReadError(f"{label}: the chunk that begins at {short[0]} is cut short: copy or export the file again")


def check_filters(label: str, dataset: h5py.Dataset) -> None:
    """Refuse a dataset that was written through a filter that is not installed.

    Parameters
    ----------
    label : str
        The file and the dataset.
    dataset : h5py.Dataset
        Any.

    Raises
    ------
    ReadError
        With the filter's name.
    """
    import h5py

    for code, name in _filters(dataset):
        if not h5py.h5z.filter_avail(code):
            with suppress(ImportError):
                import hdf5plugin  # noqa: F401  (brings most filters, and registers them where it is imported)
        if not h5py.h5z.filter_avail(code):
            raise ReadError(
                f"{label} is compressed with {name} (filter {code}), which is not installed; pip install hdf5plugin, "
                "or repack it with h5repack -f GZIP=4"
            )


def compression_of(dataset: h5py.Dataset) -> str:
    """Return the name of the compression.

    Parameters
    ----------
    dataset : h5py.Dataset
        Any.

    Returns
    -------
    str
        Such as "deflate"; "none" if there is none.
    """
    return " and ".join(name for code, name in _filters(dataset) if code not in _NO_COMPRESSION) or "none"


def _filters(dataset: h5py.Dataset) -> list[tuple[int, str]]:
    properties = dataset.id.get_create_plist()
    found = [properties.get_filter(i) for i in range(properties.get_nfilters())]
    return [(one[0], _NAMES.get(one[0]) or one[3].decode("utf-8", "replace") or str(one[0])) for one in found]


def _slabs(dataset: h5py.Dataset) -> tuple[int, ...]:
    """Return the pieces of a dataset without chunks."""
    return (1, *dataset.shape[1:])


def _grid(shape: tuple[int, ...], pieces: tuple[int, ...]) -> tuple[int, ...]:
    """Return the number of chunks along each axis."""
    return tuple(-(-n // c) for n, c in zip(shape, pieces, strict=True))


def _pieces_in(window: Window, pieces: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Window]]:
    """Give the place in the grid of each chunk that a window touches, and the part of it that lies in the window."""
    ranges = [range(w.start // c, -(-w.stop // c)) for w, c in zip(window, pieces, strict=True)]
    for place in product(*ranges):
        yield (
            place,
            tuple(
                slice(max(w.start, i * c), min(w.stop, (i + 1) * c))
                for i, w, c in zip(place, window, pieces, strict=True)
            ),
        )


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
