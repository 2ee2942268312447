"""Fill a TIFF file, to the same bytes as one that is written at once."""

from __future__ import annotations

from pathlib import Path

from klevels.image import Image
from klevels.io import tiff_write
from klevels.io.raw_sink import FlatSink, flat_sink, n_bytes, not_ours


def create(path: Path, image: Image, part: Path) -> FlatSink:
    """Begin a TIFF file.

    Parameters
    ----------
    path : Path
        The name that it will have.
    image : Image
        Whose values do not matter.
    part : Path
        The file to make.

    Returns
    -------
    FlatSink
        What fills it.

    Raises
    ------
    ParameterError
        If TIFF cannot hold the image.
    """
    return flat_sink(path, image, part, tiff_write.allocate(part, image))


def reopen(path: Path, image: Image, part: Path) -> FlatSink:
    """Go on with what `create` began.

    Parameters
    ----------
    path : Path
        The name that it will have.
    image : Image
        As `create` had it.
    part : Path
        What `create` made.

    Returns
    -------
    FlatSink
        What fills it.

    Raises
    ------
    WriteError
        If the file is not what `create` made.
    """
    import tifffile

    try:
        with tifffile.TiffFile(part) as tif:
            page = tif.pages.first
            offset, is_begun = page.dataoffsets[0], page.dtype == image.dtype
    except (tifffile.TiffFileError, IndexError) as error:
        raise not_ours(path, part) from error
    if not is_begun or part.stat().st_size < offset + n_bytes(image):
        raise not_ours(path, part)
    return flat_sink(path, image, part, offset)
