"""Lists of colors as artists keep them: GIMP palettes and hexadecimal lists."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klevels.errors import InputMissingError, ParameterError, ReadError

COLOR_SUFFIXES = (".gpl", ".hex", ".txt")

MAX_COLORS = 65535
"""As many as there are labels."""
MAX_BYTES = 4 << 20
"""64 for each color: what is larger is no list of colors."""

GIMP = "GIMP Palette"
GIMP_ROW = re.compile(r"\s*([0-9]{1,3})\s+([0-9]{1,3})\s+([0-9]{1,3})(?:\s+(.*))?")
GIMP_FIELD = re.compile(r"\s*[A-Za-z]+:")
ASEPRITE_ALPHA = re.compile(r"\s*Channels:\s*RGBA\s*")
HEX_ROW = re.compile(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})|[0-9a-fA-F]{8}")
BLANK_SLOT = "00ffffff"

Color = tuple[int, int, int]
Lines = Sequence[tuple[int, str]]
"""The lines of a file that are not blank, and their numbers."""


def format_colors(
    colors: NDArray[np.uint8], suffix: str, *, name: str = "klevels", shares: ArrayLike | None = None
) -> str:
    """Write a list of colors the way that other programs read it.

    Parameters
    ----------
    colors : ndarray of uint8, shape (n_colors, 3)
        Red, green and blue.
    suffix : {".gpl", ".hex", ".txt"}
        Of the file: a GIMP palette, which Krita, Inkscape and Aseprite read as well, or a list with one rrggbb a line,
        as Lospec has it.
    name : str
        What a GIMP palette is called.
    shares : array_like of float, shape (n_colors,), optional
        The share of each color in the image, 0 to 1; a GIMP palette tells it in the color's name.

    Returns
    -------
    str
        The content of the file, for UTF-8.

    Raises
    ------
    ParameterError
        If there is no such suffix, the colors are not 1 to 65535 rows of three uint8, or the shares do not fit them.

    Examples
    --------
    >>> print(format_colors(np.array([[26, 28, 44], [244, 244, 244]], np.uint8), ".hex"), end="")
    1a1c2c
    f4f4f4
    """
    _check_colors(colors)
    codes = [bytes(color).hex() for color in colors.tolist()]
    if suffix.lower() in (".hex", ".txt"):
        return "".join(f"{code}\n" for code in codes)
    if suffix.lower() != ".gpl":
        raise ParameterError(f"the suffix is {suffix!r}; use {', '.join(COLOR_SUFFIXES)}")
    names = codes if shares is None else _with_shares(codes, np.asarray(shares))
    rows = [f"{r:3} {g:3} {b:3}\t{label}" for (r, g, b), label in zip(colors.tolist(), names, strict=True)]
    return "\n".join([GIMP, f"Name: {_one_line(name)}", f"Columns: {min(16, len(rows))}", "#", *rows]) + "\n"


def read_colors(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read a list of colors.

    Parameters
    ----------
    path : str or path-like
        A GIMP palette, or a hexadecimal list; its content tells which.

    Returns
    -------
    ndarray of uint8, shape (n_colors, 3)
        See `parse_colors`.

    Raises
    ------
    ReadError
        If the file holds anything else; InputMissingError if there is no such file.
    """
    source = os.fspath(path)
    try:
        with open(source, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise InputMissingError(f"{source}: no such file; check the name") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ReadError(f"{source}: cannot be read ({reason}); give a .gpl, .hex or .txt list of colors") from error
    if len(content) > MAX_BYTES:
        raise ReadError(f"{source}: has more than {MAX_BYTES >> 20} MB; give a .gpl, .hex or .txt list of colors")
    if b"\0" in content:
        raise ReadError(f"{source}: is no text in UTF-8; give a .gpl, .hex or .txt list of colors")
    # Old palettes name their colors in other encodings. The names are not read, and a color is ASCII.
    return parse_colors(content.decode("utf-8", errors="replace"), source)


def parse_colors(text: str, source: str) -> NDArray[np.uint8]:
    """Return the colors of a list, in its order, those that occur twice included.

    Parameters
    ----------
    text : str
        The content of a file. Its first line tells a GIMP palette; else it is a hexadecimal list.
    source : str
        What messages call it: the name of the file.

    Returns
    -------
    ndarray of uint8, shape (n_colors, 3)
        Red, green and blue.

    Raises
    ------
    ReadError
        If a line is no color, a color is not opaque, or there is no color or more than 65535.

    Notes
    -----
    A hexadecimal list has one color a line, rgb or rrggbb, with or without "#"; blank lines do not count, nor what
    follows a ";", nor lines that begin with "//". It may instead have aarrggbb on every line, as paint.net writes it,
    with ff for opaque. A GIMP palette of Aseprite may have "Channels: RGBA" and a fourth number, 255 for opaque.

    Slots that were left blank are left out: 00ffffff of paint.net, and what is wholly transparent in Aseprite. Any
    other color that is not opaque is refused.

    Examples
    --------
    >>> parse_colors("#1a1c2c ; night", "sweetie.hex")
    array([[26, 28, 44]], dtype=uint8)
    """
    numbered = enumerate(re.split("\r\n|\r|\n", text.removeprefix("\ufeff")), start=1)
    lines = [(number, line) for number, line in numbered if line.strip()]
    if lines and lines[0][1].strip().startswith(GIMP):
        colors = _gimp_colors(lines[1:], source)
    else:
        colors = _hex_colors(lines, source)
    if not colors:
        raise ReadError(f"{source}: holds no color; give one a line, such as 1a66e8")
    return np.array(colors, np.uint8)


def _gimp_colors(lines: Lines, source: str) -> list[Color]:
    colors: list[Color] = []
    has_alpha = has_begun = False
    for number, line in lines:
        if line.lstrip().startswith("#"):
            continue
        if not has_begun and GIMP_FIELD.match(line):
            has_alpha = has_alpha or ASEPRITE_ALPHA.fullmatch(line) is not None
            continue
        has_begun = True
        row = GIMP_ROW.fullmatch(line)
        if row is None or max(int(row[channel]) for channel in (1, 2, 3)) > 255:
            _refuse(source, number, line, "give red, green and blue from 0 to 255, and a name")
        alpha = (row[4] or "missing").split()[0] if has_alpha else "255"
        if alpha == "0":
            continue
        if alpha != "255":
            _refuse(source, number, line, "with Channels: RGBA, give red, green, blue, and 255 for opaque")
        _append(colors, (int(row[1]), int(row[2]), int(row[3])), source)
    return colors


def _hex_colors(lines: Lines, source: str) -> list[Color]:
    colors: list[Color] = []
    n_digits = 0
    for number, line in lines:
        code = line.partition(";")[0].strip()
        if not code or code.startswith("//"):
            continue
        if HEX_ROW.fullmatch(code) is None:
            _refuse(source, number, line, "give six hexadecimal digits, such as 1a66e8")
        digits = code.removeprefix("#").lower()
        if n_digits and (n_digits == 8) != (len(digits) == 8):
            _refuse(source, number, line, f"lines before it have {n_digits} digits: give six on every line")
        n_digits = len(digits)
        if digits == BLANK_SLOT:
            continue
        if n_digits == 8 and not digits.startswith("ff"):
            _refuse(source, number, line, "eight digits are aarrggbb, with ff for opaque: give six, rrggbb")
        if n_digits == 3:
            digits = "".join(2 * digit for digit in digits)
        red, green, blue = bytes.fromhex(digits[-6:])
        _append(colors, (red, green, blue), source)
    return colors


def _append(colors: list[Color], color: Color, source: str) -> None:
    if len(colors) == MAX_COLORS:
        raise ReadError(f"{source}: holds more than {MAX_COLORS} colors; give fewer")
    colors.append(color)


def _refuse(source: str, number: int, line: str, advice: str) -> NoReturn:
    shown = repr(line.strip())
    raise ReadError(f"{source}: line {number} is {shown if len(shown) <= 60 else f'{shown[:57]}...'}; {advice}")


def _check_colors(colors: NDArray[Any]) -> None:
    if not isinstance(colors, np.ndarray) or colors.dtype != np.uint8 or colors.shape[1:] != (3,):
        kind = f"{colors.dtype} of shape {colors.shape}" if isinstance(colors, np.ndarray) else type(colors).__name__
        raise ParameterError(f"the colors are {kind}; give rows of red, green and blue as uint8")
    if not 1 <= len(colors) <= MAX_COLORS:
        raise ParameterError(f"there are {len(colors)} colors; give 1 to {MAX_COLORS}")


def _with_shares(codes: list[str], shares: NDArray[Any]) -> list[str]:
    if shares.shape != (len(codes),) or shares.dtype.kind not in "iuf" or not ((shares >= 0) & (shares <= 1)).all():
        raise ParameterError(
            f"the shares are {shares.tolist()!s:.60}; give one from 0 to 1 for each of {len(codes)} colors"
        )
    return [f"{code} {100 * share:.2f} %" for code, share in zip(codes, shares.tolist(), strict=True)]


def _one_line(name: str) -> str:
    """Return a name without what would end its line, or cannot be written in UTF-8."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in name).split())
