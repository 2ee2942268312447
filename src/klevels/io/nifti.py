"""NIfTI: volumes of medical imaging, one file or a header beside its values, compressed or not."""

from __future__ import annotations

import gzip
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from klevels.errors import MissingDependencyError, ReadError
from klevels.files import reading
from klevels.image import Image
from klevels.io.packed import Packing, beside, facts_unopened, opened, values_in
from klevels.io.reader import Reader
from klevels.io.voxel_size import spacing_of
from klevels.lazy import LazyArray, ScaledArray

NAME = "NIfTI"

_GZIP = b"\x1f\x8b"
_N_HEAD = 544  # the larger of both headers, and four bytes that say whether extensions follow
_SIZES = {348: 352, 540: 544}  # of a header alone, and where values in the same file may begin at the earliest
_UNITS = {1: "m", 2: "mm", 3: "µm"}


def sniff(path: Path, head: bytes) -> bool:
    """Tell a NIfTI file, or the header of one, by its first bytes.

    Parameters
    ----------
    path : Path
        The file; a few more of its bytes are read if it is compressed.
    head : bytes
        Its first bytes.

    Returns
    -------
    bool
        True for NIfTI-1 and NIfTI-2.
    """
    if head.startswith(_GZIP):
        with suppress(OSError, EOFError, zlib.error), gzip.open(path) as stream:
            return _version(stream.read(_N_HEAD)) is not None
    return _version(head) is not None


def read(path: Path) -> Image:
    """Read a NIfTI file.

    Parameters
    ----------
    path : Path
        A file that `sniff` knows: one file, or a header with its values in a file of the same name that ends in .img.

    Returns
    -------
    Image
        Lazy, unless it is compressed. "zyx", or "yx" from two dimensions: the stored order, x running fastest; nothing
        is flipped or rotated. ``meta["orientation"]`` says which sides of the body x, y and z run to, such as "LPS",
        where the file says it. `spacing` is that of the header; `unit` is None unless the header states it. Slope and
        intercept are applied.

    Raises
    ------
    ReadError
        If the file is damaged, cut short or a decompression bomb, or holds several volumes, vectors or colors.
    """
    with reading(path):
        return opened(_image(path))


def describe(path: Path) -> dict[str, object]:
    """Return facts about a NIfTI file from its header.

    Parameters
    ----------
    path : Path
        A file that `sniff` knows.

    Returns
    -------
    dict
        See `klevels.io.describe`.

    Raises
    ------
    ReadError
        If `read` refuses the file for any reason but damaged values.
    """
    with reading(path):
        return facts_unopened(_image(path), path)


def _image(path: Path) -> Image:
    """Check all that can be checked without reading values."""
    with path.open("rb") as stream:
        is_packed = stream.read(2) == _GZIP
    packing: Packing = "gzip" if is_packed else "none"
    with gzip.open(path) if is_packed else path.open("rb") as stream:
        head = stream.read(_N_HEAD)
    header = _header(path, head)
    shape = _shape(path, header)
    stored, packing = _values(path, header, shape, packing)
    meta = {"format": NAME, "compression": packing} | _orientation(header)
    # Sizes are stored in single precision: 0.1 mm is meant, not 0.10000000149.
    sizes = [float(str(size)) for size in header["pixdim"][len(shape) : 0 : -1]]
    return Image(
        _scaled(path, header, stored),
        "zyx"[-len(shape) :],
        spacing_of(sizes),
        _UNITS.get(int(header["xyzt_units"]) & 7),
        meta,
    )


