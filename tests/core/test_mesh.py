"""Meshes measure themselves, and are written so that others read the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from klevels.core.mesh import Mesh
from klevels.core.mesh_files import MESH_SUFFIXES
from klevels.errors import DataError, OutputExistsError, ParameterError, WriteError

CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]], np.float32)
FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32)
TETRAHEDRON = Mesh(CORNERS, FACES, "mm")


def test_a_tetrahedron_is_measured() -> None:
    assert TETRAHEDRON.volume == pytest.approx(1)
    assert TETRAHEDRON.area == pytest.approx(1 + 1.5 + 3 + np.linalg.norm([6, 3, 2]) / 2)
    assert TETRAHEDRON.is_watertight
    assert repr(TETRAHEDRON) == "Mesh(4 vertices, 4 faces, in mm)"


def test_the_volume_is_exact_far_from_the_origin() -> None:
    far = Mesh((CORNERS + 4096).astype(np.float32), FACES)
    assert far.volume == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("floats", ["f2", "f4", ">f4", "f8"])
@pytest.mark.parametrize("integers", ["u1", "i2", "i4", ">i4", "u4", "i8", "u8"])
def test_arrays_of_any_kind_are_measured(floats: str, integers: str) -> None:
    mesh = Mesh(np.asfortranarray(CORNERS.astype(floats)), np.repeat(FACES.astype(integers), 2, axis=0)[::2])
    assert mesh.volume == pytest.approx(1)
    assert mesh.area == pytest.approx(TETRAHEDRON.area)
    assert mesh.is_watertight


def test_many_triangles_are_measured() -> None:
    sphere = trimesh.creation.icosphere(6)
    mesh = Mesh(sphere.vertices.astype(np.float64), sphere.faces)
    assert mesh.volume == pytest.approx(sphere.volume, rel=1e-12)
    assert mesh.area == pytest.approx(sphere.area, rel=1e-12)
    assert mesh.is_watertight
    assert Mesh(mesh.vertices, mesh.faces[:0]).area == Mesh(mesh.vertices, mesh.faces[:0]).volume == 0


@pytest.mark.parametrize(
    "faces",
    [FACES[:3], FACES[[0, 1, 2, 3, 3]], np.vstack([FACES[:3], FACES[3:, ::-1]]), [[0, 0, 0]], np.zeros((0, 3), int)],
)
def test_what_is_open_is_not_watertight(faces: Any) -> None:
    assert not Mesh(CORNERS, np.asarray(faces)).is_watertight


@pytest.mark.parametrize(
    ("vertices", "faces", "says"),
    [
        (CORNERS[:, :2], FACES, "vertices are float32 of shape"),
        (CORNERS, FACES[:, :2], "faces are int32 of shape"),
        (CORNERS, FACES + 1, "name vertices 1 to 4, but there are 4"),
        (CORNERS, FACES.astype(float), "give three integers each"),
    ],
)
def test_what_is_no_mesh_is_refused(vertices: Any, faces: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        Mesh(vertices, faces)


@pytest.mark.parametrize("suffix", MESH_SUFFIXES)
@pytest.mark.parametrize("strip", [3, 1 << 17])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_others_read_the_same(
    tmp_path: Path, suffix: str, strip: int, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("klevels.core.mesh_files.STRIP", strip)
    path = tmp_path / f"mesh{suffix}"
    Mesh(CORNERS.astype(dtype), FACES, "mm").save(path)
    found = trimesh.load_mesh(path)
    assert found.is_watertight
    assert found.volume == pytest.approx(1)
    assert found.bounds.tolist() == [[0, 0, 0], [3, 2, 1]]  # x, y, z
    assert found.area == pytest.approx(TETRAHEDRON.area)


def test_the_unit_is_in_the_file(tmp_path: Path) -> None:
    for suffix, before in ((".stl", "unit "), (".ply", "comment unit "), (".obj", "# unit ")):
        TETRAHEDRON.save(tmp_path / f"mesh{suffix}")
        assert f"{before}mm".encode() in (tmp_path / f"mesh{suffix}").read_bytes()
    TETRAHEDRON.save(tmp_path / "mesh.gltf")
    assert json.loads((tmp_path / "mesh.gltf").read_text())["asset"]["extras"] == {"unit": "mm"}


def test_stl_has_normals_that_point_outward(tmp_path: Path) -> None:
    TETRAHEDRON.save(tmp_path / "mesh.stl")
    content = (tmp_path / "mesh.stl").read_bytes()
    assert not content.startswith(b"solid")
    first = np.frombuffer(content[84 : 84 + 12], "<f4")
    np.testing.assert_allclose(first, [-1, 0, 0])  # of the face z, y, x = 0, 2, 1, which lies at x = 0


def test_files_are_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mesh.stl"
    TETRAHEDRON.save(path)
    before = path.read_bytes()
    with pytest.raises(OutputExistsError):
        TETRAHEDRON.save(path)
    monkeypatch.setattr("klevels.core.mesh_files.MOST_BYTES", 3)
    for suffix, name in ((".stl", "STL"), (".glb", "glTF")):
        with pytest.raises(DataError, match=f"too large for {name}"):
            TETRAHEDRON.save(path.with_suffix(suffix), overwrite=True)
    assert [one.name for one in tmp_path.iterdir()] == ["mesh.stl"]
    assert path.read_bytes() == before
    with pytest.raises(ParameterError, match=r"the suffix is '.xyz'; name the mesh with one of .stl"):
        TETRAHEDRON.save(tmp_path / "mesh.xyz")
    with pytest.raises(WriteError, match="the folder does not exist"):
        TETRAHEDRON.save(tmp_path / "none" / "mesh.stl")
