"""Color profiles come back byte for byte, where they belong."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
from PIL import ImageCms

from klevels.errors import ParameterError
from klevels.image import Image
from klevels.io import icc, read, to_gray, write

RNG = np.random.default_rng(20261123)
RGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GRAY = RGB[:16] + b"GRAY" + RGB[20:]
PHOTO = RNG.integers(0, 256, (40, 50, 3), np.uint8)


def long_profile(n_bytes: int) -> bytes:
    return RGB + RNG.bytes(n_bytes - len(RGB))


def profile_by_pillow(path: Path) -> bytes | None:
    with PIL.Image.open(path) as picture:
        profile = picture.info.get("icc_profile")
        assert profile is None or isinstance(profile, bytes)
        return profile


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("n_bytes", [len(RGB), 70_000, 300_000])
def test_profiles_of_pillow(tmp_path: Path, suffix: str, n_bytes: int) -> None:
    profile = long_profile(n_bytes)
    path = tmp_path / f"a{suffix}"
    PIL.Image.fromarray(PHOTO).save(path, icc_profile=profile)
    assert read(path).meta["icc_profile"] == profile
    PIL.Image.fromarray(PHOTO).save(path)
    assert "icc_profile" not in read(path).meta


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("n_bytes", [len(RGB), 2_000_000, icc.MAX_BYTES])
@pytest.mark.parametrize(
    "data", [PHOTO, PHOTO >> 7, PHOTO.astype(np.uint16) * 200, np.dstack([PHOTO, PHOTO[..., 0]])], ids=str
)
def test_round_trip(tmp_path: Path, suffix: str, n_bytes: int, data: np.ndarray) -> None:
    """Pillow would refuse a PNG with a profile of more than a megabyte; klevels does not."""
    profile = long_profile(n_bytes)
    path = tmp_path / f"a{suffix}"
    meta = {"icc_profile": profile} | ({"alpha": True} if data.shape[2] == 4 else {})
    write(path, Image(data, "yxc", meta=meta))
    image = read(path)
    assert image.meta["icc_profile"] == profile
    assert np.array_equal(image.data, data)
    if n_bytes < 1 << 20 and data.dtype == np.uint8:
        assert profile_by_pillow(path) == profile
    if suffix == ".tif":
        with tifffile.TiffFile(path) as tif:
            assert tif.pages[0].iccprofile == profile


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_profile_is_embedded_where_it_belongs(tmp_path: Path, suffix: str) -> None:
    gray, gray_alpha = PHOTO[..., 0], PHOTO[..., :2] & 1
    for data, alpha, profile, is_kept in (
        (gray, False, RGB, False),
        (gray, False, GRAY, True),
        (gray_alpha, True, GRAY, True),
        (gray_alpha, True, RGB, False),
        (PHOTO, False, GRAY, False),
    ):
        path = tmp_path / f"a{suffix}"
        meta = {"icc_profile": profile, "alpha": alpha}
        write(path, Image(data, "yxc"[: data.ndim], meta=meta), overwrite=True)
        assert read(path).meta.get("icc_profile") == (profile if is_kept else None)
        assert np.array_equal(read(path).data, data)


def test_many_channels_have_no_profile(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", Image(np.zeros((4, 5, 6), np.uint8), "yxc", meta={"icc_profile": RGB}))
    assert "icc_profile" not in read(tmp_path / "a.tif").meta


def test_what_is_no_profile_is_refused(tmp_path: Path) -> None:
    for name in ("a.png", "a.tif"):
        with pytest.raises(ParameterError, match="is of type str; give the bytes"):
            write(tmp_path / name, Image(PHOTO, "yxc", meta={"icc_profile": "sRGB"}))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"name",
        b"name\0\0no deflate",
        b"name\0\1" + zlib.compress(RGB),
        b"name\0\0" + zlib.compress(RGB)[:-40],
        b"name\0\0" + zlib.compress(bytes(icc.MAX_BYTES + 1)),
        b"name\0\0" + zlib.compress(bytes(1 << 28)),
    ],
    ids=range(7),
)
def test_broken_and_huge_profiles_count_as_absent(tmp_path: Path, content: bytes) -> None:
    stream = io.BytesIO()
    PIL.Image.fromarray(PHOTO).save(stream, format="PNG")
    whole = stream.getvalue()
    chunk = len(content).to_bytes(4, "big") + b"iCCP" + content + zlib.crc32(b"iCCP" + content).to_bytes(4, "big")
    path = tmp_path / "a.png"
    path.write_bytes(whole[:33] + chunk + whole[33:])
    image = read(path)
    assert np.array_equal(image.data, PHOTO)
    assert "icc_profile" not in image.meta


def test_luminance_has_no_profile_of_colors(tmp_path: Path) -> None:
    assert "icc_profile" not in to_gray(Image(PHOTO, "yxc", meta={"icc_profile": RGB})).meta
    gray = to_gray(Image(PHOTO[..., :2], "yxc", meta={"icc_profile": GRAY, "alpha": True}))
    assert gray.meta["icc_profile"] == GRAY
    write(tmp_path / "a.png", Image(PHOTO, "yxc", meta={"icc_profile": RGB}))
    assert "icc_profile" not in read(tmp_path / "a.png", gray=True).meta


def test_slices_have_a_profile_if_they_share_it(tmp_path: Path) -> None:
    other = long_profile(9000)
    for profiles, shared in (((RGB, RGB), RGB), ((RGB, other), None), ((RGB, None), None), ((None, RGB), None)):
        for i, profile in enumerate(profiles):
            PIL.Image.fromarray(PHOTO).save(tmp_path / f"{i}.png", icc_profile=profile)
        assert read(tmp_path).meta.get("icc_profile") == shared
