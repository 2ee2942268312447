"""What `klevels mesh` and `klevels render` do."""

from __future__ import annotations

from pathlib import Path

from klevels import meshing
from klevels.cli import show
from klevels.cli.comparisons import load_labels
from klevels.cli.inputs import naming
from klevels.cli.outputs import Outputs, Writer
from klevels.cli.progress import Stages
from klevels.core.mesh import Mesh
from klevels.core.mesh_files import MESH_SUFFIXES, write_mesh


def mesh(
    labels: Path,
    output: Path,
    *,
    phase: int,
    smooth: int,
    n_faces: int | None,
    json: bool,
    overwrite: bool,
) -> None:
    outputs = Outputs([labels], overwrite=overwrite)
    outputs.claim(output, MESH_SUFFIXES, recorded=False)
    with Stages(3) as stage, naming([labels]):
        stage("reading")
        image = load_labels(labels)
        stage("meshing")
        found = meshing.mesh(image, phase, smooth=smooth, n_faces=n_faces)
        stage("writing")
        outputs.write({output: _mesh_writer(output, found)})
    area, volume = found.area, found.volume
    if json:
        facts = {"phase": phase, "n_vertices": len(found.vertices), "n_faces": len(found.faces)}
        units = {"area": f"{found.unit}²", "volume": f"{found.unit}³"}
        show.facts({"output": str(output), **facts, "area": area, "volume": volume, "units": units}, json=True)
        return
    print(f"{output}: phase {phase}, {len(found.faces):,} triangles, {len(found.vertices):,} vertices")
    print(f"area    {area:.6g} {found.unit}²")
    print(f"volume  {volume:.6g} {found.unit}³")


def _mesh_writer(output: Path, found: Mesh) -> Writer:
    return lambda part: write_mesh(part, found.vertices, found.faces, found.unit, output.suffix.lower())
