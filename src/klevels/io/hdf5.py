"""HDF5 and NeXus: datasets in a tree, read chunk by chunk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from klevels.errors import MissingDependencyError, ReadError
from klevels.files import reading
from klevels.image import Image
from klevels.io.hdf5_array import Hdf5Array, check_filters, check_sums, compression_of, missing_chunks, present_chunks
from klevels.io.hdf5_find import Found, find
from klevels.io.hdf5_spacing import spacing_and_unit
from klevels.io.reader import Access, Reader
from klevels.io.tiff_checks import BOMB_BYTES, BOMB_RATIO
from klevels.lazy import LazyArray, MappedArray, PickedArray, TransposedArray

if TYPE_CHECKING:
    import h5py

NAME = "HDF5"
MOST_CHANNELS = 16

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def sniff(path: Path, head: bytes) -> bool:
    """Tell an HDF5 file by its signature.

    Parameters
    ----------
    path : Path
        The file; some more of its bytes are read, for a block of the user's may come first, as MATLAB writes one.
    head : bytes
        Its first bytes.

    Returns
    -------
    bool
        Whether the signature is at one of the places where it may be.
    """
    if head.startswith(_SIGNATURE):
        return True
    if len(head) < 512 or path.is_dir():
        return False
    try:
        with path.open("rb") as stream:
            for place in (512 << i for i in range(12)):
                stream.seek(place)
                if stream.read(8) == _SIGNATURE:
                    return True
    except OSError:
        return False
    return False


def open(path: Path, access: Access) -> Image:
    """Read a dataset of an HDF5 file.

    Parameters
    ----------
    path : Path
        A file that `sniff` knows.
    access : Access
        `part` names a dataset, or a group with a NeXus signal or a single dataset; `missing` is the value of chunks
        that are not there.

    Returns
    -------
    Image
        Lazy. Two axes are "yx", three "zyx", four with a last one of up to 16 "zyxc"; leading axes of length 1 are
        dropped, and so is a single channel. Datasets of MATLAB, whose last two axes are x and y, are transposed.
        `spacing` is that of an attribute ``element_size_um`` (z, y, x), or of NeXus axes whose places are even and have
        a unit of length; else None.
        ``meta["dataset"]`` is the name of the dataset.

    Raises
    ------
    ReadError
        If the file is damaged or cut short; if there is no such dataset, or none is named and several could be meant;
        if it leads to another file, has no numbers, chunks that are missing, or a filter that is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingDependencyError(f"{path}: HDF5 needs h5py; pip install 'klevels[io]'") from error
    with reading(path), h5py.File(path, "r") as file:
        return _image(path, find(path, file, access.part), access.missing)


def _image(path: Path, found: Found, missing: float | None) -> Image:
    dataset = found.dataset
    label = f"{path}: dataset {dataset.name}"
    shape: tuple[int, ...] = dataset.shape or ()
    _check_local(label, dataset)
    _check_type(label, dataset.dtype)
    check_filters(label, dataset)
    check_sums(label, dataset)
    n_dropped = _n_dropped(label, shape)
    n_single = int(len(shape) - n_dropped == 4 and shape[-1] == 1)
    values = _values(path, label, dataset, missing)
    if n_dropped or n_single:
        n_kept = len(shape) - n_dropped - n_single
        values = PickedArray(values, [0] * n_dropped + [None] * n_kept + [0] * n_single)
    axes = ("yx", "zyx", "zyxc")[values.ndim - 2]
    if "MATLAB_class" in dataset.attrs and "c" not in axes:
        values = TransposedArray(values, (*range(values.ndim - 2), values.ndim - 1, values.ndim - 2))
    spacing, unit = spacing_and_unit(path, found, range(n_dropped, n_dropped + len(axes.removesuffix("c"))))
    meta = {"format": NAME, "compression": compression_of(dataset), "dataset": dataset.name}
    return Image(values, axes, spacing, unit, meta)


