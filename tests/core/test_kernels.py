"""Every instruction set gives the same bits."""

from __future__ import annotations

import pytest

from instruction_sets import digest_on

SCRIPT = """
import hashlib, sys
import numpy as np
from klevels.core import _kernels
from klevels.core.count import histogram
from klevels.core.fit import fit_path
from klevels.core.histogram import Histogram
from klevels.core.levels import Levels
from klevels.core.line import line_of

rng = np.random.default_rng(1)
digest = hashlib.sha256()
lines = [
    Histogram.of(np.arange(3000), rng.integers(1, 10, 3000)),
    Histogram.of(np.arange(2000), np.full(2000, 7)),
    Histogram.of(rng.integers(0, 2**32, 3000), rng.integers(1, 2**50, 3000)),
    Histogram.of(rng.standard_cauchy(3000)),
    Histogram.of(rng.standard_normal(3000) * 1e-310),
    Histogram.of(np.append(rng.standard_normal(1000), 1e12)),
    histogram(rng.standard_normal(100_000)),
]
for h in lines:
    digest.update(_kernels.optimal_cuts(*line_of(h), 9, 2).tobytes())
    digest.update(repr([levels.to_dict() for levels in fit_path(h, 9)]).encode())
for dtype in ("u1", "i1", "u2", "i2", "u4", "i4", "i8", "f4", "f8"):
    image = rng.integers(-500, 500, 10_007).astype(np.int64).astype(dtype)
    for thresholds in ([3.0], [-100.5, 0, 100], np.linspace(-400, 400, 24), np.linspace(-400, 400, 40)):
        n = len(thresholds) + 1
        levels = Levels(np.arange(n), thresholds, np.ones(n, int), inertia=0.0, total_inertia=0.0)
        for n_voxels in (10_007, 1, 31, 64, 257):
            digest.update(levels.classify(image[:n_voxels]).tobytes())
print(_kernels.instruction_set(), digest.hexdigest())
"""


@pytest.fixture(scope="module")
def baseline() -> str:
    name, digest = digest_on(SCRIPT, "baseline")
    assert name == "baseline"
    return digest


@pytest.mark.parametrize("wish", ["avx2", "avx512", None])
def test_instruction_sets_agree(wish: str | None, baseline: str) -> None:
    name, digest = digest_on(SCRIPT, wish)
    assert digest == baseline
    if wish is not None and name != wish:
        pytest.skip(f"this processor has no {wish}; it ran {name}")
