"""Lists of colors read back, are read as other programs write them, and are refused line by line where broken."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from PIL.GimpPaletteFile import GimpPaletteFile

from klevels.core.palette_files import COLOR_SUFFIXES, MAX_BYTES, MAX_COLORS, format_colors, parse_colors, read_colors
from klevels.errors import InputMissingError, ParameterError, ReadError

color_lists = nps.arrays(np.uint8, st.tuples(st.integers(1, 300), st.just(3)))
NIGHT = np.array([[26, 28, 44], [93, 39, 93], [177, 62, 83]], np.uint8)


@given(color_lists, st.sampled_from([*COLOR_SUFFIXES, ".GPL", ".Hex"]), st.text(), st.data())
def test_lists_read_back(colors: np.ndarray, suffix: str, name: str, data: st.DataObject) -> None:
    n = len(colors)
    shares = data.draw(st.none() | st.lists(st.floats(0, 1), min_size=n, max_size=n))
    written = format_colors(colors, suffix, name=name, shares=shares)
    back = parse_colors(written, "x")
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, colors)
    for altered in (written.replace("\n", "\r\n"), written.replace("\n", "\r"), "\ufeff" + written, written.rstrip()):
        np.testing.assert_array_equal(parse_colors(altered, "x"), colors)
    content = written.encode()  # whatever is in the name
    assert content.count(b"\n") == n + (4 if suffix.lower() == ".gpl" else 0)


@given(nps.arrays(np.uint8, st.tuples(st.integers(1, 256), st.just(3))), st.text(max_size=20))
def test_pillow_reads_the_gimp_palettes(colors: np.ndarray, name: str) -> None:
    written = format_colors(colors, ".gpl", name=name, shares=np.full(len(colors), 1 / len(colors)))
    palette, mode = GimpPaletteFile(BytesIO(written.encode())).getpalette()
    assert mode == "RGB"
    assert palette[: colors.size] == colors.tobytes()


def test_what_is_written() -> None:
    shares = np.array([0.5, 0.49996, 0.00004])
    assert format_colors(NIGHT, ".gpl", name="two\nlines\u2028and\ud800", shares=shares) == (
        "GIMP Palette\nName: two lines and\nColumns: 3\n#\n"
        " 26  28  44\t1a1c2c 50.00 %\n 93  39  93\t5d275d 50.00 %\n177  62  83\tb13e53 0.00 %\n"
    )
    assert format_colors(NIGHT, ".gpl").endswith("\n 93  39  93\t5d275d\n177  62  83\tb13e53\n")
    assert "\nColumns: 16\n" in format_colors(np.zeros((17, 3), np.uint8), ".gpl")
    for suffix in (".hex", ".txt"):
        assert format_colors(NIGHT, suffix, shares=shares) == "1a1c2c\n5d275d\nb13e53\n"


LOSPEC_HEX = "1a1c2c\r\n5d275d\r\nb13e53\r\n"
LOSPEC_GPL = """GIMP Palette
#Palette Name: Sweetie
#Description: <a href="example">by someone</a>: 3 colors
#Colors: 3
26\t28\t44\t1a1c2c
93\t39\t93\t5d275d
177\t62\t83\tb13e53
"""
LOSPEC_PAINT_NET = """;paint.net Palette File
;Downloaded from Lospec.com/palette-list
;Palette Name: Sweetie
;Description: 1a1c2c and others
;Colors: 3
FF1a1c2c
FF5d275d
FFb13e53
"""
PAINT_NET = """\ufeff; paint.net Palette File
; Lines that start with a semicolon are comments
; Colors are written as 8-digit hexadecimal numbers: aarrggbb
; For example, this would specify green: FF00FF00
; The alpha ('aa') value specifies how transparent a color is. FF is fully opaque, 00 is fully transparent.
; A palette must consist of ninety six (96) colors. If there are less than this, the remaining color
; slots will be set to white (FFFFFFFF). If there are more, then the remaining colors will be ignored.
FF1A1C2C
00FFFFFF ; This slot is blank
FF5D275D
FFB13E53
00FFFFFF
""".replace("\n", "\r\n")
GIMP = """GIMP Palette
Name: Sweet: 12 34 56
Columns: 16
#
 26  28  44\tNight #1
 93  39  93\t255 0 0
