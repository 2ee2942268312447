"""Units of length."""

from __future__ import annotations

import pytest

from klevels.units import METERS, in_one_unit, short_unit


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("micrometer", "µm"),
        ("Micrometres", "µm"),
        ("um", "µm"),
        ("\u03bcm", "µm"),
        ("\u00b5m", "µm"),
        ("micron", "µm"),
        (" millimeter ", "mm"),
        ("angstrom", "Å"),
        ("\u212b", "Å"),
        ("meter", "m"),
        ("parsec", "parsec"),
    ],
)
def test_spellings(text: str, unit: str) -> None:
    assert short_unit(text) == unit


@pytest.mark.parametrize("unit", METERS)
def test_a_short_unit_stays(unit: str) -> None:
    assert short_unit(unit) == unit


def test_sizes_in_one_unit() -> None:
    assert in_one_unit((1.0, 2.0), ("foot", "foot")) == ((1.0, 2.0), "foot")
    assert in_one_unit((1.0, 2.0), (None, None)) == ((1.0, 2.0), None)
    assert in_one_unit((1.0, 2.0, 3.0), ("mm", "µm", "cm")) == ((1.0, 0.002, 30.0), "mm")
    assert in_one_unit((1.0, 2.0), ("mm", "foot")) is None
    assert in_one_unit((1.0, 2.0), ("foot", "mm")) is None
    assert in_one_unit((1.0, 2.0), ("mm", None)) is None
    assert in_one_unit((1.0, 2.0), (None, "mm")) is None
