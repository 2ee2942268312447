"""A recipe says all that was asked, survives JSON, and refuses what it does not know."""

from __future__ import annotations

import json

import numpy as np
import pytest

from klevels.core.fit import fit_levels
from klevels.core.histogram import Histogram
from klevels.errors import ParameterError
from klevels.pipeline import segment
from klevels.recipe import Recipe
from reference import assert_same_levels


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(k=3),
        Recipe(k=np.int16(3), noise=np.float32(2.5), nan="ignore"),  # type: ignore[arg-type]
        Recipe(k=65535, noise="minimum-error", gray=True, mask="inside.tif"),
        Recipe(k=1, noise=0),
        Recipe(k=1, noise=-1e300),
    ],
    ids=str,
)
def test_json_round_trip(recipe: Recipe) -> None:
    stored = json.loads(json.dumps(recipe.to_dict()))
    assert Recipe.from_dict(stored) == recipe
    assert Recipe.from_dict({"k": 2}) == Recipe(k=2)


def test_a_model_in_a_recipe_survives_json() -> None:
    model = fit_levels(Histogram.of([0.1, 0.2, 0.7]), 2)
    back = Recipe.from_dict(json.loads(json.dumps(Recipe(k=2, model=model).to_dict())))
    assert back.model is not None
    assert_same_levels(back.model, model)


@pytest.mark.parametrize("k", [0, 65536, 2.0, "3", None, True])
def test_bad_k(k: object) -> None:
    with pytest.raises(ParameterError, match=r"k is .*; give an integer from 1 to 65535"):
        Recipe(k=k)  # type: ignore[arg-type]


@pytest.mark.parametrize("noise", ["otsu", np.nan, np.inf, True, [1], 1j])
def test_bad_noise(noise: object) -> None:
    with pytest.raises(ParameterError, match=r"noise is .*; use valley, kmeans, minimum-error"):
        Recipe(k=2, noise=noise)  # type: ignore[arg-type]


def test_bad_nan() -> None:
    with pytest.raises(ParameterError, match="nan is 'zero'; use 'error' or 'ignore'"):
        Recipe(k=2, nan="zero")  # type: ignore[arg-type]


@pytest.mark.parametrize("stored", [{}, {"noise": None}, [], None, 3, "k"])
def test_what_is_not_a_recipe(stored: object) -> None:
    with pytest.raises(ParameterError, match="not a klevels recipe: it has no k"):
        Recipe.from_dict(stored)  # type: ignore[arg-type]


def test_fields_of_a_later_version_are_named() -> None:
    with pytest.raises(ParameterError, match=r"the recipe has mesh, report, unknown to this version .*; update"):
        Recipe.from_dict({"k": 2, "report": 1, "mesh": "stl"})


def test_a_recipe_done_again_gives_the_same_bits() -> None:
    image = np.random.default_rng(1).normal(100, 40, (64, 64)).astype(np.float32)
    image[0, :5] = np.nan
    first = segment(image, 3, noise="kmeans", nan="ignore")
    again = segment(image, recipe=Recipe.from_dict(json.loads(json.dumps(first.recipe.to_dict()))))
    np.testing.assert_array_equal(again.labels.data, first.labels.data)
    assert again.summary() == first.summary()
