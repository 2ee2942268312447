"""What must hold on every page, whatever is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def rendered(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def labels_in_view(axis: Any) -> list[Any]:
    low, high = sorted(axis.get_view_interval())
    ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    return [axis.label, axis.offsetText, *(tick.label1 for tick in ticks if tick.label1.get_visible())]


def assert_nothing_is_cut_off_or_overlaps(figure: Figure) -> None:
    """Every text lies on the page, and none on another."""
    rendered(figure)
    page = figure.bbox
    texts = list(figure.texts)
    for axes in figure.axes:
        texts += [*axes.texts, axes.title, axes._left_title]  # type: ignore[attr-defined]
        legend = axes.get_legend()
        texts += legend.get_texts() if legend else []
        if axes.axison:
            texts += [*labels_in_view(axes.xaxis), *labels_in_view(axes.yaxis)]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_text()]
    for name, box in boxes:
        assert box.x0 > page.x0 - 1 and box.x1 < page.x1 + 1, f"{name!r} is cut off"  # noqa: PT018
        assert box.y0 > page.y0 - 1 and box.y1 < page.y1 + 1, f"{name!r} is cut off"  # noqa: PT018
    for i, (name, box) in enumerate(boxes):
        for other, other_box in boxes[i + 1 :]:
            width = min(box.x1, other_box.x1) - max(box.x0, other_box.x0)
            height = min(box.y1, other_box.y1) - max(box.y0, other_box.y0)
            assert width < 1 or height < 2, f"{name!r} overlaps {other!r}"
