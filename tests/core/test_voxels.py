"""Arrays come to the kernels without a copy, and what cannot is refused."""

from __future__ import annotations

import numpy as np
import pytest

from klevels.core.voxels import as_voxels, check_dtype, count_threads
from klevels.errors import DataTypeError, ParameterError
from strategies import LAYOUTS


@pytest.mark.parametrize("layout", LAYOUTS)
def test_only_what_is_not_aligned_is_copied(layout: str) -> None:
    image = LAYOUTS[layout](np.arange(24, dtype=">u4").reshape(2, 3, 4))
    voxels = as_voxels(image, None)
    assert np.shares_memory(voxels.bits, image) == (layout != "record field")
    assert voxels.swap
    assert voxels.dtype == np.dtype(np.uint32)
    strides = [abs(stride) for stride in voxels.bits.strides]
    assert strides == sorted(strides, reverse=True)
    np.testing.assert_array_equal(voxels.bits.transpose(np.argsort(voxels.order)).view(">u4"), image)


def test_a_mask_follows_the_order_of_the_image() -> None:
    image = np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    mask = image > 2
    voxels = as_voxels(image, mask)
    assert voxels.mask is not None
    assert sorted(voxels.bits[voxels.mask != 0].tolist()) == [3, 4, 5]
    assert np.shares_memory(voxels.mask, mask)


@pytest.mark.parametrize("dtype", ["i1", "u2", "f2", ">f2"])
def test_values_of_all_bit_patterns(dtype: str) -> None:
    voxels = as_voxels(np.zeros(1, dtype), None)
    stored = voxels.values.astype(dtype).view(f"u{voxels.dtype.itemsize}")
    finite = ~np.isnan(voxels.values)
    assert len(voxels.values) == 256**voxels.dtype.itemsize
    assert (stored == np.arange(len(stored)))[finite].all()


def test_dtypes() -> None:
    for dtype in ("?", "u1", "i8", ">f8"):
        check_dtype(np.dtype(dtype))
    for dtype in ("u8", ">u8", "c8", "O", "U3", "M8[s]"):
        with pytest.raises(DataTypeError, match="klevels takes bool"):
            check_dtype(np.dtype(dtype))


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="NumPy 1 has no such strings")
def test_strings_of_variable_width_are_refused() -> None:
    with pytest.raises(DataTypeError, match=r"StringDType.* klevels takes"):
        as_voxels(np.array(["a"], np.dtypes.StringDType()), None)


def test_threads() -> None:
    assert count_threads(None) >= 1
    assert count_threads(3) == 3
    assert count_threads(np.uint8(3)) == 3
    for bad in (0, -4, 1.5, "2"):
        with pytest.raises(ParameterError, match="threads is"):
            count_threads(bad)  # type: ignore[arg-type]
