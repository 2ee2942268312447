"""The filters of PNG, against the words of its standard."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from klevels.io.png_filter import filter_rows

BYTES = st.sampled_from([0, 1, 127, 128, 129, 254, 255]) | st.integers(0, 255)


def guess(number: int, left: int, up: int, corner: int) -> int:
    """What each filter takes from a byte."""
    if number == 4:
        initial = left + up - corner
        distances = [abs(initial - left), abs(initial - up), abs(initial - corner)]
        return (left, up, corner)[distances.index(min(distances))]
    return (0, left, up, (left + up) // 2)[number]


def by_hand(row: list[int], above: list[int], number: int, step: int) -> list[int]:
    left, corner = [0] * step + row[:-step], [0] * step + above[:-step]
    neighbors = zip(row, left, above, corner, strict=True)
    return [(x - guess(number, a, b, c)) % 256 for x, a, b, c in neighbors]


@given(st.data())
def test_the_least_filter_of_each_row(data: st.DataObject) -> None:
    step = data.draw(st.sampled_from([1, 2, 3, 4, 6, 8]))
    shape = data.draw(st.integers(2, 5)), step * data.draw(st.integers(1, 5))
    above, *rows = data.draw(hnp.arrays(np.uint8, shape, elements=BYTES))
    found = filter_rows(np.array(rows), above, step)
    for row, before, one in zip(rows, [above, *rows], found.tolist(), strict=False):
        candidates = [by_hand(row.tolist(), before.tolist(), number, step) for number in range(5)]
        sums = [sum(min(x, 256 - x) for x in candidate) for candidate in candidates]
        assert one[0] == sums.index(min(sums))
        assert one[1:] == candidates[one[0]]
