"""Phase colors: in order, and told apart by every kind of color vision."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from klevels.core.phase_colors import NOISE, phase_colors
from klevels.figures.colors import IGNORED, hex_color

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def seen(colors: np.ndarray, vision: str) -> np.ndarray:
    """CIELAB colors as seen with a kind of color vision."""
    share = np.atleast_2d(colors) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    changed = np.clip(linear @ np.transpose(VISION[vision]), 0, 1)
    return np.asarray(rgb2lab(np.where(changed <= 0.0031308, changed * 12.92, 1.055 * changed ** (1 / 2.4) - 0.055)))


@pytest.mark.parametrize("vision", VISION)
def test_noise_and_ignored_are_far_from_every_phase(vision: str) -> None:
    phases = seen(phase_colors(200, noise=False), vision)
    assert deltaE_ciede2000(phases, seen(np.array(NOISE), vision)).min() > 40
    assert deltaE_ciede2000(phases, seen(np.array(IGNORED), vision)).min() > 14
    assert deltaE_ciede2000(seen(np.array(NOISE), vision), seen(np.array(IGNORED), vision)).min() > 25


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize(("k", "distance"), [(2, 60), (3, 22), (5, 11), (8, 6)])
def test_neighbors_are_told_apart(vision: str, k: int, distance: float) -> None:
    phases = seen(phase_colors(k, noise=False), vision)
    assert deltaE_ciede2000(phases[:-1], phases[1:]).min() > distance


@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3, 8, 64, 256])
def test_phases_brighten_like_gray_values(n_classes: int, noise: bool) -> None:
    colors = phase_colors(n_classes, noise=noise)
    assert colors.shape == (n_classes, 3)
    assert colors.dtype == np.uint8
    lightness = seen(colors[noise:], "normal")[:, 0]
    assert np.all(np.diff(lightness) >= 0)


def test_noise_alone_and_a_single_phase_have_a_color() -> None:
    assert phase_colors(1, noise=False).shape == (1, 3)
    np.testing.assert_array_equal(phase_colors(1, noise=True), [NOISE])


def test_hex_color() -> None:
    assert hex_color((0, 128, 255)) == "#0080ff"
