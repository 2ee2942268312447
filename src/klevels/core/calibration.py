"""Gray values in the unit of what they mean, such as Hounsfield units."""

from __future__ import annotations

import math
from dataclasses import dataclass

from klevels.errors import ParameterError

FORM = "'slope,intercept,unit' or 'gray=value,gray=value,unit', such as '0=-1000,20000=0,HU'"


@dataclass(frozen=True)
class Calibration:
    """A straight line from gray values to what they mean.

    Parameters
    ----------
    slope : float
        What one step of gray means; not 0.
    intercept : float
        What the gray value 0 means.
    unit : str
        Of the result, such as "HU".

    Raises
    ------
    ParameterError
        If a number is not finite, the slope is 0, or there is no unit.

    Examples
    --------
    >>> Calibration.parse("0=-1000,20000=0,HU")
    Calibration(slope=0.05, intercept=-1000.0, unit='HU')
    """

    slope: float
    intercept: float
    unit: str

    def __post_init__(self) -> None:
        if not (math.isfinite(self.slope) and math.isfinite(self.intercept)) or self.slope == 0 or not self.unit:
            raise ParameterError(
                f"the calibration is {self.slope:g} · gray + {self.intercept:g} {self.unit or 'without a unit'}; "
                f"give finite numbers, a slope other than 0, and a unit"
            )

    @classmethod
    def parse(cls, text: str) -> Calibration:
        """Return the calibration that a text describes.

        Parameters
        ----------
        text : str
            A line, "slope,intercept,unit", or two known points, "gray=value,gray=value,unit".

        Returns
        -------
        Calibration
            The line.

        Raises
        ------
        ParameterError
            If it is of neither form, or both points have the same gray value.
        """
        parts = [part.strip() for part in text.split(",")]
        if len(parts) != 3:
            raise ParameterError(f"calibration is {text!r}; give {FORM}")
        first, second, unit = parts
        is_line = "=" not in first and "=" not in second
        try:
            numbers = [tuple(map(float, one.split("="))) for one in (first, second)]
        except ValueError:
            raise ParameterError(f"calibration is {text!r}; give {FORM}") from None
        if is_line:
            return cls(numbers[0][0], numbers[1][0], unit)
        if any(len(point) != 2 for point in numbers):
            raise ParameterError(f"calibration is {text!r}; give {FORM}")
        (gray, value), (other_gray, other_value) = numbers
        if gray == other_gray:
            raise ParameterError(f"calibration is {text!r}, both points at gray {gray:g}; give two different ones")
        slope = (other_value - value) / (other_gray - gray)
        return cls(slope, value - slope * gray, unit)


def as_calibration(given: Calibration | str | None) -> Calibration | None:
    """Return what was given as a calibration.

    Parameters
    ----------
    given : Calibration, str or None
        A text is parsed.

    Returns
    -------
    Calibration or None
        None for None.

    Raises
    ------
    ParameterError
        If it is none.
    """
    if given is None or isinstance(given, Calibration):
        return given
    if not isinstance(given, str):
        raise ParameterError(f"calibration is {given!r}; give {FORM}")
    return Calibration.parse(given)
