"""Fixtures that several rooms share."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real scans and photographs beside the checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the folder of real scans is not beside this checkout")
    return SHARED_DATA