def _version(head: bytes) -> int | None:
    """Return the size of the header that these bytes begin, if they do."""
    if head[344:348] in (b"n+1\0", b"ni1\0"):
        size = 348
    elif head[4:12] in (b"n+2\0\r\n\x1a\n", b"ni2\0\r\n\x1a\n"):
        size = 540
    else:
        return None
    return size if size in (int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big")) else None


def _header(path: Path, head: bytes) -> Any:
    try:
        from nibabel.nifti1 import Nifti1Header
        from nibabel.nifti2 import Nifti2Header
    except ImportError as error:
        raise MissingDependencyError(f"{path}: NIfTI needs nibabel; pip install 'klevels[io]'") from error
    size = _version(head)
    if size is None or len(head) < size:
        raise ReadError(f"{path}: ends within its header; it is cut short: copy or export it again")
    endianness = "<" if int.from_bytes(head[:4], "little") == size else ">"
    kind: Any = Nifti1Header if size == 348 else Nifti2Header
    return kind(head[:size], endianness, check=False)


def _shape(path: Path, header: Any) -> tuple[int, ...]:
    """Return the sizes along (z,) y and x; refuse more than one value for a voxel."""
    n_axes = int(header["dim"][0])
    if not 1 <= n_axes <= 7:
        raise ReadError(f"{path}: claims {n_axes} dimensions; 2 to 7 are possible: export it again")
    sizes = [int(n) for n in header["dim"][1 : n_axes + 1]]
    if n_axes < 2 or any(n < 1 for n in sizes):
        raise ReadError(f"{path}: claims the sizes {sizes}; two or more of 1 or more are possible: export it again")
    if any(n > 1 for n in sizes[3:]):
        raise ReadError(
            f"{path}: holds {' × '.join(map(str, sizes[3:]))} values for each voxel, such as times or vectors; "
            "save one volume as a file of its own"
        )
    return tuple(sizes[2::-1])


def _values(path: Path, header: Any, shape: tuple[int, ...], packing: Packing) -> tuple[LazyArray, Packing]:
    """Return the stored values, and how they are packed."""
    dtype = _dtype(path, header)
    start = float(header["vox_offset"])
    if not (start.is_integer() and 0 <= start < 2**62):
        raise ReadError(f"{path}: its values begin at byte {start}; a whole number is needed: export it again")
    offset = int(start)
    if bytes(header["magic"]).startswith(b"ni"):
        values, packing = _pair(path)
    else:
        values, first = path, _SIZES[int(header["sizeof_hdr"])]
        offset = offset or first
        if offset < first:
            raise ReadError(
                f"{path}: its values begin at byte {offset}, within the header; {first} is the first: export it again"
            )
    return values_in(values, shape, dtype, packing, skip=offset), packing


def _pair(path: Path) -> tuple[Path, Packing]:
    """Return the file of the values that belong to a header alone."""
    stem = path.name.removesuffix(".gz").removesuffix(".hdr")
    if not (path.parent / f"{stem}.img").exists() and (path.parent / f"{stem}.img.gz").exists():
        return beside(path, f"{stem}.img.gz"), "gzip"
    return beside(path, f"{stem}.img"), "none"


def _dtype(path: Path, header: Any) -> np.dtype[Any]:
    code = int(header["datatype"])
    try:
        dtype: np.dtype[Any] = np.dtype(header.get_data_dtype())
    except Exception as error:  # whatever nibabel says to a code that it does not know
        raise ReadError(f"{path}: its datatype is {code}, which NIfTI does not define; export it again") from error
    if dtype.kind not in "iuf" or not 1 <= dtype.itemsize <= 8:
        raise ReadError(f"{path}: its datatype is {code} ({dtype}); use integers or floats of at most 64 bits")
    return dtype


def _scaled(path: Path, header: Any, stored: LazyArray) -> LazyArray:
    """Apply slope and intercept; a slope of 0, or that is no number, means that there are none."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not np.isfinite(slope):
        return stored
    if not np.isfinite(intercept):
        raise ReadError(
            f"{path}: its intercept is {intercept}; a number is needed beside the slope {slope}: correct it"
        )
    return stored if (slope, intercept) == (1, 0) else ScaledArray(stored, slope, intercept)


def _orientation(header: Any) -> dict[str, str]:
    """Return which sides x, y and z run to, where the header says it."""
    if not (header["qform_code"] > 0 or header["sform_code"] > 0):
        return {}
    from nibabel import orientations

    sides_of: Any = orientations.aff2axcodes
    with suppress(ValueError, np.linalg.LinAlgError):  # a transform that is none does not harm the values
        sides = sides_of(header.get_best_affine())
        if all(sides):
            return {"orientation": "".join(sides)}
    return {}


READER = Reader(name=NAME, sniff=sniff, open=lambda path, _: read(path), describe=lambda path, _: describe(path))
