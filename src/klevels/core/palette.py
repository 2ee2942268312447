"""Palette: a few colors for all; each pixel gets the nearest."""

from __future__ import annotations

import math
import operator
import os
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from klevels.core import _kernels
from klevels.core.brightness import dark_to_bright
from klevels.core.clusters import inertia_about_mean
from klevels.core.colors import ColorTable
from klevels.core.labels import paint_labels, rounded
from klevels.core.model_files import as_json, read_json, write_text
from klevels.core.nearest import label_pixels
from klevels.core.palette_files import COLOR_SUFFIXES, MAX_COLORS, format_colors, read_colors
from klevels.core.rows import as_rows
from klevels.core.spaces import SPACES, Space, from_space, to_space
from klevels.core.voxels import count_threads
from klevels.errors import DataError, ParameterError

PALETTE_SUFFIXES = (".json", *COLOR_SUFFIXES)


@dataclass(frozen=True, eq=False)
class Palette:
    """A few colors, dark to bright, and how much of the data each holds.

    Made by `fit_palette`, `Palette.of` or `Palette.load`.

    Parameters
    ----------
    centers : ndarray of float64, shape (k, n_channels)
        Where each color lies in its space: where it was fitted, the mean of the pixels that are nearest to it.
    counts : ndarray of int64, shape (k,)
        How many pixels each color held when it was fitted; 0 in a palette that was given.
    inertia : float
        Sum of squared distances between the pixels and their colors, in the squared units of the space.
    total_inertia : float
        The same for a single color, the mean.
    space : {"rgb", "linear", "lab", "oklab"}
        Where distances are measured; see `klevels.core.spaces.to_space`. "rgb" takes any number of channels.
    white : float
        The greatest value of a channel: 255, 65535, or 1.0 for floats.
    scale : tuple of float, optional
        In the space "rgb", what each channel was divided by before distances were measured.

    Examples
    --------
    >>> palette = Palette.of([[255, 255, 255], [200, 0, 0]])
    >>> palette.hex
    ('#c80000', '#ffffff')
    >>> palette.classify([[[190, 10, 10], [240, 255, 250]]])
    array([[0, 1]], dtype=uint8)
    """

    centers: NDArray[np.float64]
    counts: NDArray[np.int64]
    inertia: float
    total_inertia: float
    space: Space = "rgb"
    white: float = 255.0
    scale: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        for name, dtype in (("centers", np.float64), ("counts", np.int64)):
            array = np.array(getattr(self, name), dtype=dtype)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if self.centers.ndim != 2 or not self.centers.size or self.counts.shape != self.centers.shape[:1]:
            raise ParameterError(
                f"centers have shape {self.centers.shape} and counts {self.counts.shape}; give (k, channels) and (k,)"
            )
        if self.k > MAX_COLORS:
            raise ParameterError(f"there are {self.k} colors; give at most {MAX_COLORS}")
        if not np.isfinite(self.centers).all() or int(self.counts.min()) < 0:
            raise ParameterError("a center is not finite, or a count is negative; fit again")
        if not min(self.inertia, self.total_inertia) >= 0 or math.isnan(self.inertia + self.total_inertia):
            raise ParameterError("an inertia is negative; fit again")
        if self.space not in SPACES or (self.space != "rgb" and self.n_channels != 3):
            raise ParameterError(
                f"space is {self.space!r} and there are {self.n_channels} channels; use {', '.join(SPACES)}, "
                f"and rgb for all but three channels"
            )
        if not (math.isfinite(self.white) and self.white > 0):
            raise ParameterError(f"white is {self.white!r}; give the greatest value of a channel, a positive number")
        if self.scale is not None:
            scale = tuple(float(s) for s in self.scale)
            if (
                self.space != "rgb"
                or len(scale) != self.n_channels
                or not all(math.isfinite(s) and s > 0 for s in scale)
            ):
                raise ParameterError(f"scale is {self.scale!r}; give a positive number for each channel, in space rgb")
            object.__setattr__(self, "scale", scale)

    @classmethod
    def of(cls, colors: ArrayLike, *, white: float = 255.0, space: Space = "rgb") -> Self:
        """Return the palette of given colors.

        Parameters
        ----------
        colors : array_like, shape (k, n_channels)
            In image units, in any order; equal colors count once.
        white : float
            The greatest value of a channel.
        space : {"rgb", "linear", "lab", "oklab"}
            Where distances are measured.

        Returns
        -------
        Palette
            Sorted dark to bright, with no counts and no inertia: `on` counts.

        Raises
        ------
        ParameterError
            If the colors are not rows of finite numbers, or there is no such space for them.
        """
        try:
            given = np.asarray(colors, np.float64)
        except (TypeError, ValueError) as error:
            raise ParameterError(f"the colors are no numbers ({error}); give one row of channels for each") from error
        if given.ndim != 2 or not given.size:
            raise ParameterError(f"colors have shape {given.shape}; give one row of channels for each color")
        unique = np.unique(given, axis=0)
        unique = unique[dark_to_bright(unique, white)]
        centers = to_space(unique, space, white)
        return cls(centers, np.zeros(len(centers), np.int64), 0.0, 0.0, space, white)

    @property
    def k(self) -> int:
        """How many colors there are."""
        return len(self.centers)

    @property
    def n_classes(self) -> int:
        """How many colors there are, as for `Levels`."""
        return len(self.centers)

    @property
    def n_channels(self) -> int:
        """How many channels a color has."""
        return int(self.centers.shape[1])

    @property
    def colors(self) -> NDArray[np.float64]:
        """The colors in image units. Shape (k, n_channels)."""
        if self.scale is not None:
            scaled: NDArray[np.float64] = self.centers * np.array(self.scale)
            return scaled
        return from_space(self.centers, self.space, self.white)

    @property
    def hex(self) -> tuple[str, ...]:
        """The colors as #rrggbb, rounded to 8 bits; grays for one channel, none unless there are one or three."""
        if self.n_channels not in (1, 3):
            return ()
        colors = np.broadcast_to(self._as_bytes(), (self.k, 3))
        return tuple(f"#{r:02x}{g:02x}{b:02x}" for r, g, b in colors.tolist())

    @property
    def fractions(self) -> NDArray[np.float64]:
        """The share of each color in the pixels counted. Shape (k,)."""
        return self.counts / max(1, int(self.counts.sum()))

    @property
    def explained_variance(self) -> float:
        """1 - inertia / total_inertia; 1.0 where there is no variance to explain."""
        return 1.0 - self.inertia / self.total_inertia if self.total_inertia > 0 else 1.0

    def classify(
        self,
        image: ArrayLike,
        *,
        mask: ArrayLike | None = None,
        table: ColorTable | None = None,
        threads: int | None = None,
    ) -> NDArray[Any]:
        """Label each pixel with its nearest color.

        Parameters
        ----------
        image : array_like, shape (..., n_channels)
            Of any dtype that `count_colors` takes, in the units of the palette.
        mask : array_like of bool or int, optional
            Of the image's shape without channels: True, or nonzero, where a pixel counts.
        table : ColorTable, optional
            Of this very image and mask, if it is at hand: saves counting the colors again.
        threads : int, optional
            How many threads to use; all processors by default.

        Returns
        -------
        ndarray of uint8 or uint16
            Labels 0 (darkest) to k - 1 in the image's shape without channels; uint16 beyond 255 colors. Pixels outside
            the mask, and with NaN in a channel, get the greatest number of the dtype: 255, or 65535.

        Raises
        ------
        DataTypeError
            If the dtype has no gray levels.
        DataError
            If the image is empty, has infinite values or other channels, or the mask has another shape.

        Notes
        -----
        Between colors at equal distance, in float64, the darker is taken. Distances are measured in the palette's
        space.
        """
        rows, n_threads = as_rows(image, mask), count_threads(threads)
        if rows.n_channels != self.n_channels:
            raise DataError(f"the image has {rows.n_channels} channels, the palette {self.n_channels}; give as many")
        return label_pixels(rows, self.k, lambda colors: self.nearest(colors, threads=n_threads)[0], table, n_threads)

    def nearest(
        self, colors: ArrayLike, *, threads: int | None = None
    ) -> tuple[NDArray[np.uint32], NDArray[np.float64]]:
        """Return the nearest color of each of a list of colors, and how far it is.

        Parameters
        ----------
        colors : array_like of float, shape (n, n_channels)
            In image units, finite.
        threads : int, optional
            How many threads to use; all processors by default.

        Returns
        -------
        labels : ndarray of uint32, shape (n,)
            The first of equals.
        distances : ndarray of float64, shape (n,)
            Squared distances in the palette's space.
        """
        return _kernels.label_rows(self.coordinates(colors), self.centers, count_threads(threads))

    def coordinates(self, colors: ArrayLike) -> NDArray[np.float64]:
        """Return where colors lie in the palette's space.

        Parameters
        ----------
        colors : array_like, shape (n, n_channels)
            In image units.

        Returns
        -------
        ndarray of float64, shape (n, n_channels)
            Coordinates, divided by the palette's scale if it has one.
        """
        found = to_space(colors, self.space, self.white)
        return np.ascontiguousarray(found if self.scale is None else found / np.array(self.scale))

    def paint(self, labels: NDArray[Any], dtype: DTypeLike, *, threads: int | None = None) -> NDArray[Any]:
        """Give each pixel the color of its label.

        Parameters
        ----------
        labels : ndarray of uint8 or uint16
            As `classify` returns them.
        dtype : dtype
            Of the picture. Colors are rounded to the nearest integer of an integer dtype, halves to even, and clipped
            to its range.
        threads : int, optional
            How many threads to use; all processors by default.

        Returns
        -------
        ndarray
            With one more axis, the channels; pixels left out are 0, or NaN in a float dtype.

        Raises
        ------
        ParameterError
            If a label has no color.
        """
        return paint_labels(labels, self.colors, np.dtype(dtype), threads)

    def on(self, table: ColorTable, *, threads: int | None = None) -> Self:
        """Return the same colors with the counts and the inertia of other data.

        Parameters
        ----------
        table : ColorTable
            Of the data that the palette is applied to. Where it has bins, each counts as a whole with the color that is
            nearest to its mean.
        threads : int, optional
            How many threads to use; all processors by default.

        Returns
        -------
        Palette
            With the centers of this one.
        """
        if table.n_channels != self.n_channels:
            raise DataError(f"the image has {table.n_channels} channels, the palette {self.n_channels}; give as many")
        colors = table.colors
        labels, distances = self.nearest(colors, threads=threads)
        counts = table.counts_of(labels, self.k)
        within = table.scatter_in(self.space, self.scale)
        total = inertia_about_mean(self.coordinates(colors), table.counts.astype(np.float64))
        inertia = float((distances * table.counts).sum())
        return replace(self, counts=counts, inertia=inertia + within, total_inertia=total + within)

    def in_space(self, space: Space) -> Self:
        """Return the same colors with distances measured in another space.

        Parameters
        ----------
        space : {"rgb", "linear", "lab", "oklab"}
            Where distances are measured.

        Returns
        -------
        Palette
            Without counts and inertia, unless the space is the same.
        """
        return self if space == self.space else type(self).of(self.colors, white=self.white, space=space)

    def rescaled(self, white: float) -> Self:
        """Return the same colors for images of another range, such as 16 bits in place of 8.

        Parameters
        ----------
        white : float
            The greatest value of a channel.

        Returns
        -------
        Palette
            With the same look; its inertia is in the units of the new range.
        """
        ratio = white / self.white
        if ratio == 1.0 or self.space != "rgb":
            return replace(self, white=white)
        if self.scale is not None:
            return replace(self, white=white, scale=tuple(s * ratio for s in self.scale))
        return replace(
            self,
            white=white,
            centers=self.centers * ratio,
            inertia=self.inertia * ratio**2,
            total_inertia=self.total_inertia * ratio**2,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and lists, ready for JSON.

        Returns
        -------
        dict
            Whose floats read back to the same bits.
        """
        return {
            "space": self.space,
            "white": self.white,
            "scale": None if self.scale is None else list(self.scale),
            "centers": self.centers.tolist(),
            "hex": list(self.hex),
            "counts": self.counts.tolist(),
            "inertia": self.inertia,
            "total_inertia": self.total_inertia,
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """Return the Palette that `to_dict` described.

        Parameters
        ----------
        stored : dict
            From `to_dict`.

        Returns
        -------
        Palette
            The same, to the bit.

        Raises
        ------
        ParameterError
            If a field is missing or of another kind.
        """
        try:
            scale = stored["scale"]
            found = cls(
                np.asarray(stored["centers"], np.float64),
                np.array([operator.index(count) for count in stored["counts"]], np.int64),
                inertia=float(stored["inertia"]),
                total_inertia=float(stored["total_inertia"]),
                space=stored["space"],
                white=float(stored["white"]),
                scale=None if scale is None else tuple(float(s) for s in scale),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ParameterError(f"not a klevels palette: {error!r}; give what Palette.to_dict returned") from error
        order = dark_to_bright(found.colors, found.white, found.scale)
        if (order[1:] < order[:-1]).any():
            raise ParameterError("the colors are not from dark to bright; sort them, or give them to Palette.of")
        return found

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write to a file.

        Parameters
        ----------
        path : str or path-like
            .json keeps all; .gpl, .hex and .txt are the lists of 8-bit colors that other programs read, for palettes of
            one or three channels. Written whole, or not at all.
        overwrite : bool
            Whether to replace a file that is there.
        """
        write_text(path, self.as_text("." + os.fspath(path).rpartition(".")[2].lower()), overwrite=overwrite)

    def as_text(self, suffix: str) -> str:
        """Return what a file of this suffix holds.

        Parameters
        ----------
        suffix : {".json", ".gpl", ".hex", ".txt"}
            Of the file.

        Returns
        -------
        str
            For UTF-8.

        Raises
        ------
        ParameterError
            If there is no such suffix, or the palette has neither one nor three channels.
        """
        if suffix == ".json":
            return as_json("palette", self.to_dict())
        if suffix not in COLOR_SUFFIXES:
            raise ParameterError(f"no palette has the suffix {suffix!r}; use {', '.join(PALETTE_SUFFIXES)}")
        if self.n_channels not in (1, 3):
            raise ParameterError(f"the palette has {self.n_channels} channels, no colors; save it as .json")
        colors = np.ascontiguousarray(np.broadcast_to(self._as_bytes(), (self.k, 3)))
        return format_colors(colors, suffix, shares=self.fractions if self.counts.any() else None)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote, or a list of colors from another program.

        Parameters
        ----------
        path : str or path-like
            A .json, or a GIMP palette or a hexadecimal list of any name.

        Returns
        -------
        Palette
            From .json the same, to the bit.

        Raises
        ------
        ReadError
            If the file does not hold a palette; InputMissingError if there is no such file.
        """
        if not os.fspath(path).lower().endswith(".json"):
            return cls.of(read_colors(path))
        return read_json(path, "palette", lambda stored: cls.from_dict(stored.get("model", stored)))

    def _as_bytes(self) -> NDArray[np.uint8]:
        return rounded(self.colors * (255.0 / self.white), np.dtype(np.uint8)).astype(np.uint8)
