"""Arrays that stay where they are stored until a part of them is asked for."""

from klevels.lazy.base import LazyArray
from klevels.lazy.derived import ComputedArray, CutArray, KeptArray, PickedArray, StackedArray, TransposedArray
from klevels.lazy.scaling import ScaledArray, scaled, scaled_dtype
from klevels.lazy.stored import Layout, LoadedArray, MappedArray, rows_of
from klevels.memory import Window

__all__ = [
    "ComputedArray",
    "CutArray",
    "KeptArray",
    "Layout",
    "LazyArray",
    "LoadedArray",
    "MappedArray",
    "PickedArray",
    "ScaledArray",
    "StackedArray",
    "TransposedArray",
    "Window",
    "rows_of",
    "scaled",
    "scaled_dtype",
]