def _check_local(label: str, dataset: h5py.Dataset) -> None:
    """Refuse values that lie in other files."""
    if dataset.external:
        raise ReadError(
            f"{label} keeps its values in another file, {dataset.external[0][0]!r}; repack it with h5repack"
        )
    if dataset.is_virtual:
        sources = dataset.virtual_sources()
        name = f"{sources[0].file_name}::{sources[0].dset_name}" if sources else "nothing"
        raise ReadError(f"{label} is virtual, made of {name} and others; read those, or copy it with h5repack")


def _check_type(label: str, dtype: np.dtype[Any]) -> None:
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        raise ReadError(f"{label} has the type {dtype}; use bool, integers or floats of at most 64 bits")


def _n_dropped(label: str, shape: Sequence[int]) -> int:
    """Return how many leading axes of length 1 are none of the image's."""
    n = 0
    while len(shape) - n > 3 and shape[n] == 1 and not (len(shape) - n == 4 and shape[-1] <= MOST_CHANNELS):
        n += 1
    rest = len(shape) - n
    if rest not in (2, 3, 4) or (rest == 4 and shape[-1] > MOST_CHANNELS) or not all(shape):
        raise ReadError(
            f"{label} has the shape {tuple(shape)}; axes (y, x), (z, y, x), or (z, y, x) and up to {MOST_CHANNELS} "
            "channels, each of 1 or more, are read: save a part of it"
        )
    return n


def _values(path: Path, label: str, dataset: h5py.Dataset, missing: float | None) -> LazyArray:
    """Return the values where they are; refuse what is not there unless there is a value for it."""
    stored = dataset.id.get_storage_size()
    chunks = dataset.chunks or dataset.shape
    n_missing = missing_chunks(dataset)
    if n_missing and missing is None:
        total = math.prod(-(-n // c) for n, c in zip(dataset.shape, chunks, strict=True))
        raise ReadError(
            f"{label} lacks {n_missing} of {total} chunks of {' × '.join(map(str, chunks))}, which were never written; "
            "write them, or say what they hold with --missing fill=VALUE (missing=VALUE)"
        )
    if missing is not None:
        _check_fill(label, dataset.dtype, missing)
    if dataset.chunks is None and not n_missing and _is_mapped(dataset):
        return MappedArray(path, dataset.shape, dataset.dtype, dataset.id.get_offset())
    n_present = math.prod(-(-n // c) for n, c in zip(dataset.shape, chunks, strict=True)) - n_missing
    n_bytes = n_present * math.prod(chunks) * dataset.dtype.itemsize
    if n_bytes > max(BOMB_BYTES, BOMB_RATIO * stored):
        raise ReadError(
            f"{label}: {stored} bytes claim to unfold to {n_bytes >> 20} MB, more than {BOMB_RATIO} to 1, "
            "as decompression bombs do; repack it without compression if it is genuine"
        )
    present = present_chunks(dataset) if n_missing else None
    return Hdf5Array(path, dataset, stored, present, missing)


def _check_fill(label: str, dtype: np.dtype[Any], missing: float) -> None:
    with np.errstate(all="ignore"):
        fits = (
            np.isnan(missing) if dtype.kind == "f" and np.isnan(missing) else np.array(missing).astype(dtype) == missing
        )
    if not fits:
        raise ReadError(
            f"{label} is {dtype}, which cannot hold {missing!r} for missing chunks; give a value of that type"
        )


def _is_mapped(dataset: h5py.Dataset) -> bool:
    """Whether the values lie in one piece, in the form of their dtype: no bits to shift, no numbers to convert."""
    import h5py

    plain = dataset.dtype.kind in "iuf" and h5py.h5t.py_create(dataset.dtype).equal(dataset.id.get_type())
    return plain and dataset.id.get_offset() is not None


READER = Reader(name=NAME, sniff=sniff, open=open, takes=("part", "missing"))
