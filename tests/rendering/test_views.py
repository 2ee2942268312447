"""Pictures show the phases that were asked for, where they are, in their colors, and as long as the bar says."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import dask.array as dask
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import klevels
from klevels.core.phase_colors import phase_colors
from klevels.errors import DataError, DataTypeError, MissingDependencyError, ParameterError
from klevels.image import Image
from klevels.lazy import LazyArray
from klevels.rendering import each, notes, render, turntable
from klevels.rendering import scene as scenes
from klevels.rendering.notes import round_length
from klevels.rendering.picking import pick, thinned
from klevels.rendering.planes import OTHERS

SIZE = (400, 320)
LABELS = np.zeros((20, 30, 40), np.uint8)
LABELS[4:16, 8:22, 4:12] = 1
LABELS[4:16, 8:22, 28:36] = 2
COLORS = phase_colors(3, noise=False).astype(int)
FRONT = (0.0, 0.0)


def _places(picture: NDArray[np.uint8], color: NDArray[Any]) -> NDArray[np.intp]:
    """Return where a picture has the hue of a color, but for the legend: shades of it, on white."""
    seen = picture.astype(float)
    seen[:60, :100] = 255
    direction = color / np.linalg.norm(color)
    along = seen @ direction
    apart = np.linalg.norm(seen - along[..., None] * direction, axis=2)
    return np.argwhere((apart < 0.08 * along) & (along > 60))


def _bar(picture: NDArray[np.uint8]) -> int:
    """Return how many pixels long the scale bar is."""
    return int((picture[-SIZE[1] // 45 - 4 :] < 60).all(axis=2).sum(axis=1).max())


@pytest.mark.parametrize("opacity", [1.0, [1.0, 1.0]])
def test_phases_are_where_they_are(opacity: Any) -> None:
    picture = render(LABELS, size=SIZE, turn=FRONT, opacity=opacity)
    assert picture.shape == (320, 400, 3)
    assert picture.dtype == np.uint8
    one, two = (_places(picture, COLORS[phase])[:, 1].mean() for phase in (1, 2))
    assert one < 200 < two  # x points to the right


def test_phases_are_drawn_without_the_others() -> None:
    alone = render(LABELS, phases=[2], size=SIZE)
    assert len(_places(alone, COLORS[2])) > 500
    assert len(_places(alone, COLORS[1])) == 0
    pictures = dict(each(LABELS, size=SIZE))
    assert sorted(pictures) == [1, 2]
    np.testing.assert_array_equal(pictures[2], alone)


def test_z_points_up() -> None:
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[14:18, 4:16, 4:16] = 1
    picture = render(labels, phases=[1], size=SIZE, turn=FRONT)
    assert _places(picture, phase_colors(2, noise=False)[1])[:, 0].mean() < 150


def test_opacity_lets_others_shine_through() -> None:
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[3:17, 3:17, 3:17] = 1
    labels[7:13, 7:13, 7:13] = 2
    closed, open_ = (render(labels, size=SIZE, opacity=[one, 1], turn=FRONT)[160, 200].astype(int) for one in (1, 0.2))
    assert np.abs(closed - open_).max() > 30


@pytest.mark.parametrize("spacing", [None, (0.5, 0.25, 0.25), (3.0, 1.0, 0.7)])
def test_the_bar_is_as_long_as_it_says(spacing: Any) -> None:
    image = Image(LABELS, "zyx", spacing, None if spacing is None else "mm")
    step = 1.0 if spacing is None else spacing[2]
    picture = render(image, phases=[1], size=SIZE, turn=FRONT)
    columns = _places(picture, COLORS[1])[:, 1]
    pixels_per_unit = (columns.max() - columns.min() + 1) / (8 * step)
    length = round_length(0.25 * SIZE[0] / pixels_per_unit)
    assert _bar(picture) == pytest.approx(length * pixels_per_unit, rel=0.06)


@given(st.floats(1e-12, 1e12))
def test_lengths_are_round(most: float) -> None:
    length = round_length(most)
    assert most / 2.5 <= length * (1 + 1e-12)
    assert length <= most
    assert f"{length:e}"[0] in "125"


@pytest.mark.parametrize("letter", "µ×²…")
def test_the_font_has_the_signs_of_units(letter: str) -> None:
    font = notes._font(20)
    drawn, missing = (bytes(font.getmask(one)) for one in (letter, "\uffff"))
    assert drawn != missing


def test_large_volumes_are_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = render(LABELS, size=SIZE, turn=FRONT)
    monkeypatch.setattr("klevels.rendering.subjects.LONGEST_SIDE", 15)
    thin = render(LABELS, size=SIZE, turn=FRONT)
    one, other = (_places(picture, COLORS[2]).mean(axis=0) for picture in (whole, thin))
    np.testing.assert_allclose(one, other, atol=8)
    corner = (slice(-20, None), slice(-150, None))
    assert (whole[corner] == 255).all()
    assert (thin[corner] < 100).any()  # it says so
    with pytest.raises(DataError, match=r"1 of 2 × 2 × 3 voxels"):
        render(LABELS, phases=[7], size=SIZE)


def test_voxels_that_were_left_out_are_not_drawn() -> None:
    marked = LABELS.copy()
    marked[:2] = 255
    of_klevels = Image(marked, "zyx", meta={"label_colors": ()})
    np.testing.assert_array_equal(render(of_klevels, size=SIZE), render(LABELS, size=SIZE))
    with pytest.raises(DataError, match="was left out"):
        render(Image(np.full((4, 4, 4), 255, np.uint8), "zyx", meta={"label_colors": ()}))


def test_255_is_a_phase_of_foreign_labels() -> None:
    mask = np.where(LABELS == 1, 255, 0).astype(np.uint8)
    assert [phase for phase, _ in each(mask, size=SIZE)] == [255]


def test_a_segmentation_tells_its_colors() -> None:
    found = klevels.segment(LABELS * 50.0, k=2, noise=20.0)
    blue = np.array(phase_colors(3, noise=True)[0]).astype(int)
    assert len(_places(render(found, phases=[0], size=SIZE), blue)) > 500


class Counted(LazyArray):
    """Labels that tell what is read of them."""

    def __init__(self, chunks: tuple[int, ...]) -> None:
        super().__init__(LABELS.shape, LABELS.dtype, chunks)
        self.windows: list[Any] = []

    def read(self, window: Any) -> NDArray[Any]:
        self.windows.append(window)
        return LABELS[window]


@pytest.mark.parametrize("chunks", [(1, 30, 40), (3, 7, 9), (20, 30, 40)])
def test_of_stored_labels_only_what_is_drawn_is_read(chunks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("klevels.rendering.subjects.LONGEST_SIDE", 5)
    labels = Counted(chunks)
    picture = render(Image(labels, "zyx"), size=SIZE)
    np.testing.assert_array_equal(picture, render(LABELS, size=SIZE))
    n_read = sum(math.prod(one.stop - one.start for one in window) for window in labels.windows)
    assert n_read <= LABELS.size
    if chunks[0] == 1:
        assert n_read <= 5 * LABELS[0].size  # 5 of 20 planes
    labels.windows.clear()
    sliced = render(Image(labels, "zyx"), slices=[("z", 10)], size=SIZE)
    np.testing.assert_array_equal(sliced, render(LABELS, slices=[("z", 10)], size=SIZE))
    assert all((window[0].start, window[0].stop) == (10, 11) for window in labels.windows)


@settings(deadline=None, max_examples=50)  # threads begin now and then
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 20), st.integers(1, 20), st.booleans())
def test_what_is_picked_is_what_is_there(n: int, m: int, long: int, wide: int, is_dask: bool) -> None:
    values = np.arange(n * m).reshape(n, m)
    places = [thinned(n, 7), np.sort(np.arange(m) * 3 % m)]  # some may come twice
    stored: Any = _Pieces(values, (long, wide))
    if is_dask:
        stored = dask.from_array(values, chunks=(long, wide))
    np.testing.assert_array_equal(pick(stored, places), values[np.ix_(*places)])


class _Pieces(LazyArray):
    def __init__(self, values: NDArray[Any], chunks: tuple[int, ...]) -> None:
        super().__init__(values.shape, values.dtype, chunks)
        self._values = values

    def read(self, window: Any) -> NDArray[Any]:
        assert all(one.stop - one.start <= piece for one, piece in zip(window, self.chunks, strict=True))
        return self._values[window]


def test_slices_have_other_phases_in_gray() -> None:
    labels = LABELS[10]
    picture = render(Image(labels, "yx", (0.5, 0.25), "mm"), phases=[2], size=SIZE)
    assert (picture == COLORS[2]).all(axis=2).sum() > 500
    assert not (picture == COLORS[1]).all(axis=2).any()
    assert (picture == OTHERS).all(axis=2).sum() > 10_000
    assert [phase for phase, _ in each(labels, size=SIZE)] == [1, 2]


def test_slices_of_a_volume_are_all_at_one_scale() -> None:
    image = Image(LABELS, "zyx", (2.0, 1.0, 1.0), "mm")
    picture = render(image, slices="middle", size=SIZE)
    shown = {phase: (picture == COLORS[phase]).all(axis=2).sum() for phase in (1, 2)}
    z, y, x = (LABELS[10], LABELS[:, 15], LABELS[:, :, 20])
    area = {phase: (z == phase).sum() + 2 * (y == phase).sum() + 2 * (x == phase).sum() for phase in (1, 2)}
    gray = (picture == OTHERS).all(axis=2).sum()
    whole = z.size + 2 * y.size + 2 * x.size
    pixels = (gray + sum(shown.values())) / whole
    for phase in (1, 2):
        assert shown[phase] == pytest.approx(pixels * area[phase], rel=0.1)


def test_slices_lie_where_they_were_asked_for() -> None:
    labels = np.repeat(np.arange(1, 5), 25).reshape(4, 5, 5).astype(np.uint8)
    colors = phase_colors(4, noise=False)
    for place in range(4):
        picture = render(labels, slices=[("z", place)], size=SIZE)
        shown = [(picture[70:250, 110:] == color).all(axis=2).any() for color in colors]
        assert shown == [one == place for one in range(4)]
    assert [phase for phase, _ in each(labels, slices=[("z", 0), ("z", 3)], size=SIZE)] == [1, 2, 3, 4]


def test_gray_values_lie_around_the_phases_and_below_them() -> None:
    gray = np.broadcast_to(np.linspace(-1, 1, 40).astype(np.float32), LABELS.shape)
    one, half = (
        render(LABELS, phases=[1], slices=[("z", 10)], gray=gray, size=SIZE, opacity=opacity).astype(int)
        for opacity in (1.0, 0.5)
    )
    assert (one == COLORS[1]).all(axis=2).sum() > 500
    is_shade = (one[..., 0] == one[..., 1]) & (one[..., 1] == one[..., 2])
    assert len(np.unique(one[is_shade])) > 30
    changed = (one == COLORS[1]).all(axis=2)
    assert (half[~changed] == one[~changed]).all()
    assert not (half == COLORS[1]).all(axis=2)[70:250, 110:].any()


def test_left_out_voxels_are_white_in_slices() -> None:
    labels = np.full((20, 20), 255, np.uint8)
    labels[:5] = 1
    picture = render(Image(labels, "yx", meta={"label_colors": ()}), size=SIZE)
    assert (picture == OTHERS).all(axis=2).sum() < 100  # but for the edges of letters
    assert (picture[150:250, 150:350] == 255).all()


def test_a_turntable_turns_once_at_one_scale() -> None:
    frames = list(turntable(LABELS, size=SIZE, n_frames=4))
    assert len(frames) == 4
    assert len({_bar(frame) for frame in frames}) == 1
    left = [_places(frame, COLORS[1])[:, 1].mean() for frame in frames]
    assert left[0] < 200 < left[2]


@pytest.mark.parametrize(
    ("labels", "options", "error", "says"),
    [
        (np.random.default_rng(0).random((8, 8, 8)), {}, DataTypeError, "segment the image first"),
        (np.arange(1000).reshape(10, 10, 10), {}, DataError, "999 phases to draw, as in a gray image; segment it"),
        (np.arange(2197).reshape(13, 13, 13), {}, DataError, r"2,197 different values.*segment the image first"),
        (np.arange(1000).reshape(10, 10, 10), {"phases": range(65)}, DataError, "at most 64"),
        (LABELS.astype(float), {}, DataTypeError, "float64, like gray values; segment the image first"),
        (LABELS.astype(int) - 1, {}, DataError, "a label is -1, which is negative"),
        (LABELS.astype(complex), {}, DataTypeError, "like gray values"),
        (Image(np.zeros((9, 9, 3), np.uint8), "yxc"), {}, DataError, "3 channels"),
        (LABELS, {"phases": []}, ParameterError, "give at least one"),
        (LABELS, {"slices": "front"}, ParameterError, "slices are 'front'; give middle"),
        (LABELS, {"slices": [("z", 20)]}, ParameterError, "no slice z=20; give z=0 to z=19"),
        (LABELS, {"slices": [("t", 0)]}, ParameterError, "use z, y or x"),
        (LABELS, {"slices": []}, ParameterError, "0 slices"),
        (LABELS, {"slices": [("x", 1)] * 60, "size": (64, 64)}, ParameterError, "too small for 60 slices"),
        (LABELS[0] + 1, {"slices": [("z", 0)]}, ParameterError, "one slice already"),
        (LABELS, {"gray": LABELS}, ParameterError, "in slices only"),
        (LABELS, {"gray": LABELS[1:], "slices": "middle"}, DataError, "shape"),
        (LABELS, {"phases": [7]}, DataError, "no voxel is of phase 7; there are 0, 1, 2"),
        (LABELS, {"opacity": 2}, ParameterError, "opacity is 2; give one number from 0 to 1"),
        (LABELS, {"opacity": [1, 1, 1]}, ParameterError, "one for each of"),
        (LABELS, {"opacity": "a"}, ParameterError, "opacity is 'a'"),
        (LABELS, {"phases": [1.5]}, ParameterError, "give whole numbers"),
        (LABELS, {"phases": 7}, DataError, "no voxel is of phase 7"),
        (LABELS, {"slices": 3}, ParameterError, "slices are 3; give"),
        (LABELS, {"slices": [("z", 1.7)]}, ParameterError, "give .middle., or pairs"),
        (LABELS, {"size": (0, 100)}, ParameterError, "size is"),
        (LABELS, {"size": (100.5, 80)}, ParameterError, "size is"),
        (np.zeros((0, 4, 4), int), {}, DataError, "no voxels"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    labels: NDArray[Any], options: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        render(labels, **options)


def test_slices_do_not_turn() -> None:
    with pytest.raises(DataError, match="only a volume"):
        next(turntable(LABELS[0] + 1))
    with pytest.raises(ParameterError, match="n_frames is 0"):
        next(turntable(LABELS, n_frames=0))


def test_without_a_library_that_draws_it_says_which_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes.sys, "platform", "linux")
    monkeypatch.setattr(scenes, "_library", lambda _: None)
    with pytest.raises(MissingDependencyError, match="apt-get install libegl1 libgl1-mesa-dri, or libosmesa6"):
        render(LABELS, size=SIZE)


def test_egl_that_has_nothing_to_draw_with_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    class Empty:
        class eglGetProcAddress:
            def __new__(cls, _: bytes) -> Any:
                return None

    monkeypatch.setattr(scenes.sys, "platform", "linux")
    monkeypatch.setattr(scenes, "_library", lambda name: Empty() if "EGL" in name else None)
    with pytest.raises(MissingDependencyError):
        render(LABELS, size=SIZE)


def test_without_vtk_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vtkmodules.vtkRenderingOpenGL2", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "klevels\[render\]"'):
        render(LABELS, size=SIZE)


def test_nothing_is_said_without_a_screen() -> None:
    script = (
        "import numpy as np; from klevels.rendering import render; "
        "a = np.zeros((9, 9, 9), int); a[2:6] = 1; print(render(a, size=(99, 80)).min() < 99)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PATH": ""})
    assert (done.stdout.strip(), done.stderr) == ("True", "")
