"""A browser shows the page: nothing is fetched, every picture is drawn, nothing is too wide, and it prints."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import klevels
from klevels.samples import simulate_scan

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LOOK = """
<script>
const wide = [...document.querySelectorAll('body *')].filter(one => one.getBoundingClientRect().right > innerWidth + 1)
const images = [...document.images]
const found = {
    wide: wide.map(one => one.tagName),
    width: document.documentElement.scrollWidth <= innerWidth,
    images: images.map(one => one.complete && one.naturalWidth > 0),
    broken: [...document.querySelectorAll('a[href^="#"]')].filter(one => !document.querySelector(one.hash)).length,
}
document.body.innerHTML = '<pre id="found">' + JSON.stringify(found) + '</pre>'
</script>
"""

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scan = simulate_scan((40, 60, 60), seed=3)
    path = tmp_path_factory.mktemp("page") / "report.html"
    shot = np.zeros((90, 120, 3), np.uint8)
    klevels.report(klevels.segment(scan.image, 3), title="a" * 90 + ".tif", pictures=[("Black.", shot)]).save(path)
    return path


@pytest.mark.parametrize("width", [800, 1400])
def test_all_of_it_is_drawn_within_the_window(page: Path, width: int, tmp_path: Path) -> None:
    looking = tmp_path / "looking.html"
    looking.write_text(page.read_text(encoding="utf-8").replace("</body>", LOOK + "</body>"), encoding="utf-8")
    dom = browse(looking, tmp_path, "--dump-dom", f"--window-size={width},900")
    text = re.search(r'<pre id="found">(.*?)</pre>', dom)
    assert text is not None
    found = json.loads(text[1])
    assert found["images"]
    assert all(found["images"])
    assert (found["width"], found["wide"], found["broken"]) == (True, [], 0)


def test_nothing_is_fetched(page: Path, tmp_path: Path) -> None:
    log = tmp_path / "net.json"
    browse(page, tmp_path, "--dump-dom", f"--log-net-log={log}", "--net-log-capture-mode=Everything")
    fetched = set(re.findall(r'"url":"(https?://[^"]*)"', log.read_text(encoding="utf-8")))
    of_the_page = {url for url in fetched if "google" not in url and "gvt1" not in url}  # the browser's own
    assert of_the_page == set()


def test_it_prints(page: Path, tmp_path: Path) -> None:
    target = tmp_path / "page.pdf"
    browse(page, tmp_path, f"--print-to-pdf={target}")
    printed = target.read_bytes()
    assert printed.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) > 1


def browse(path: Path, folder: Path, *options: str) -> str:
    """Open a page without a screen; return what the browser says."""
    assert BROWSER is not None
    quiet = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
    command = [BROWSER, *quiet, f"--user-data-dir={folder / 'profile'}", *options, path.as_uri()]
    return subprocess.run(command, capture_output=True, check=True, timeout=120, encoding="utf-8").stdout
