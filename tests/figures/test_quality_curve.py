"""The curve of quality against time: every contender where its numbers put it."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from figures.pages import assert_nothing_is_cut_off_or_overlaps
from klevels.errors import DataError

TOOL = Path(__file__).resolve().parents[2] / "tools" / "quality_curve.py"
CONTENDERS = {
    "klevels best": (0.9, 100.0),
    "klevels fast": (0.01, 101.0),
    "klevels default": (0.06, 100.05),
    "libimagequant": (0.3, 109.0),
    "Pillow median cut": (0.02, 130.0),
    "Pillow octree": (0.01, 210.0),
    "scikit-learn KMeans, n_init=4": (4.0, 100.2),
    "a newcomer": (1.0, 140.0),
}


@pytest.fixture(scope="module")
def tool() -> dict[str, Any]:
    if not TOOL.is_file():
        pytest.skip("the tools are not beside these tests")
    return runpy.run_path(str(TOOL))


@pytest.fixture(scope="module")
def draw(tool: dict[str, Any]) -> Callable[[dict[str, Any]], Figure]:
    return tool["quality_curve"]  # type: ignore[no-any-return]


def benchmark(contenders: dict[str, tuple[float, float]], ks: tuple[int, ...] = (256, 8)) -> dict[str, Any]:
    """What pytest-benchmark writes, as far as the curve reads it; larger k take longer and err less."""
    runs: list[dict[str, Any]] = [{"group": "volume", "extra_info": {"who": "klevels"}, "stats": {"min": 1.0}}]
    for k in ks:
        for who, (seconds, mse) in contenders.items():
            facts = {"who": who, "k": k, "mse": mse / k, "psnr": 30.0}
            runs.append({"group": f"photograph, k = {k}", "extra_info": facts, "stats": {"min": seconds * k}})
    return {"benchmarks": runs}


def test_every_contender_stands_where_its_numbers_put_it(draw: Callable[[dict[str, Any]], Figure]) -> None:
    figure = draw(benchmark(CONTENDERS))
    assert [axes.get_title() for axes in figure.axes] == ["k = 8", "k = 256"]
    for axes, k in zip(figure.axes, (8, 256), strict=True):
        (line,) = axes.lines
        np.testing.assert_allclose(line.get_xdata(), [0.01 * k, 0.06 * k, 0.9 * k])
        np.testing.assert_allclose(line.get_ydata(), [1.0, 0.05, 0.0], atol=1e-9)
        marks = {mark.get_gid(): mark.get_offsets()[0] for mark in axes.collections if mark.get_gid()}
        assert set(marks) == {name for name in CONTENDERS if not name.startswith("klevels")}
        for name, place in marks.items():
            seconds, mse = CONTENDERS[name]
            np.testing.assert_allclose(place, [seconds * k, mse - 100])
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        for seconds, mse in CONTENDERS.values():
            assert left < seconds * k < right
            assert bottom < mse - 100 < top
        assert [text.get_text() for text in axes.texts] == ["fast", "default", "best"]


def test_the_legend_names_each_once_and_no_two_look_alike(draw: Callable[[dict[str, Any]], Figure]) -> None:
    figure = draw(benchmark(CONTENDERS))
    assert_nothing_is_cut_off_or_overlaps(figure)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert sorted(names) == sorted(["klevels", *(name for name in CONTENDERS if not name.startswith("klevels"))])
    looks = [
        (tuple(mark.get_facecolor()[0]), mark.get_paths()[0].vertices.tobytes())
        for mark in figure.axes[0].collections
        if mark.get_gid()
    ]
    assert len(set(looks)) == len(looks) == len(CONTENDERS) - 3


def test_a_peer_may_win_or_be_missing(draw: Callable[[dict[str, Any]], Figure]) -> None:
    measured = benchmark({**CONTENDERS, "OpenCV kmeans": (9.0, 50.0)}, ks=(8, 256))
    del measured["benchmarks"][-1]  # at k = 256
    figure = draw(measured)
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata()[-1], 100.0)
    np.testing.assert_allclose(figure.axes[1].lines[0].get_ydata()[-1], 0.0)
    assert "OpenCV kmeans" in [text.get_text() for text in figure.legends[0].get_texts()]
    assert_nothing_is_cut_off_or_overlaps(draw(benchmark({"libimagequant": (1.0, 5.0)}, ks=(8,))))


def test_the_command_writes_the_figure(tool: dict[str, Any], tmp_path: Path) -> None:
    source, target = tmp_path / "benchmark.json", tmp_path / "quality.png"
    source.write_text(json.dumps(benchmark(CONTENDERS)), encoding="utf-8")
    tool["main"](str(source), str(target))
    assert target.read_bytes().startswith(b"\x89PNG")


def test_a_benchmark_without_photographs_is_refused(draw: Callable[[dict[str, Any]], Figure]) -> None:
    with pytest.raises(DataError, match=r"no group 'photograph, k = '; run benchmarks/test_color\.py"):
        draw(benchmark({}))
