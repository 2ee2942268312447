"""ICC color profiles: kept as the bytes that they are, and never applied."""

from __future__ import annotations

from klevels.errors import ParameterError
from klevels.image import Image

MAX_BYTES = 1 << 22  # the largest real profiles, those of printers, take 3 MB
_SPACES = {1: b"GRAY", 3: b"RGB "}  # what a header says, for each number of color channels


def as_meta(profile: object) -> dict[str, object]:
    """Return what an image's ``meta`` tells of a profile.

    Parameters
    ----------
    profile : object
        What a decoder found.

    Returns
    -------
    dict
        ``icc_profile``, or nothing if there is none, or one of more than 4 MB.
    """
    return {"icc_profile": profile} if isinstance(profile, bytes) and 0 < len(profile) <= MAX_BYTES else {}


def to_embed(image: Image, n_colors: int) -> bytes | None:
    """Return the profile to write into a file.

    Parameters
    ----------
    image : Image
        Whose ``meta["icc_profile"]`` it is.
    n_colors : int
        The number of channels, less alpha.

    Returns
    -------
    bytes or None
        None if there is none, or it is for other colors: a gray file must not hold the profile of a color image.

    Raises
    ------
    ParameterError
        If it is not bytes.
    """
    profile = image.meta.get("icc_profile")
    if profile is None or n_colors not in _SPACES:
        return None
    if not isinstance(profile, bytes):
        raise ParameterError(f"meta['icc_profile'] is of type {type(profile).__name__}; give the bytes of a profile")
    is_for_others = profile[36:40] == b"acsp" and profile[16:20] != _SPACES[n_colors]
    return None if is_for_others or not profile else profile
