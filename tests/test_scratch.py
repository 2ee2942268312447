"""A denoised volume is kept where that is cheaper, there is room for it, or it is there already."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from klevels.core.denoise import Filter
from klevels.image import Image
from klevels.recipe import Recipe
from klevels.scratch import FILE, RATES, is_cheaper, seconds_of

IMAGE = Image(np.broadcast_to(np.zeros((), np.uint16), (100, 200, 300)), "zyx")
SLOW, QUICK = Filter("nlm", 5.0, 5.0), Filter("median", 1.0)


def test_what_takes_long_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_cheaper(IMAGE, Recipe(k=3, denoise=SLOW), tmp_path)
    assert not is_cheaper(IMAGE, Recipe(k=3), tmp_path)
    monkeypatch.setitem(RATES, "median", 1e9)
    assert not is_cheaper(IMAGE, Recipe(k=3, denoise=QUICK), tmp_path)
    assert seconds_of(IMAGE, SLOW) > seconds_of(IMAGE, QUICK) > seconds_of(IMAGE, None) == 0


def test_a_full_disk_keeps_nothing_but_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=IMAGE.data.size * 2)
    monkeypatch.setattr("klevels.scratch.shutil.disk_usage", lambda _: usage)
    recipe = Recipe(k=3, denoise=SLOW)
    assert not is_cheaper(IMAGE, recipe, tmp_path / "a.partial")
    (tmp_path / FILE).touch()
    assert is_cheaper(IMAGE, recipe, tmp_path)
