"""What `klevels mesh` and `klevels render` do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from klevels import meshing
from klevels.cli import show
from klevels.cli.comparisons import load_labels
from klevels.cli.inputs import naming
from klevels.cli.outputs import Outputs, Writer
from klevels.cli.progress import Stages
from klevels.core.mesh import Mesh
from klevels.core.mesh_files import MESH_SUFFIXES, write_mesh
from klevels.errors import ParameterError

N_COLORS = 128
FRAME_MILLISECONDS = 90


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


def render(
    labels: Path,
    output: Path,
    *,
    phases: str | None,
    opacity: str,
    each: bool,
    turntable: Path | None,
    json: bool,
    overwrite: bool,
) -> None:
    from klevels import rendering

    chosen = None if phases is None else [int(one) for one in _numbers(phases, "--phases", int)]
    opacities = _numbers(opacity, "--opacity", float)
    outputs = Outputs([labels], overwrite=overwrite)
    for path, suffixes in ((output, (".png",)), (turntable, (".gif",))):
        outputs.claim(path, suffixes, recorded=False)
    pictures: dict[Path, Writer] = {}
    with Stages(3) as stage, naming([labels]):
        stage("reading")
        image = load_labels(labels)
        stage("drawing")
        shine = opacities[0] if len(opacities) == 1 else opacities
        if each:
            if len(opacities) > 1:
                raise ParameterError("--opacity is of phases together; leave it out with --each")
            for phase, picture in rendering.each(image, phases=chosen):
                path = output.with_stem(f"{output.stem}-{phase}")
                outputs.claim(path, None, recorded=False)
                pictures[path] = _picture_writer(picture)
        else:
            pictures[output] = _picture_writer(rendering.render(image, phases=chosen, opacity=shine))
        if turntable is not None:
            pictures[turntable] = _movie_writer(list(rendering.turntable(image, phases=chosen, opacity=shine)))
        stage("writing")
        outputs.write(pictures)
    if json:
        show.facts({"outputs": [str(path) for path in pictures]}, json=True)
        return
    for path in pictures:
        print(path)


def _numbers(text: str, option: str, kind: Callable[[str], float]) -> list[float]:
    try:
        return [kind(one) for one in text.split(",")]
    except ValueError:
        raise ParameterError(f"{option} is {text!r}; give numbers with commas between them, such as 2,3") from None


def _picture_writer(picture: NDArray[np.uint8]) -> Writer:
    from PIL import Image

    return lambda part: Image.fromarray(picture).save(part, format="PNG")


def _movie_writer(frames: Sequence[NDArray[np.uint8]]) -> Writer:
    from PIL import Image

    first, *others = (Image.fromarray(frame).quantize(N_COLORS) for frame in frames)
    return lambda part: first.save(
        part, format="GIF", save_all=True, append_images=others, duration=FRAME_MILLISECONDS, loop=0
    )


def _mesh_writer(output: Path, found: Mesh) -> Writer:
    return lambda part: write_mesh(part, found.vertices, found.faces, found.unit, output.suffix.lower())
