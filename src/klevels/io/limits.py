"""How large an image may be that a small file can claim to hold."""

from __future__ import annotations

from pathlib import Path

from klevels.errors import ReadError

MAX_BYTES = 3 << 27  # of decoded pixels: small files can claim any size; with all copies, reading takes less than 1 GB


def check_size(path: Path, width: int, height: int, n_bytes_a_pixel: int) -> None:
    """Refuse an image that is too large, or has no pixels, before any memory is taken.

    Parameters
    ----------
    path : Path
        The file.
    width, height : int
        In pixels.
    n_bytes_a_pixel : int
        What a pixel takes when it is decoded.

    Raises
    ------
    ReadError
        If there is no pixel, or more than 384 MB of them.
    """
    if not (width and height):
        raise ReadError(f"{path}: claims {width} x {height} pixels; an image needs at least one: export it again")
    n_bytes = width * height * n_bytes_a_pixel
    if n_bytes > MAX_BYTES:
        raise ReadError(
            f"{path}: claims {width} x {height} pixels, {n_bytes >> 20} MB; "
            f"at most {MAX_BYTES >> 20} MB are decoded: save it as TIFF if it is genuine"
        )
