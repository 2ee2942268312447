"""Files to images and back: the one door to every format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.errors import ParameterError
from klevels.files import StrPath, atomic_output, check_output, fingerprint, reading
from klevels.image import Image
from klevels.io import arrays, raster, raw, slices, tiff
from klevels.io.formats import plugins, reader_of
from klevels.io.gray import to_gray
from klevels.io.reader import Access, Layout, Reader
from klevels.io.sinks import SINK_SUFFIXES

__all__ = [
    "LAZY_BYTES",
    "OUTPUT_SUFFIXES",
    "SINK_SUFFIXES",
    "SUFFIXES",
    "Access",
    "Layout",
    "Reader",
    "atomic_output",
    "check_output",
    "describe",
    "encode",
    "fingerprint",
    "is_streamed",
    "read",
    "to_gray",
    "write",
]

LAZY_BYTES = 1 << 28
"""Images that are larger in memory stay where they are stored, unless `read` is told otherwise."""
WRITERS = (tiff, raster, arrays)
SUFFIXES = tuple(suffix for one in WRITERS for suffix in one.SUFFIXES)
"""Of what `write` writes: images that are in memory, to files."""
OUTPUT_SUFFIXES = tuple(dict.fromkeys((*SINK_SUFFIXES, *SUFFIXES)))
"""Of all outputs, those that are written block by block included."""


def read(
    path: StrPath,
    *,
    gray: bool = False,
    frame: int | None = None,
    level: int = 0,
    missing: float | None = None,
    layout: Layout | None = None,
    lazy: bool | None = None,
) -> Image:
    """Read an image or a volume: into memory, or, if it is large, so that its voxels are read when they are needed.

    Parameters
    ----------
    path : str or os.PathLike
        A file, told by its first bytes and never by its name: TIFF, PNG, JPEG, BMP, GIF, NPY, NPZ, DICOM, NIfTI, NRRD,
        MetaImage or HDF5; or a folder: OME-Zarr or Zarr, a DICOM series, or slices. ``file.h5::/dataset`` names what is
        inside an HDF5 file or a Zarr store.
    gray : bool, default False
        Turn color into luminance, see `to_gray`.
    frame : int, optional
        The frame of an animated GIF to read, counted from 0, as viewers show it. Of an animated PNG, 0 is its default
        image. Any other file has but frame 0.
    level : int, default 0
        The resolution level of an OME-Zarr; 0 is the full resolution.
    missing : float, optional
        The value of chunks that are not there: without it they are an error.
    layout : Layout, optional
        What a raw file, which says nothing of itself, holds.
    lazy : bool, optional
        Whether the voxels stay where they are stored: always where the format allows, never, or, by default, where they
        would take more than `LAZY_BYTES` in memory.

    Returns
    -------
    Image
        The stored values in their own dtype; a `LazyArray` where they are not in memory. `spacing` is None unless the
        file states the size of a voxel. ``meta["icc_profile"]`` holds the color profile, bytes, if there is one; it is
        never applied.

    Raises
    ------
    InputMissingError
        If there is no such file or folder.
    ReadError
        If the file is broken, cut short, hostile, of no known format, or an animation of which no frame is asked for.
        What is wrong with voxels that are not in memory is found when they are read.
    ParameterError
        If there is no such frame or level.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/steps.npy", np.arange(6, dtype=np.uint8).reshape(2, 3))
    ...     read(f"{folder}/steps.npy").shape
    (2, 3)
    """
    source, access = _access(path, frame, level, missing, layout)
    with reading(source):
        reader = _reader(source, access)
        if lazy is None:
            image = reader.open(source, access)
            if image.is_lazy and image.data.nbytes <= LAZY_BYTES:
                image = reader.load(source, access)
        else:
            image = reader.open(source, access) if lazy else reader.load(source, access)
    return to_gray(image) if gray else image


def describe(
    path: StrPath, *, level: int = 0, missing: float | None = None, layout: Layout | None = None
) -> dict[str, object]:
    """Return facts about a file, without decoding its pixels where the format allows.

    Parameters
    ----------
    path : str or os.PathLike
        What `read` reads.
    level : int, default 0
        As in `read`.
    missing : float, optional
        As in `read`.
    layout : Layout, optional
        As in `read`.

    Returns
    -------
    dict
        ``format``, ``shape``, ``axes``, ``dtype`` (a str), ``spacing``, ``unit``, ``compression``, ``bytes`` (in
        memory) and ``file_bytes`` (on disk), ``chunks`` where it can be read in pieces, and further facts that only
        some formats have, such as ``frames``, the number of frames of a GIF: the first is described.

    Raises
    ------
    InputMissingError
        If there is no such file or folder.
    ReadError
        If the file is broken, hostile, or of no known format.
    """
    source, access = _access(path, None, level, missing, layout)
    with reading(source):
        return _reader(source, access).facts(source, access)


def write(path: StrPath, image: Image | NDArray[Any], *, overwrite: bool = False) -> None:
    """Write an image, or leave what is at `path` untouched.

    Parameters
    ----------
    path : str or os.PathLike
        The output; its suffix chooses the format: .tif or .tiff, .png (2-D, 8 or 16 bits), .npy (no color), or .npz.
        TIFF and NPZ keep the size of the voxels, TIFF and PNG the color profile.
    image : Image or ndarray
        A plain array is taken as "yx" if it is 2-D and as "zyx" if it is 3-D.
    overwrite : bool, default False
        Replace an output that exists.

    Raises
    ------
    ParameterError
        If no format has this suffix, or the format cannot hold this image.
    OutputExistsError
        If `path` exists and `overwrite` is False.
    WriteError
        If `path` cannot be written; DiskError if the disk is full.
    """
    output = Path(path)
    check_output(output, overwrite=overwrite, suffixes=SUFFIXES)
    with atomic_output(output, overwrite=overwrite) as temporary:
        encode(output, image, temporary)


def encode(path: StrPath, image: Image | NDArray[Any], part: Path) -> None:
    """Write an image to a file that nobody reads yet, in the format of the name that it will have.

    Parameters
    ----------
    path : str or os.PathLike
        The name that it will have; its suffix chooses the format.
    image : Image or ndarray
        As `write` takes it.
    part : Path
        The file, as `atomic_output` gives it.

    Raises
    ------
    ParameterError
        If no format has this suffix, or the format cannot hold this image.
    """
    output = Path(path)
    family = next((one for one in WRITERS if output.suffix.lower() in one.SUFFIXES), None)
    if family is None:
        raise ParameterError(f"{output}: no format has the suffix {output.suffix!r}; use one of {', '.join(SUFFIXES)}")
    try:
        family.write(part, _as_image(output, image))
    except ParameterError as error:
        raise ParameterError(str(error) if str(error).startswith(str(output)) else f"{output}: {error}") from error


def is_streamed(output: Path, image: Image) -> bool:
    """Tell whether an image is written block by block.

    Parameters
    ----------
    output : Path
        Where to.
    image : Image
        What.

    Returns
    -------
    bool
        True for what is not in memory, and for formats that are written in no other way.

    Raises
    ------
    ParameterError
        If it is not in memory and the format is not written so.
    """
    suffix = output.suffix.lower()
    if image.is_lazy and suffix not in SINK_SUFFIXES and suffix in SUFFIXES:
        raise ParameterError(
            f"{output}: {suffix} is not written block by block, and the image is not in memory; "
            f"name the output with one of {', '.join(SINK_SUFFIXES)}"
        )
    return image.is_lazy or suffix not in SUFFIXES


def _access(
    path: StrPath, frame: int | None, level: int, missing: float | None, layout: Layout | None
) -> tuple[Path, Access]:
    """Return the file or folder, and how it is to be read."""
    name, _, part = str(path).partition("::")
    if level < 0:
        raise ParameterError(f"level is {level}; give 0 for the full resolution, or a greater number")
    plugins()  # loaded here, where a warning about one is heard
    access = Access(part=part or None, frame=frame, level=level, missing=missing, layout=layout)
    source = Path(name)
    if frame is not None:
        _check_frame(source, frame)
    return source, access


def _reader(path: Path, access: Access) -> Reader:
    """Return what reads a file or folder; a folder that is no image by itself is one of slices."""
    if access.layout is not None:
        reader = raw.READER
    else:
        reader = slices.reader_of_folder(path) if path.is_dir() else reader_of(path)
    reader.check(path, access)
    return reader


def _check_frame(path: Path, frame: int) -> None:
    """Refuse a frame that is not there."""
    with reading(path):
        n_frames = 1 if path.is_dir() or reader_of(path) is not raster.READER else raster.count_frames(path)
    if frame not in range(n_frames):
        found = f"there are {n_frames} frames; give 0 to {n_frames - 1}" if n_frames > 1 else "only frame 0 can be read"
        raise ParameterError(f"{path}: frame is {frame!r}, but {found}")


def _as_image(path: Path, image: Image | NDArray[Any]) -> Image:
    """Return the image to write; refuse what no format can hold."""
    if not isinstance(image, Image):
        array = np.asanyarray(image)
        axes = {2: "yx", 3: "zyx"}.get(array.ndim)
        if axes is None:
            raise ParameterError(f"{path}: the array has {array.ndim} axes; give 2 or 3, or an Image with named axes")
        image = Image(array, axes)
    if image.data.size == 0:
        raise ParameterError(f"{path}: the shape is {image.shape}; an image needs at least one pixel")
    if np.ma.isMaskedArray(image.data):
        raise ParameterError(f"{path}: the array is masked, which no format holds; fill it first with .filled(value)")
    return image
