"""What tests of filters share: windows of images, and that blocks equal the whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from strategies import ORDERED_DTYPES

DTYPES_OF_FILTERS = ORDERED_DTYPES

Window = tuple[slice, ...]

SCRIPT_OF_BITS = """
import hashlib
import numpy as np
from klevels.core import _kernels
from klevels.core.{module} import {name}
rng, digest = np.random.default_rng(0), hashlib.sha256()
for shape in ((5, 7, 67), (3, 4, 5), (40, 131)):
    values = rng.normal(30000, 3000, shape)
    inside = rng.random(shape) > 0.1
    for dtype in ("f4", "f8", "u2"):
        digest.update({name}(values.astype(dtype), {strengths}).tobytes())
        digest.update({name}(values.astype(dtype), {strengths}, inside=inside).tobytes())
print(_kernels.instruction_set(), digest.hexdigest())
"""
"""For `digest_on`: a filter on several images, with and without a mask."""


@st.composite
def windows(draw: st.DrawFn, max_side: int = 20) -> tuple[tuple[int, ...], Window]:
    """Shapes of images, and a window of each."""
    shape = tuple(draw(st.lists(st.integers(1, max_side), min_size=2, max_size=3)))
    starts = [draw(st.integers(0, side - 1)) for side in shape]
    return shape, tuple(
        slice(start, draw(st.integers(start + 1, side))) for start, side in zip(starts, shape, strict=True)
    )


def assert_blocks_equal_whole(
    filtered: Callable[..., NDArray[Any]],
    halo: Callable[..., tuple[int, ...]],
    values: NDArray[Any],
    strengths: dict[str, Any],
    inside: NDArray[np.bool_] | None,
    window: tuple[tuple[int, ...], Window],
    spacing: tuple[float, ...] | None = None,
) -> None:
    """Filter a window with the halo that the filter declares, and compare with the same window of the whole."""
    reach = halo(values.ndim, **strengths, spacing=spacing)
    wide = tuple(
        slice(max(0, part.start - far), min(side, part.stop + far))
        for part, far, side in zip(window[1], reach, values.shape, strict=True)
    )
    crop = tuple(
        slice(part.start - outer.start, part.stop - outer.start) for part, outer in zip(window[1], wide, strict=True)
    )
    whole = filtered(values, **strengths, inside=inside, spacing=spacing)
    mask = None if inside is None else inside[wide]
    np.testing.assert_array_equal(
        filtered(values[wide], **strengths, inside=mask, spacing=spacing)[crop], whole[window[1]]
    )
