"""From labels to answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from klevels.cli.options import RUNNING, Calibrate, Json, Mask, Overwrite, Running, Threads, shown, whole_number
from klevels.cli.voxel_size import AS_READ, VoxelSize
from klevels.core.mesh_files import MESH_SUFFIXES


@shown(
    "klevels compare labels.tif truth.tif",
    "klevels compare labels.tif truth.tif --match --mask region.tif --json",
)
def compare(
    labels: Annotated[Path, Parameter(name="LABELS", help="Labels: an image or a volume of whole numbers.")],
    truth: Annotated[Path, Parameter(name="TRUTH", help="What they should be, of the same shape.")],
    /,
    *,
    match: Annotated[
        bool, Parameter(name="--match", negative=(), help="Pair labels with the classes that they overlap most.")
    ] = False,
    mask: Mask = None,
    ignore: Annotated[
        int | None,
        Parameter(name="--ignore", converter=whole_number, help="The number of the truth's voxels that do not count."),
    ] = None,
    json: Json = False,
    threads: Threads = None,
    running: Running = RUNNING,
) -> None:
    """Compare labels with a truth: confusion, accuracy, Dice and Jaccard of each class, and how alike they divide it.

    Equal numbers are the same class, unless `--match` is given. Voxels that klevels left out when it segmented are left
    out, and those with the number of `--ignore` in the truth; in the labels `--ignore` means 255 of uint8 and 65535 of
    uint16 only.
    """
    from klevels.cli import comparisons

    comparisons.compare(
        labels, truth, match=match, mask=mask, ignore=ignore, json=json, threads=threads, running=running
    )


@shown(
    "klevels measure labels.tif",
    "klevels measure labels.tif --gray scan.tif -o phases.csv",
    "klevels measure labels.tif --gray scan.tif --calibrate 0=-1000,20000=0,HU --json",
    "klevels measure labels.tif --objects --phase 1 -o grains.csv",
)
def measure(
    labels: Annotated[Path, Parameter(name="LABELS", help="Labels: an image or a volume of whole numbers.")],
    /,
    *,
    output: Annotated[
        Path | None, Parameter(name=["-o", "--output"], help="Write the table (.csv, .json or .parquet).")
    ] = None,
    gray: Annotated[
        Path | None, Parameter(name="--gray", help="The image that was segmented, for gray values.")
    ] = None,
    mask: Mask = None,
    ignore: Annotated[
        int | None, Parameter(name="--ignore", converter=whole_number, help="The label of voxels that do not count.")
    ] = None,
    connectivity: Annotated[
        int | None,
        Parameter(
            name="--connectivity",
            converter=whole_number,
            help="How many neighbors a voxel hangs together with: 6, 18 or 26; in two dimensions 4 or 8.",
        ),
    ] = None,
    calibrate: Calibrate = None,
    objects: Annotated[
        bool, Parameter(name="--objects", negative=(), help="Measure the objects of --phase, each in a row of -o.")
    ] = False,
    phase: Annotated[
        int | None, Parameter(name="--phase", converter=whole_number, help="The phase of --objects and --thickness.")
    ] = None,
    min_voxels: Annotated[
        int, Parameter(name="--min-voxels", converter=whole_number, help="Smaller objects are left out.")
    ] = 1,
    thickness: Annotated[
        bool,
        Parameter(name="--thickness", negative=(), help="Tell the local thickness of --phase, in memory."),
    ] = False,
    size: VoxelSize = AS_READ,
    json: Json = False,
    overwrite: Overwrite = False,
    threads: Threads = None,
    running: Running = RUNNING,
) -> None:
    """Measure each phase: volume, fraction, gray values, surface, and what hangs together, with units.

    Where the size of a voxel is unknown, lengths are in voxels. A surface is where a phase meets another one. Voxels
    that klevels left out when it segmented do not count. Objects are the connected regions of one phase.
    """
    from klevels.cli import measures

    measures.measure(
        labels,
        output,
        gray=gray,
        mask=mask,
        ignore=ignore,
        connectivity=connectivity,
        calibrate=calibrate,
        objects=objects,
        phase=phase,
        min_voxels=min_voxels,
        thickness=thickness,
        size=size,
        json=json,
        overwrite=overwrite,
        threads=threads,
        running=running,
    )


@shown(
    "klevels mesh labels.tif --phase 2 -o bone.stl",
    "klevels mesh labels.tif --phase 2 -o bone.glb --smooth 20 --faces 50000",
)
def mesh(
    labels: Annotated[Path, Parameter(name="LABELS", help="Labels: a volume of whole numbers.")],
    /,
    *,
    phase: Annotated[int, Parameter(name="--phase", converter=whole_number, help="The label of the phase.")],
    output: Annotated[Path, Parameter(name=["-o", "--output"], help=f"The surface ({', '.join(MESH_SUFFIXES)}).")],
    smooth: Annotated[
        int,
        Parameter(name="--smooth", converter=whole_number, help="How many times steps between voxels are smoothed."),
    ] = 0,
    faces: Annotated[
        int | None, Parameter(name="--faces", converter=whole_number, help="The greatest number of triangles.")
    ] = None,
    size: VoxelSize = AS_READ,
    json: Json = False,
    overwrite: Overwrite = False,
) -> None:
    """Write the surface of a phase as triangles: closed, in the unit of the voxel size, x, y and z in this order.

    20 times smooth what looks like stairs, and change the volume of what is thicker than some voxels by little. Area
    and volume are printed: of the closed surface, with the parts where the volume ends.
    """
    from klevels.cli import surfaces

    surfaces.mesh(labels, output, phase=phase, smooth=smooth, n_faces=faces, size=size, json=json, overwrite=overwrite)


@shown(
    "klevels render labels.tif -o bone.png --phases 3",
    "klevels render labels.tif -o both.png --phases 2,3 --opacity 0.3,1 --turntable both.gif",
    "klevels render labels.tif -o phase.png --each --slices middle",
    "klevels render scan.tif -k 3 -o bright.png --phases 2",
)
def render(
    path: Annotated[
        Path, Parameter(name="IN", help="Labels: an image or a volume of whole numbers; with -k, one to segment first.")
    ],
    /,
    *,
    output: Annotated[Path, Parameter(name=["-o", "--output"], help="The picture (.png).")],
    k: Annotated[
        int | None,
        Parameter(name="-k", converter=whole_number, help="Segment IN, which is gray, into so many phases first."),
    ] = None,
    phases: Annotated[
        str | None, Parameter(name="--phases", help="Which to draw, such as 2,3; all but 0 by default.")
    ] = None,
    opacity: Annotated[str, Parameter(name="--opacity", help="From 0 to 1: of all, or of each, such as 0.3,1.")] = "1",
    each: Annotated[
        bool, Parameter(name="--each", negative=(), help="One picture a phase: OUT-2.png for phase 2.")
    ] = False,
    slices: Annotated[
        str | None,
        Parameter(name="--slices", help="Draw slices of a volume: middle, of z, y and x, or such as z=10,20,y=5."),
    ] = None,
    turntable: Annotated[
        Path | None, Parameter(name="--turntable", help="Draw the volume turning, too (.gif).")
    ] = None,
    size: VoxelSize = AS_READ,
    json: Json = False,
    overwrite: Overwrite = False,
) -> None:
    """Draw phases of a volume in three dimensions, or of slices, with a scale bar.

    In slices, phases that are not asked for are gray: with `-k`, as gray as they are in IN. No screen is needed.
    Volumes are thinned to at most 256 voxels along an axis, and the picture says so.
    """
    from klevels.cli import surfaces

    surfaces.render(
        path,
        output,
        k=k,
        phases=phases,
        opacity=opacity,
        each=each,
        slices=slices,
        turntable=turntable,
        size=size,
        json=json,
        overwrite=overwrite,
    )


@shown(
    "klevels report labels.tif -o report.html",
    "klevels report labels.tif --gray scan.tif -o report.html --json report.json",
)
def report(
    labels: Annotated[Path, Parameter(name="LABELS", help="Labels: an image or a volume of whole numbers.")],
    /,
    *,
    output: Annotated[Path, Parameter(name=["-o", "--output"], help="The page (.html).")],
    gray: Annotated[
        Path | None,
        Parameter(name="--gray", help="The image that was segmented; by default the one that the record names."),
    ] = None,
    calibrate: Calibrate = None,
    size: VoxelSize = AS_READ,
    json: Annotated[Path | None, Parameter(name="--json", help="Write the content as data, too (.json).")] = None,
    overwrite: Overwrite = False,
    threads: Threads = None,
    running: Running = RUNNING,
) -> None:
    """Report on labels: the scan before and after, its classes, what was measured, and how it was done.

    Writes one page that needs nothing else: it can be read offline, printed and sent. What was segmented is found
    through the record beside the labels, `<labels>.json`; if it is gone or has changed, the page says so.
    """
    from klevels.cli import reports

    reports.report(
        labels,
        output,
        gray=gray,
        calibrate=calibrate,
        size=size,
        json=json,
        overwrite=overwrite,
        threads=threads,
        running=running,
    )
