"""Mesh: a surface of triangles, with its area, its volume, and whether it is closed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core import _measures
from klevels.core.mesh_files import MESH_SUFFIXES, write_mesh
from klevels.core.voxels import count_threads
from klevels.errors import DataError, ParameterError


@dataclass(frozen=True, eq=False, repr=False)
class Mesh:
    """A surface of triangles.

    Parameters
    ----------
    vertices : ndarray of float32 or float64, shape (n, 3)
        Positions in the order z, y, x. The center of the first voxel is at 0.
    faces : ndarray of int, shape (m, 3)
        Three vertices for each triangle, in such an order that the cross product of two successive edges, of the
        positions as they are stored, points outward.
    unit : str
        Of the positions: "voxel" where the size of a voxel is unknown.

    Raises
    ------
    DataError
        If an array has another shape, or a face names a vertex that is not there.

    Examples
    --------
    >>> corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    >>> tetrahedron = Mesh(corners, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]))
    >>> tetrahedron.is_watertight, round(tetrahedron.volume, 6)
    (True, 0.166667)
    """

    vertices: NDArray[Any]
    faces: NDArray[Any]
    unit: str = "voxel"

    def __post_init__(self) -> None:
        for name, array, kinds in (("vertices", self.vertices, "f"), ("faces", self.faces, "iu")):
            if array.ndim != 2 or array.shape[1] != 3 or array.dtype.kind not in kinds:
                what = "floats" if kinds == "f" else "integers"
                raise DataError(f"the {name} are {array.dtype} of shape {array.shape}; give three {what} each")
        if self.faces.size and not 0 <= self.faces.min() <= self.faces.max() < len(self.vertices):
            raise DataError(
                f"the faces name vertices {self.faces.min()} to {self.faces.max()}, but there are "
                f"{len(self.vertices)}; count them from 0"
            )
        for name in ("vertices", "faces"):
            view = getattr(self, name).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    def __repr__(self) -> str:
        return f"Mesh({len(self.vertices):,} vertices, {len(self.faces):,} faces, in {self.unit})"

    @property
    def area(self) -> float:
        """The sum of the areas of all triangles, in the square of the unit."""
        return self._measured[0]

    @property
    def volume(self) -> float:
        """What the surface encloses, by the divergence theorem, in the cube of the unit; right if it is watertight."""
        return self._measured[1]

    @property
    def is_watertight(self) -> bool:
        """Whether each edge has a triangle on both of its sides, and just one."""
        return bool(len(self.faces)) and _measures.is_closed(
            _plain(self.faces, "i"), len(self.vertices), count_threads(None)
        )

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write to a file, in the order x, y, z, as all viewers expect it.

        Parameters
        ----------
        path : str or path-like
            .stl and .ply are binary, .obj is text, .glb is binary glTF, .gltf holds all in one file of JSON. Written
            whole, or not at all. The unit is in the header of STL, in a comment of PLY and OBJ, and in the `extras` of
            the asset in glTF.
        overwrite : bool
            Whether to replace a file that is there.

        Raises
        ------
        ParameterError
            If the suffix is another.
        DataError
            If there are more triangles than the format can count.
        """
        from klevels.files import atomic_output  # an import of klevels stays light

        suffix = os.path.splitext(os.fspath(path))[1].lower()  # noqa: PTH122
        if suffix not in MESH_SUFFIXES:
            raise ParameterError(
                f"{os.fspath(path)}: the suffix is {suffix!r}; name the mesh with one of {', '.join(MESH_SUFFIXES)}"
            )
        with atomic_output(path, overwrite=overwrite) as part:
            write_mesh(part, self.vertices, self.faces, self.unit, suffix)

    @property
    def _measured(self) -> tuple[float, float]:
        """The area and the volume."""
        if not len(self.faces):
            return 0.0, 0.0
        z, y, x = (float(one.min()) / 2 + float(one.max()) / 2 for one in self.vertices.T)
        vertices, faces = _plain(self.vertices, "f"), _plain(self.faces, "i")
        return _measures.measure_triangles(vertices, faces, (z, y, x), count_threads(None))


def _plain(array: NDArray[Any], kind: str) -> NDArray[Any]:
    """Return an array as the kernels take it: of 32 or 64 bits."""
    small, large = np.dtype(f"{kind}4"), np.dtype(f"{kind}8")
    return np.ascontiguousarray(array, small if np.can_cast(array.dtype, small) else large)
