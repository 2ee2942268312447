"""What `klevels mesh` and `klevels render` do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from klevels import meshing
from klevels.cli import show
from klevels.cli.comparisons import load_labels
from klevels.cli.inputs import load_scan, naming
from klevels.cli.outputs import Outputs, Writer
from klevels.cli.progress import Stages
from klevels.cli.voxel_size import VoxelSize
from klevels.core.levels import Levels
from klevels.core.mesh import Mesh
from klevels.core.mesh_files import MESH_SUFFIXES, write_mesh
from klevels.errors import KlevelsError, ParameterError
from klevels.image import Image
from klevels.pipeline import as_label_image, segment
from klevels.recipe import Recipe, Segmentation
from klevels.record import read_json, record_path

N_COLORS = 128
FRAME_MILLISECONDS = 90


def mesh(
    labels: Path,
    output: Path,
    *,
    phase: int,
    smooth: int,
    n_faces: int | None,
    size: VoxelSize,
    json: bool,
    overwrite: bool,
) -> None:
    outputs = Outputs([labels], overwrite=overwrite)
    outputs.claim(output, MESH_SUFFIXES, recorded=False)
    with Stages(3) as stage, naming([labels]):
        stage("reading")
        image = size.of(load_labels(labels))
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
    path: Path,
    output: Path,
    *,
    k: int | None,
    phases: str | None,
    opacity: str,
    each: bool,
    slices: str | None,
    turntable: Path | None,
    size: VoxelSize,
    json: bool,
    overwrite: bool,
) -> None:
    from klevels import rendering

    chosen = None if phases is None else [int(one) for one in _numbers(phases, "--phases", int)]
    opacities = _numbers(opacity, "--opacity", float)
    cuts = None if slices is None else _slices(slices)
    if each and len(opacities) > 1:
        raise ParameterError("--opacity has several numbers, of phases together; give one with --each")
    if turntable is not None and cuts is not None:
        raise ParameterError("--turntable turns a volume, but --slices are flat; give one of them")
    outputs = Outputs([path], overwrite=overwrite)
    for one, suffixes in ((output, (".png",)), (turntable, (".gif",))):
        outputs.claim(one, suffixes, recorded=False)
    pictures: dict[Path, Writer] = {}
    with Stages(3 if k is None else 4) as stage, naming([path]):
        stage("reading")
        subject: Image | Segmentation
        if k is None:
            subject = size.of(_labels(path))
        else:
            scan = size.of(load_scan([path], gray=False))
            stage("segmenting")
            subject = segment(scan, k=k)
        stage("drawing")
        shine = opacities[0] if len(opacities) == 1 else opacities
        if each:
            for phase, picture in rendering.each(subject, phases=chosen, opacity=opacities[0], slices=cuts):
                alone = output.with_stem(f"{output.stem}-{phase}")
                outputs.claim(alone, None, recorded=False)
                pictures[alone] = _picture_writer(picture)
        else:
            picture = rendering.render(subject, phases=chosen, opacity=shine, slices=cuts)
            pictures[output] = _picture_writer(picture)
        if turntable is not None:
            pictures[turntable] = _movie_writer(list(rendering.turntable(subject, phases=chosen, opacity=shine)))
        stage("writing")
        outputs.write(pictures)
    _tell(list(pictures), subject, is_solid=cuts is None, json=json)


def _labels(path: Path) -> Image:
    """Read labels, in the colors that the record beside them tells."""
    image = load_labels(path)
    if "label_colors" not in image.meta or image.meta["label_colors"]:
        return image
    with suppress(KlevelsError, TypeError):  # what is wrong with a record does not keep labels from being drawn
        return as_label_image(image, image.data, Recipe.from_dict(read_json(record_path(path))["recipe"]))
    return image


def _tell(paths: Sequence[Path], subject: Image | Segmentation, *, is_solid: bool, json: bool) -> None:
    """Say which pictures there are, and what they show."""
    from klevels.rendering import thinning

    labels, model = (subject, None) if isinstance(subject, Image) else (subject.labels, subject.model)
    steps = list(thinning(labels.shape)) if is_solid and labels.ndim == 3 else None
    thresholds = model.thresholds.tolist() if isinstance(model, Levels) else None
    if json:
        told = {"outputs": [str(path) for path in paths], "thinned": steps, "thresholds": thresholds}
        show.facts(told, json=True)
        return
    for path in paths:
        print(path)
    if thresholds is not None:
        print(f"phases 0 to {len(thresholds)}, divided at {', '.join(f'{one:g}' for one in thresholds)}")
    if steps is not None and max(steps) > 1:
        size, share = (" × ".join(f"{n:,}" for n in one) for one in (labels.shape, steps))
        print(f"{size} voxels are many for a picture: 1 of {share} is drawn")


def _slices(text: str) -> Literal["middle"] | list[tuple[str, int]]:
    """Return which slices are asked for; a number without an axis is along the one before."""
    if text == "middle":
        return "middle"
    found, axis = [], ""
    for one in text.split(","):
        name, is_named, place = one.strip().rpartition("=")
        axis = name if is_named else axis
        if axis not in ("z", "y", "x") or not place.isdecimal():
            raise ParameterError(f"--slices is {text!r}; give middle, or places along z, y and x, such as z=10,20,y=5")
        found.append((axis, int(place)))
    return found


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
