"""What must hold of every page of a report."""

from __future__ import annotations

import base64
import io
from html.parser import HTMLParser
from xml.etree import ElementTree

from PIL import Image as Pillow

VOID = {"meta", "img", "br", "hr", "link", "input"}


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
