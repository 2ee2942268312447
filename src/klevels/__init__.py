"""Exact k-means segmentation of images and volumes: the histogram is the data.

Importing klevels loads NumPy and the compiled kernels; files, figures, samples and estimators are loaded when they are
first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from klevels.core.colors import ColorTable, count_colors
from klevels.core.fit import fit_levels, fit_path
from klevels.core.histogram import Histogram
from klevels.core.levels import Levels
from klevels.core.noise import split_noise
from klevels.core.palette import Palette
from klevels.core.quantize import fit_palette
from klevels.core.selection import KSweep, choose_k
from klevels.errors import (
    DataError,
    DataTypeError,
    DiskError,
    InputMissingError,
    KlevelsError,
    MissingDependencyError,
    NoValleyError,
    OutputExistsError,
    ParameterError,
    ReadError,
    SchedulerError,
    TooFewLevelsError,
    WriteError,
)
from klevels.image import Image
from klevels.version import __version__ as __version__

if TYPE_CHECKING:
    from klevels import figures, samples
    from klevels.assessing import Confidence, confidence
    from klevels.batching import Batch, batch
    from klevels.comparing import compare
    from klevels.copying import write
    from klevels.core.agreement import Agreement
    from klevels.core.calibration import Calibration
    from klevels.core.denoise import Filter
    from klevels.core.measures import Measures
    from klevels.core.mesh import Mesh
    from klevels.core.table import Table
    from klevels.core.thickness import local_thickness
    from klevels.counting import histogram
    from klevels.denoising import denoise, estimate_noise
    from klevels.estimators import KMeans, threshold_kmeans
    from klevels.io import read
    from klevels.measuring import measure
    from klevels.meshing import mesh
    from klevels.pipeline import posterize, segment
    from klevels.poster import Poster, PosterRecipe
    from klevels.recipe import Recipe, Segmentation
    from klevels.rendering import render
    from klevels.reporting import Report, report
    from klevels.studying import Study, study

__all__ = [
    "Agreement",
    "Batch",
    "Calibration",
    "ColorTable",
    "Confidence",
    "DataError",
    "DataTypeError",
    "DiskError",
    "Filter",
    "Histogram",
    "Image",
    "InputMissingError",
    "KMeans",
    "KSweep",
    "KlevelsError",
    "Levels",
    "Measures",
    "Mesh",
    "MissingDependencyError",
    "NoValleyError",
    "OutputExistsError",
    "Palette",
    "ParameterError",
    "Poster",
    "PosterRecipe",
    "ReadError",
    "Recipe",
    "Report",
    "SchedulerError",
    "Segmentation",
    "Study",
    "Table",
    "TooFewLevelsError",
    "WriteError",
    "batch",
    "choose_k",
    "compare",
    "confidence",
    "count_colors",
    "denoise",
    "estimate_noise",
    "figures",
    "fit_levels",
    "fit_palette",
    "fit_path",
    "histogram",
    "local_thickness",
    "measure",
    "mesh",
    "posterize",
    "read",
    "render",
    "report",
    "samples",
    "segment",
    "split_noise",
    "study",
    "threshold_kmeans",
    "write",
]


_HOMES = {
    "Agreement": "core.agreement",
    "Batch": "batching",
    "Calibration": "core.calibration",
    "Confidence": "assessing",
    "Filter": "core.denoise",
    "KMeans": "estimators",
    "Measures": "core.measures",
    "Mesh": "core.mesh",
    "Poster": "poster",
    "PosterRecipe": "poster",
    "Recipe": "recipe",
    "Report": "reporting",
    "Segmentation": "recipe",
    "Study": "studying",
    "Table": "core.table",
    "batch": "batching",
    "compare": "comparing",
    "confidence": "assessing",
    "denoise": "denoising",
    "estimate_noise": "denoising",
    "histogram": "counting",
    "local_thickness": "core.thickness",
    "measure": "measuring",
    "mesh": "meshing",
    "posterize": "pipeline",
    "read": "io",
    "render": "rendering",
    "report": "reporting",
    "segment": "pipeline",
    "study": "studying",
    "threshold_kmeans": "estimators",
    "write": "copying",
}
"""Where names live that are loaded when they are first used."""


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        found = getattr(importlib.import_module(f"klevels.{_HOMES[name]}"), name)
        globals()[name] = found
        return found
    if name in ("figures", "samples"):
        return importlib.import_module(f"klevels.{name}")
    raise AttributeError(f"module 'klevels' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
