"""What must hold of every page of a report, and measures to report on."""

from __future__ import annotations

import base64
import io
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
from PIL import Image as Pillow

from klevels.core.measures import Measures
from klevels.core.table import Table, length_units

VOID = {"meta", "img", "br", "hr", "link", "input"}


def measures_of(
    labels: np.ndarray, n: int, spacing: tuple[float, ...] | None = None, unit: str | None = None, **more: object
) -> Measures:
    """Return measures with the columns of a real table; what takes a kernel to measure is made up."""
    axes = "zyx"[-labels.ndim :]
    length, area, volume = length_units(spacing, unit)
    size, surface = ("volume", "surface_area") if labels.ndim == 3 else ("area", "perimeter")
    is_phase = [labels == i for i in range(n)]
    counts = np.array([one.sum() for one in is_phase])
    table = Table(
        {
            "phase": np.arange(n),
            "n_voxels": counts,
            "fraction": counts / max(1, counts.sum()),
            "fraction_of_whole": counts / labels.size,
            size: counts * np.prod(spacing or 1.0),
            "mean": np.where(counts > 0, 100.0, np.nan),
            surface: counts * 0.5,
            "n_components": np.minimum(counts, 1),
            "largest_share": np.where(counts > 0, 1.0, np.nan),
            **{f"percolates_{axis}": counts > 0 for axis in axes},
            "euler": np.ones(n, np.int64),
        },
        {size: volume if labels.ndim == 3 else area, surface: area if labels.ndim == 3 else length},
    )
    profiles = {}
    for i, axis in enumerate(axes):
        others = tuple(j for j in range(labels.ndim) if j != i)
        along = np.stack([one.sum(axis=others) for one in is_phase], axis=1)
        profiles[axis] = Table(
            {
                "position": np.repeat(np.arange(len(along)) + 1.0, n),
                "phase": np.tile(np.arange(n), len(along)),
                "n_voxels": along.ravel(),
                "fraction": (along / np.maximum(along.sum(axis=1, keepdims=True), 1)).ravel(),
            },
            {"position": length},
        )
    common: dict[str, object] = {
        "shape": labels.shape,
        "spacing": spacing,
        "unit": unit,
        "n_voxels": labels.size,
        "n_ignored": labels.size - int(counts.sum()),
    }
    return Measures(table, profiles, **{**common, **more})  # type: ignore[arg-type]


class Page(HTMLParser):
    """A page, parsed: that it is well-formed is checked on the way."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.images: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert len(found) == len(attrs)
        assert not any(name.startswith("on") for name in found)
        self.tags.append(tag)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.links += [found["href"] or ""] if "href" in found else []
        if tag == "img":
            self.images.append(found["src"] or "")
            assert found["alt"]
        else:
            assert "src" not in found
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        """What is read on it."""
        return " ".join(" ".join(self.words).split())


def check(text: str) -> Page:
    """Check that a page needs nothing else, and that all that it points to is there."""
    page = Page(text)
    assert text.startswith("<!DOCTYPE html>")
    assert len(set(page.ids)) == len(page.ids)
    assert not {"script", "link", "iframe", "object", "embed"} & set(page.tags)
    assert "url(" not in text
    assert "@import" not in text
    for link in page.links:
        assert link.startswith("https://doi.org/10.") or link.removeprefix("#") in page.ids
    for source in page.images:
        kind, _, content = source.partition(";base64,")
        data = base64.b64decode(content, validate=True)
        if kind == "data:image/png":
            with Pillow.open(io.BytesIO(data)) as image:
                assert min(image.size) > 10
                image.load()
        else:
            assert kind == "data:image/svg+xml"
            assert ElementTree.fromstring(data).tag == "{http://www.w3.org/2000/svg}svg"
    return page
