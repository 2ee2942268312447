"""Gray values become what they mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klevels.core.calibration import Calibration
from klevels.errors import ParameterError

numbers = st.floats(-1e6, 1e6)


@given(gray=numbers, other=numbers, value=numbers, other_value=numbers)
def test_two_points_lie_on_the_line(gray: float, other: float, value: float, other_value: float) -> None:
    if abs(gray - other) < 1e-3 or abs(value - other_value) < 1e-3:
        return
    found = Calibration.parse(f"{gray!r}={value!r}, {other!r}={other_value!r}, mg/cm³")
    size = 1.0 + abs(found.slope) * max(abs(gray), abs(other)) + abs(value) + abs(other_value)
    assert found.slope * gray + found.intercept == pytest.approx(value, abs=1e-9 * size)
    assert found.slope * other + found.intercept == pytest.approx(other_value, abs=1e-9 * size)
    assert found.unit == "mg/cm³"


def test_slope_and_intercept_are_taken_as_they_are() -> None:
    assert Calibration.parse("0.5, -1024, HU") == Calibration(0.5, -1024.0, "HU")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2", "give 'slope,intercept,unit'"),
        ("a,2,HU", "give 'slope,intercept,unit'"),
        ("1=2,3,HU", "give 'slope,intercept,unit'"),
        ("1=2=3,3=4,HU", "give 'slope,intercept,unit'"),
        ("1=2,1=3,HU", "two different ones"),
        ("0,2,HU", "a slope other than 0"),
        ("1=2,3=2,HU", "a slope other than 0"),
        ("nan,2,HU", "finite numbers"),
        ("1,2,", "without a unit"),
    ],
)
def test_what_is_no_line_is_refused(text: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        Calibration.parse(text)