177  62  83\tUntitled
"""
GIMP_OLD = """GIMP Palette
# -- old palettes have no name --
 26  28  44
 93  39  93    Plum
# between

177  62  83"""
KRITA = """GIMP Palette
Name: Sweetie
Columns: 3
#Made by hand
26 28 44 Night
93 39 93 Plum
177 62 83 Rot und Blau
"""
ASEPRITE = """GIMP Palette
Channels: RGBA
#
  0   0   0   0 Transparent
 26  28  44 255 Night
 93  39  93 255 Untitled
177  62  83\t255
"""
BY_HAND = """

// my colors
   ; of the night
  #1A1C2C
5d275d   ; plum, not 000000

\tB13E53\t
"""


@pytest.mark.parametrize(
    "text",
    [LOSPEC_HEX, LOSPEC_GPL, LOSPEC_PAINT_NET, PAINT_NET, GIMP, GIMP_OLD, KRITA, ASEPRITE, BY_HAND],
    ids=["lospec hex", "lospec gpl", "lospec paint.net", "paint.net", "gimp", "old gimp", "krita", "aseprite", "hand"],
)
def test_lists_of_other_programs(text: str, tmp_path: Path) -> None:
    np.testing.assert_array_equal(parse_colors(text, "x"), NIGHT)
    path = tmp_path / "list.anything"
    path.write_bytes(text.encode())
    np.testing.assert_array_equal(read_colors(path), NIGHT)
    np.testing.assert_array_equal(read_colors(str(path)), NIGHT)


def test_three_digits_are_doubled_and_repeats_are_kept() -> None:
    assert parse_colors("#fa0\nFA0\nffaa00\n#FFAA00", "x").tolist() == [[255, 170, 0]] * 4


def test_names_in_other_encodings_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "old.gpl"
    path.write_bytes(GIMP_OLD.replace("Plum", "Zwetschgenröte").encode("latin-1"))
    np.testing.assert_array_equal(read_colors(path), NIGHT)


@pytest.mark.parametrize(
    "line",
    [
        "xyz",
        "1a1c2",
        "1a1c2cf",
        "##1a1c2c",
        "#",
        "#1a",
        "1a 1c 2c",
        "0x1a1c2c",
        "#ff1a1c2c",
        "26 28 44",
        "１ａ１ｃ２ｃ",
        "1a1c2c,",
        "1a1c2c // night",
        "# 1a1c2c",
        "JASC-PAL",
        "-1a1c2",
        "٣٣٣",
        "+1a1c2",
        "1_1c2c",
        "GIMP Palette",
        "a" * 500,
        "'\"",
        "\ufffd\x1b[2J",
    ],
)
def test_broken_lines_of_hexadecimal_lists_are_named(line: str) -> None:
    with pytest.raises(
        ReadError, match=r"^my\.hex: line 3 is .*; give six hexadecimal digits, such as 1a66e8$"
    ) as caught:
        parse_colors(f"1a1c2c\n\n{line}\n5d275d\n", "my.hex")
    assert len(str(caught.value)) < 150
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "line",
    [
        "65  38",
        "65",
        "256 0 0",
        "0 0 1000",
        "-1 0 0",
        "+1 0 0",
        "1.5 0 0",
        "1,2,3",
        "1 2 3,",
        "a b c",
        "1 2 x",
        "0x1 2 3",
        "Name: late",
        "; comment",
        "// comment",
        "1a1c2c",
        "٣ ٣ ٣",
        "GIMP Palette",
        "9" * 5000,
    ],
)
def test_broken_rows_of_gimp_palettes_are_named(line: str) -> None:
    with pytest.raises(ReadError, match=r"^my\.gpl: line 5 is .*; give red, green and blue from 0 to 255, and a name$"):
        parse_colors(f"GIMP Palette\nName: x\n#\n1 2 3\tone\n{line}\n4 5 6\n", "my.gpl")


@pytest.mark.parametrize("line", ["80112233", "FE112233", "00112233", "00000000"])
def test_eight_digits_are_opaque(line: str) -> None:
    with pytest.raises(ReadError, match=rf"x: line 2 is '{line}'; eight digits are aarrggbb, with ff for opaque"):
        parse_colors(f"FF445566\n{line}\n", "x")


@pytest.mark.parametrize(("first", "second"), [("ff1a1c2c", "1a1c2c"), ("1a1c2c", "ff1a1c2c"), ("fff", "ff1a1c2c")])
def test_eight_digits_stand_on_every_line_or_none(first: str, second: str) -> None:
    message = f"x: line 2 is '{second}'; lines before it have {len(first)} digits: give six on every line"
    with pytest.raises(ReadError, match=f"^{message}$"):
        parse_colors(f"{first}\n{second}\n", "x")


@pytest.mark.parametrize("row", ["1 2 3 254 x", "1 2 3", "1 2 3 ", "1 2 3 Red", "1 2 3 2555", "1 2 3 -0"])
def test_rows_with_alpha_are_opaque(row: str) -> None:
    with pytest.raises(
        ReadError, match=r"^x: line 3 is '1 2 3.*'; with Channels: RGBA, give red, green, blue, and 255"
    ):
        parse_colors(f"GIMP Palette\nChannels: RGBA\n{row}\n", "x")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\ufeff",
        " \r\n\t",
        "; nothing\n",
        "//",
        "GIMP Palette",
        "GIMP Palette\nName: x\n#\n",
        "00FFFFFF\n",
        "GIMP Palette\nChannels: RGBA\n0 0 0 0\n",
    ],
)
def test_lists_without_colors_are_refused(text: str) -> None:
    with pytest.raises(ReadError, match=r"^my\.hex: holds no color; give one a line, such as 1a66e8$"):
        parse_colors(text, "my.hex")


def test_there_are_as_many_colors_as_labels() -> None:
    for row, header in (("1a66e8\n", ""), ("1 2 3\n", "GIMP Palette\n")):
        assert len(parse_colors(header + MAX_COLORS * row, "x")) == MAX_COLORS
        with pytest.raises(ReadError, match="x: holds more than 65535 colors; give fewer"):
            parse_colors(header + (MAX_COLORS + 1) * row, "x")
    most = np.zeros((MAX_COLORS, 3), np.uint8)
    longest = format_colors(most, ".gpl", shares=np.ones(MAX_COLORS), name="klevels")
    assert len(longest) < MAX_BYTES
    np.testing.assert_array_equal(parse_colors(longest, "x"), most)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_read_errors(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    _read_or_refuse(tmp_path_factory.getbasetemp() / "fuzzed", content)


@given(
    st.sampled_from([GIMP, ASEPRITE, PAINT_NET, LOSPEC_HEX, BY_HAND]),
    st.integers(0, 800),
    st.integers(0, 20),
    st.binary(max_size=8),
)
def test_no_damage_raises_anything_but_read_errors(
    tmp_path_factory: pytest.TempPathFactory, text: str, first: int, n_lost: int, found: bytes
) -> None:
    content = text.encode()
    first %= len(content)
    damaged = content[:first] + found + content[first + n_lost :]
    _read_or_refuse(tmp_path_factory.getbasetemp() / "damaged", damaged)


@given(
    st.text(alphabet="0123456789abcdefABCDEFxyz#;/: \t\r\n\x0b\x1c\x85\u2028\ufeff\ud800", max_size=60), st.booleans()
)
def test_no_text_raises_anything_but_read_errors(text: str, is_gimp: bool) -> None:
    _check_outcome(lambda: parse_colors(("GIMP Palette\n" if is_gimp else "") + text, "x"), "x")


def _read_or_refuse(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    _check_outcome(lambda: read_colors(path), str(path))


def _check_outcome(read: Callable[[], np.ndarray], source: str) -> None:
    """Whatever was read is a list of colors, or one line says why not; any other error fails the test."""
    try:
        colors, message = read(), f"{source}: sound"
    except ReadError as error:
        colors, message = NIGHT, str(error)
    assert message.startswith(f"{source}: ")
    assert message.isprintable()
    assert colors.dtype == np.uint8
    assert colors.shape == (len(colors), 3)
    assert len(colors) >= 1


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", GIMP.encode("utf-16"), LOSPEC_HEX.encode("utf-16-le"), b"1a1c2c\0"]
)
def test_files_that_are_no_text_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.hex").write_bytes(content)
    with pytest.raises(ReadError, match=r"x\.hex: is no text in UTF-8; give a \.gpl, \.hex or \.txt list of colors$"):
        read_colors(tmp_path / "x.hex")


def test_large_files_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.hex"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # takes no room on the disk, but would in memory
    with pytest.raises(ReadError, match=r"large\.hex: has more than 4 MB"):
        read_colors(path)
    path.write_bytes(b"1a1c2c\n".ljust(MAX_BYTES))
    assert read_colors(path).tolist() == [[26, 28, 44]]


def test_missing_files_folders_and_impossible_names_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputMissingError, match=r"none\.hex: no such file; check the name"):
        read_colors(tmp_path / "none.hex")
    with pytest.raises(ReadError, match=r": cannot be read \(.+\); give a \.gpl, \.hex or \.txt list of colors"):
        read_colors(tmp_path)
    with pytest.raises(ReadError, match="cannot be read"):
        read_colors("nul\0.hex")


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
def test_files_that_cannot_be_opened_are_named(error: OSError, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("builtins.open", fail)
    with pytest.raises(ReadError, match=rf"^locked\.hex: cannot be read \({error.strerror}\); give a"):
        read_colors("locked.hex")


def test_a_real_broken_palette_is_refused(shared_data: Path) -> None:
    with pytest.raises(ReadError, match=r"bad_palette_entry\.gpl: line 6 is '65  38'; give red, green and blue"):
        read_colors(shared_data / "malformed" / "pillow" / "bad_palette_entry.gpl")


@pytest.mark.parametrize("suffix", ["", ".ase", ".act", "gpl", ".json"])
def test_unknown_suffixes_are_refused(suffix: str) -> None:
    with pytest.raises(ParameterError, match=rf"^the suffix is '{suffix}'; use \.gpl, \.hex, \.txt$"):
        format_colors(NIGHT, suffix)


@pytest.mark.parametrize(
    "colors",
    [
        NIGHT.astype(float),
        NIGHT.astype(np.uint16),
        NIGHT[:, :2],
        NIGHT[0],
        NIGHT[None],
        NIGHT.tolist(),
        NIGHT[:0],
        np.zeros((MAX_COLORS + 1, 3), np.uint8),
    ],
    ids=["float", "uint16", "two channels", "one color", "image", "list", "none", "too many"],
)
def test_what_is_no_list_of_colors_is_refused(colors: np.ndarray) -> None:
    for suffix in COLOR_SUFFIXES:
        with pytest.raises(ParameterError, match=r"^the(re are| colors are) [^;]*; give [^;]*$") as caught:
            format_colors(colors, suffix)
        assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "shares",
    [
        [0.5, 0.5],
        [0.5, 0.5, 0.5, 0.5],
        [0.5, 0.6, -0.1],
        [0.5, 0.5, np.nan],
        [0, 0, 1.1],
        1.0,
        "abc",
        np.eye(3),
        [1, 1, 1j],
    ],
    ids=lambda shares: str(shares)[:30].replace("\n", ""),
)
def test_shares_that_do_not_fit_are_refused(shares: object) -> None:
    with pytest.raises(ParameterError, match=r"^the shares are .*; give one from 0 to 1 for each of 3 colors$"):
        format_colors(NIGHT, ".gpl", shares=shares)  # type: ignore[arg-type]
