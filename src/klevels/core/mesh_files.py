"""Files of triangles: STL, PLY, OBJ and glTF, in the order x, y, z."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from klevels.errors import DataError
from klevels.version import __version__

STRIP = 1 << 17
"""So many rows are written at a time."""
MOST_BYTES = (1 << 32) - 1
"""What a binary glTF, and the count of an STL, can number."""
POSITIONS, TRIANGLES, FLOAT32, UINT32 = 34962, 34963, 5126, 5125
"""glTF's numbers for what a buffer holds."""
JSON_CHUNK, BIN_CHUNK = b"JSON", b"BIN\0"


def write_mesh(
    path: str | os.PathLike[str], vertices: NDArray[Any], faces: NDArray[Any], unit: str, suffix: str
) -> None:
    """Write a mesh.

    Parameters
    ----------
    path : str or path-like
        The file, which is replaced.
    vertices : ndarray of float, shape (n, 3)
        In the order z, y, x.
    faces : ndarray of int, shape (m, 3)
        Their cross products, in that order of axes, point outward; in the file, in the order x, y, z.
    unit : str
        Of the vertices.
    suffix : str
        One of `MESH_SUFFIXES`: the format.

    Raises
    ------
    DataError
        If there are more triangles than the format can count.
    """
    with open(path, "wb") as file:
        _WRITERS[suffix](file, vertices, faces, unit)


def _write_stl(file: BinaryIO, vertices: NDArray[Any], faces: NDArray[Any], unit: str) -> None:
    _check_size(len(faces), "STL")
    header = f"klevels {__version__}; unit {unit}".encode()[:80]  # must not begin with "solid", which means text
    file.write(header.ljust(80, b"\0") + np.uint32(len(faces)).tobytes())
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    for part in _strips(faces):
        corners = vertices[part[:, ::-1]][:, :, ::-1].astype(np.float64)
        u, v = (corners[:, 1] - corners[:, 0]).T, (corners[:, 2] - corners[:, 0]).T
        normals = np.stack([u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]], axis=1)
        lengths = np.sqrt((normals**2).sum(axis=1, keepdims=True))
        rows = np.zeros(len(part), record)
        rows["normal"] = normals / np.where(lengths > 0, lengths, 1)
        rows["corners"] = corners
        file.write(rows.tobytes())


def _write_ply(file: BinaryIO, vertices: NDArray[Any], faces: NDArray[Any], unit: str) -> None:
    kind = "double" if vertices.dtype.itemsize > 4 else "float"
    lines = [
        "ply",
        "format binary_little_endian 1.0",
        f"comment klevels {__version__}",
        f"comment unit {unit}",
        f"element vertex {len(vertices)}",
        *(f"property {kind} {axis}" for axis in "xyz"),
        f"element face {len(faces)}",
        "property list uchar int vertex_indices",
        "end_header\n",
    ]
    file.write("\n".join(lines).encode())
    for part in _strips(vertices):
        file.write(np.ascontiguousarray(part[:, ::-1], "<f8" if kind == "double" else "<f4").tobytes())
    record = np.dtype([("n", "u1"), ("corners", "<i4", 3)])
    for part in _strips(faces):
        rows = np.empty(len(part), record)
        rows["n"] = 3
        rows["corners"] = part[:, ::-1]
        file.write(rows.tobytes())


def _write_obj(file: BinaryIO, vertices: NDArray[Any], faces: NDArray[Any], unit: str) -> None:
    file.write(f"# klevels {__version__}\n# unit {unit}\n".encode())
    digits = 17 if vertices.dtype.itemsize > 4 else 9
    for part in _strips(vertices):
        file.write((f"v %.{digits}g %.{digits}g %.{digits}g\n" * len(part) % tuple(part[:, ::-1].flat)).encode())
    for part in _strips(faces):
        file.write(("f %d %d %d\n" * len(part) % tuple((part[:, ::-1].astype(np.int64) + 1).flat)).encode())


def _write_glb(file: BinaryIO, vertices: NDArray[Any], faces: NDArray[Any], unit: str) -> None:
    n_bytes = 12 * (len(vertices) + len(faces))
    content = json.dumps(_scene(vertices, faces, unit, {"byteLength": n_bytes})).encode()
    content += b" " * (-len(content) % 4)
    total = 12 + 8 + len(content) + 8 + n_bytes
    _check_size(total, "glTF")
    file.write(b"glTF" + np.array([2, total, len(content)], "<u4").tobytes() + JSON_CHUNK + content)
    file.write(np.uint32(n_bytes).tobytes() + BIN_CHUNK)
    for rows in _buffer(vertices, faces):
        file.write(rows)


def _write_gltf(file: BinaryIO, vertices: NDArray[Any], faces: NDArray[Any], unit: str) -> None:
    content = b"".join(_buffer(vertices, faces))
    uri = "data:application/octet-stream;base64," + base64.b64encode(content).decode()
    file.write(json.dumps(_scene(vertices, faces, unit, {"byteLength": len(content), "uri": uri})).encode())


def _scene(vertices: NDArray[Any], faces: NDArray[Any], unit: str, buffer: dict[str, Any]) -> dict[str, Any]:
    """Return a scene of one mesh, whose positions and triangles lie in the buffer, one after the other."""
    n_positions = 12 * len(vertices)
    low, high = (
        ends[::-1].astype(np.float32).tolist() if len(vertices) else [0.0, 0.0, 0.0]
        for ends in (vertices.min(axis=0, initial=np.inf), vertices.max(axis=0, initial=-np.inf))
    )
    return {
        "asset": {"version": "2.0", "generator": f"klevels {__version__}", "extras": {"unit": unit}},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "buffers": [buffer],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": n_positions, "target": POSITIONS},
            {"buffer": 0, "byteOffset": n_positions, "byteLength": 12 * len(faces), "target": TRIANGLES},
        ],
        "accessors": [
            {
                "bufferView": 0,
                "componentType": FLOAT32,
                "count": len(vertices),
                "type": "VEC3",
                "min": low,
                "max": high,
            },
            {"bufferView": 1, "componentType": UINT32, "count": 3 * len(faces), "type": "SCALAR"},
        ],
    }


def _buffer(vertices: NDArray[Any], faces: NDArray[Any]) -> Iterator[bytes]:
    for part in _strips(vertices):
        yield np.ascontiguousarray(part[:, ::-1], "<f4").tobytes()
    for part in _strips(faces):
        yield np.ascontiguousarray(part[:, ::-1], "<u4").tobytes()


def _strips(rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    for start in range(0, len(rows), STRIP):
        yield rows[start : start + STRIP]


def _check_size(size: int, name: str) -> None:
    if size > MOST_BYTES:
        raise DataError(f"the mesh is too large for {name}; reduce it with n_faces (--faces), or write PLY")


_WRITERS: dict[str, Callable[[BinaryIO, NDArray[Any], NDArray[Any], str], None]] = {
    ".stl": _write_stl,
    ".ply": _write_ply,
    ".obj": _write_obj,
    ".glb": _write_glb,
    ".gltf": _write_gltf,
}
MESH_SUFFIXES = tuple(_WRITERS)
"""What can be written."""
