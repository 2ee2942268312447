"""Volumes of any size from one slab: sparse raw files, Zarr of linked chunks, TIFF; and what their labels must be."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import klevels
from benchmarks.conftest import simulated_scan
from klevels.lazy import LazyArray, Window

K = 3


@dataclass(frozen=True)
class Volume:
    """A slab, repeated along the first axis; zeros in all of its places but every `step`-th."""

    slab: NDArray[np.uint16]
    n_slabs: int
    step: int = 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the whole."""
        n_z, n_y, n_x = self.slab.shape
        return n_z * self.n_slabs, n_y, n_x

    @property
    def nbytes(self) -> int:
        """Of the whole, in memory."""
        return self.slab.nbytes * self.n_slabs

    def histogram(self) -> klevels.Histogram:
        """Return the histogram of the whole, from NumPy's of the slab."""
        n_full = len(range(0, self.n_slabs, self.step))
        counts = np.bincount(self.slab.ravel(), minlength=65536).astype(np.int64) * n_full
        counts[0] += self.slab.size * (self.n_slabs - n_full)
        levels = np.flatnonzero(counts)
        return klevels.Histogram.of(levels.astype(np.uint16), counts[levels])

    def check(self, labels: Path, record: dict[str, Any]) -> None:
        """Assert the model, its counts, and every label of the first and of the last slabs."""
        expected = klevels.fit_levels(self.histogram(), K)
        assert record["model"]["thresholds"] == expected.thresholds.tolist()
        assert record["model"]["counts"] == expected.counts.tolist()
        found = klevels.read(labels).data
        assert found.shape == self.shape
        n = len(self.slab)
        for at in {0, 1 % self.n_slabs, (self.n_slabs - 1) // self.step * self.step, self.n_slabs - 1}:
            voxels = self.slab if at % self.step == 0 else np.zeros_like(self.slab)
            np.testing.assert_array_equal(found[at * n : (at + 1) * n], expected.classify(voxels))

    def write_raw(self, path: Path) -> None:
        """Write the slabs, and holes between them."""
        with path.open("wb") as stream:
            for at in range(0, self.n_slabs, self.step):
                stream.seek(at * self.slab.nbytes)
                self.slab.tofile(stream)
            stream.truncate(self.nbytes)

    def write_zarr(self, path: Path) -> None:
        """Write the chunks of the first slab, and link the others to them."""
        import zarr
        from zarr.codecs import ZstdCodec

        n_z, n_y, n_x = self.slab.shape
        chunks = (n_z, min(n_y, 128), min(n_x, 128))
        array = zarr.create_array(path, shape=self.shape, chunks=chunks, dtype="uint16", compressors=ZstdCodec(level=3))
        array[:n_z] = self.slab
        first = path / "c" / "0"
        for at in range(1, self.n_slabs):
            for file in (one for one in first.rglob("*") if one.is_file()):
                link = path / "c" / str(at) / file.relative_to(first)
                link.parent.mkdir(parents=True, exist_ok=True)
                os.link(file, link)

    def write_tiff(self, path: Path) -> None:
        """Write pages in strips, by deflate."""
        import tifffile

        pages = (page for _ in range(self.n_slabs) for page in self.slab)
        tifffile.imwrite(
            path, pages, shape=self.shape, dtype="uint16", compression="deflate", rowsperstrip=64, bigtiff=True
        )


class Generated(LazyArray):
    """Values that are computed where they are read: of nothing but their place."""

    def read(self, window: Window) -> NDArray[Any]:
        out = np.empty([one.stop - one.start for one in window], self.dtype)
        out[...] = sum(np.ogrid[window]) % 251
        return out


def slab_of(small: bool) -> NDArray[np.uint16]:
    """Return 64 slices of 1024²; a handful of small ones where the data is small."""
    return simulated_scan((8, 64, 64) if small else (64, 1024, 1024))


def n_slabs_of(gigabytes: float, slab: NDArray[np.uint16], small: bool) -> int:
    """Return how many slabs make so many GB (2³⁰ bytes); a few where the data is small."""
    return math.ceil(gigabytes) + 3 if small else round(gigabytes * 2**30 / slab.nbytes)
