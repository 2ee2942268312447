"""Filters have names and strengths that read back, and none is applied without one."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klevels.core.denoise import METHODS, Filter
from klevels.errors import ParameterError


@given(st.sampled_from(METHODS), st.integers(1, 7), st.floats(0, 1e6))
def test_what_is_written_reads_back(method: str, strength: int, noise: float) -> None:
    chosen = Filter(method, strength, noise)
    assert Filter(**asdict(chosen)) == chosen
    assert Filter.parse(str(chosen)) == Filter(method, strength)
    assert Filter.parse(method) == Filter(method)


@pytest.mark.parametrize("method", METHODS)
def test_the_strength_comes_from_the_noise(method: str) -> None:
    asked = Filter.parse(method)
    assert not asked.is_resolved
    chosen = asked.resolved(40.0)
    assert chosen.is_resolved
    assert chosen.noise == 40.0
    assert chosen.resolved(1.0) == chosen
    if method in ("diffusion", "nlm", "bilateral", "tv"):  # in gray values: it scales with them
        assert asked.resolved(400.0).strength == pytest.approx(10 * chosen.strength)
    with pytest.raises(ParameterError, match="not known"):
        asked.apply(np.zeros((9, 9)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(24, 25), (20, 21, 22)])
def test_noise_is_less(method: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    truth = np.where(np.arange(shape[-1]) < 11, 1000.0, 3000.0) * np.ones(shape)
    image = np.rint(truth + rng.normal(0, 150, shape)).astype(np.uint16)
    chosen = Filter(method).resolved(150.0)
    clean = chosen.apply(image, spacing=(2.0, 1.0, 1.0)[-len(shape) :])
    assert clean.dtype == np.uint16
    assert clean.shape == shape
    error = np.abs(clean.astype(float) - truth)[..., :8].mean()
    assert error < 0.6 * np.abs(image.astype(float) - truth)[..., :8].mean()
    assert len(chosen.halo(len(shape), None)) == len(shape)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("smart", "use auto, or one of"),
        ("", "use auto, or one of"),
        ("nlm:", "give a positive number"),
        ("nlm:-3", "give a positive number"),
        ("nlm:0", "give a positive number"),
        ("nlm:nan", "give a positive number"),
        ("tv:much", "give a positive number"),
        ("gaussian:inf", "give a positive number"),
        ("median:1.5", "a whole number of voxels"),
    ],
)
def test_what_is_no_filter_is_refused(text: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        Filter.parse(text)


@pytest.mark.parametrize("value", [True, "3", -1.0, math.nan])
def test_a_strength_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(ParameterError, match="give a positive number"):
        Filter("tv", value)
    with pytest.raises(ParameterError, match="give a positive number"):
        Filter("tv", 1.0, value)


@pytest.mark.parametrize("method", ["diffusion", "nlm", "bilateral", "tv"])
def test_without_noise_a_strength_must_be_given(method: str) -> None:
    with pytest.raises(ParameterError, match="no noise is found"):
        Filter(method).resolved(0.0)
    assert Filter(method, 3.0).resolved(0.0).strength == 3.0
