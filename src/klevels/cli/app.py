"""The commands and their options. Each turns its input into a Recipe, calls one verb, and presents the result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from klevels.cli.options import (
    AROUND,
    K_OPTION,
    LABELS_OPTION,
    PLANNED,
    READING,
    RESUMABLE,
    RUNNING,
    Around,
    Calibrate,
    Channels,
    Confidence,
    Figure,
    Gray,
    Json,
    Mask,
    NanOption,
    Noise,
    Normalize,
    Overwrite,
    Paint,
    Planned,
    QualityOption,
    Reading,
    RecipeFile,
    Resumable,
    Running,
    Scan,
    Seed,
    Shape,
    Threads,
    examples,
    whole_number,
)
from klevels.core.denoise import METHODS
from klevels.core.dither import Dither
from klevels.core.mesh_files import MESH_SUFFIXES
from klevels.core.spaces import Space
from klevels.version import __version__

app = App(
    name="klevels",
    help="Exact k-means segmentation of images and volumes, and color quantization: the histogram is the data.",
    version=__version__,
    help_epilogue=examples(
        "klevels segment scan.tif -k 3 -o labels.tif --figure sheet.png",
        "klevels posterize photo.jpg -k 8 -o poster.png",
        "klevels COMMAND --help",
    )
    + "\n\nEvery command takes `--debug`, which shows the traceback of an error. Exit codes: 0 done, 2 usage, "
    "65 bad data, 66 no such input, 71 out of memory, 73 cannot create output, 74 I/O error or disk full, "
    "75 try again, with `--resume`, 77 no permission, 130 interrupted.",
    help_format="markdown",
    suppress_keyboard_interrupt=False,
)
app.register_install_completion_command()


@app.command(
    help_epilogue=examples(
        "klevels info scan.tif",
    )
)
def info(path: Scan, /, *, json: Json = False, reading: Reading = READING) -> None:
    """Show what a file holds: format, shape, dtype, voxel size, chunks, and how long it takes to read."""
    from klevels.cli import verbs

    verbs.info(path, json=json, reading=reading)


@app.command(
    help_epilogue=examples(
        "klevels histogram scan.tif --figure histogram.png",
        "klevels histogram scan.tif -o histogram.npz",
        "klevels histogram scan.ome.zarr --shard 3/64 -o h3.npz",
    )
)
def histogram(
    path: Scan,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["-o", "--output"], help="Save the histogram (.npz).")] = None,
    mask: Mask = None,
    nan: NanOption = "error",
    gray: Gray = False,
    shard: Annotated[
        str | None, Parameter(name="--shard", help="Count one of n parts only, such as 3/64; klevels fit adds them.")
    ] = None,
    figure: Figure = None,
    json: Json = False,
    overwrite: Overwrite = False,
    threads: Threads = None,
    reading: Reading = READING,
    running: Planned = PLANNED,
) -> None:
    """Count how often each gray level occurs; histograms of parts add up to that of the whole."""
    from klevels.cli import verbs

    verbs.histogram(
        path,
        output,
        mask=mask,
        nan=nan,
        gray=gray,
        shard=shard,
        figure=figure,
        json=json,
        overwrite=overwrite,
        threads=threads,
        reading=reading,
        running=running,
    )


@app.command(
    help_epilogue=examples(
        "klevels segment scan.tif -k 3 -o labels.tif --figure sheet.png",
        "klevels segment scan.tif -k 3 --noise valley --json",
        "klevels segment scan.tif -k 3 -o labels.tif --report report.html",
        "klevels segment scan.tif -k 3 --denoise auto --smooth auto -o labels.tif",
        "klevels segment low.tif high.tif -k 4 --normalize -o labels.tif",
        "klevels segment other.tif --recipe labels.tif.json -o other-labels.tif",
        "klevels segment large.ome.zarr -k 4 -o labels.ome.zarr --memory 8GB --resume",
        "klevels segment scan.h5::/entry/data -k 3 -o labels.tif --scheduler tcp://host:8786",
    )
)
def segment(
    *paths: Channels,
    k: Annotated[int | None, K_OPTION] = None,
    output: Annotated[Path | None, LABELS_OPTION] = None,
    noise: Noise = "none",
    mask: Mask = None,
    nan: NanOption = "error",
    gray: Gray = False,
    normalize: Normalize = False,
    quality: QualityOption = "default",
    seed: Seed = 0,
    around: Around = AROUND,
    confidence: Confidence = None,
    figure: Figure = None,
    paint: Paint = None,
    report: Annotated[Path | None, Parameter(name="--report", help="Write a report to hand on (.html).")] = None,
    recipe: RecipeFile = None,
    json: Json = False,
    overwrite: Overwrite = False,
    threads: Threads = None,
    reading: Reading = READING,
    running: Resumable = RESUMABLE,
) -> None:
    """Segment an image or a volume into k classes: of gray exactly, of several channels by a search.

    Labels ascend from dark to bright; 255 marks voxels that were left out. An image with channels, such as a color
    photograph, is clustered by all of them, unless `--gray` is given; so are several gray files of one shape, which are
    taken for the channels of one scan. Beside each output lies `<output>.json`, the record with which `--recipe` does
    it again, to the bit. What does not fit into memory is read and written block by block; `--resume` goes on where
    such a run was interrupted.
    """
    from klevels.cli import segments

    segments.segment(
        paths,
        output,
        k=k,
        noise=noise,
        mask=mask,
        nan=nan,
        gray=gray,
        normalize=normalize,
        quality=quality,
        seed=seed,
        around=around,
        confidence=confidence,
        figure=figure,
        paint=paint,
        report=report,
        recipe=recipe,
        json=json,
        overwrite=overwrite,
        threads=threads,
        reading=reading,
        running=running,
    )


@app.command(
    help_epilogue=examples(
        "klevels fit a.tif b.tif -k 4 -o model.json",
        "klevels fit h1.npz h2.npz -k 4 -o model.json",
    )
)
def fit(
    *paths: Annotated[Path, Parameter(name="IN", help="Images, volumes, folders of slices, or histograms.")],
    k: Annotated[int, K_OPTION],
    output: Annotated[Path, Parameter(name=["-o", "--output"], help="The model (.json).")],
    noise: Noise = "none",
    nan: NanOption = "error",
    gray: Gray = False,
    normalize: Normalize = False,
    quality: QualityOption = "default",
    seed: Seed = 0,
    json: Json = False,
    overwrite: Overwrite = False,
    threads: Threads = None,
    reading: Reading = READING,
    running: Running = RUNNING,
) -> None:
    """Fit one model to several scans, pooled: gray ones, or all of as many channels.

    Each file is a scan of its own, with its channels in it; `klevels segment` takes several files as channels, and its
    record is a model, too.
    """
    from klevels.cli import segments

    segments.fit(
        paths,
        output,
        k=k,
        noise=noise,
        nan=nan,
        gray=gray,
        normalize=normalize,
        quality=quality,
        seed=seed,
        json=json,
        overwrite=overwrite,
        threads=threads,
        reading=reading,
        running=running,
    )


@app.command(
    help_epilogue=examples(
        "klevels apply model.json b.tif -o b-labels.tif",
        "klevels apply labels.tif.json low2.tif high2.tif -o labels2.tif",
    )
)
def apply(
    model: Annotated[
        Path,
        Parameter(name="MODEL", help="A model of `klevels fit`, the record beside an output, or a palette (.json)."),
    ],
    /,
    *paths: Channels,
    output: Annotated[Path, LABELS_OPTION],
    mask: Mask = None,
    nan: NanOption = "error",
    gray: Gray = False,
    around: Around = AROUND,
    figure: Figure = None,
    paint: Paint = None,
    json: Json = False,
    overwrite: Overwrite = False,
    threads: Threads = None,
    reading: Reading = READING,
    running: Resumable = RESUMABLE,
) -> None:
    """Label another scan with a model fitted before."""
    from klevels.cli import segments

    segments.apply(
        model,
        paths,
        output,
        mask=mask,
        nan=nan,
        gray=gray,
        around=around,
        figure=figure,
        paint=paint,
        json=json,
        overwrite=overwrite,
        threads=threads,
        reading=reading,
        running=running,
    )


@app.command(
    help_epilogue=examples(
        "klevels batch 'scans/*.tif' -k 3 -o results",
        "klevels batch 'scans/*.tif' --recipe labels.tif.json --model shared -o results",
        "klevels batch a.nrrd b.nrrd -k 3 --denoise auto --format .ome.zarr -o results",
    )
)
def batch(
    *paths: Annotated[
        Path, Parameter(name="IN", help="Scans, or patterns in quotes, which are matched and sorted: 2 before 10.")
    ],
    output: Annotated[Path, Parameter(name=["-o", "--output"], help="The folder for the results.")],
    recipe: RecipeFile = None,
    k: Annotated[int | None, K_OPTION] = None,
    model: Annotated[
        Literal["each", "shared"],
        Parameter(name="--model", help="A fit for each scan, or one for the counts of all: gray scans of one dtype."),
    ] = "each",
    format: Annotated[
        str, Parameter(name="--format", help="Of the labels: .tif, .ome.zarr, .nrrd, .raw, .png, .npy or .npz.")
    ] = ".tif",
    noise: Noise = "none",
    mask: Mask = None,
    nan: NanOption = "error",
    gray: Gray = False,
    around: Around = AROUND,
    json: Json = False,
    overwrite: Overwrite = False,
    threads: Threads = None,
    reading: Reading = READING,
    running: Running = RUNNING,
) -> None:
    """Segment many scans by one recipe: labels and a record of each, and one table, `summary.csv`.

    Goes on after a bad scan, lists those at the end on stderr, and exits with 65 then; with 0 only if all are well, and
    with 66 if no input matches. Run again, it goes on: scans whose labels are there, whole and made by the same recipe
    from the same input, are not done again. Labels of another recipe or input are replaced with `--overwrite` only;
    without it, nothing is written then. If the recipe holds a model, that is applied to all scans as it is.
    """
    from klevels.cli import batches

    batches.batch(
        paths,
        output,
        recipe=recipe,
        k=k,
        model=model,
        format=format,
        noise=noise,
        mask=mask,
        nan=nan,
        gray=gray,
        around=around,
        json=json,
        overwrite=overwrite,
        threads=threads,
        reading=reading,
        running=running,
    )


@app.command(
    help_epilogue=examples(
        "klevels posterize photo.jpg -k 8 -o poster.png --figure compare.png --swatches palette.png",
        "klevels posterize photo.jpg --palette colors.gpl --dither blue-noise -o poster.png",
        "klevels posterize a.jpg b.jpg -k 16 -o posters/ --save-palette palette.gpl",
        "klevels posterize photo.jpg --recipe poster.png.json -o again.png",
    )
)
def posterize(
    *paths: Annotated[Path, Parameter(name="IN", help="Photographs; several share one palette.")],
    k: Annotated[
        int | None, Parameter(name="-k", converter=whole_number, help="Number of colors; that of a palette is known.")
    ] = None,
    output: Annotated[
        Path | None,
        Parameter(
            name=["-o", "--output"], help="The poster (.png, .tif, .ome.zarr, .npz); for several a folder of PNG."
        ),
    ] = None,
    space: Annotated[
        Space | None, Parameter(name="--space", help="Where colors are compared; rgb, or as the palette has it.")
    ] = None,
    quality: QualityOption = "default",
    palette: Annotated[
        Path | None,
        Parameter(name="--palette", help="Use these colors: .json, .gpl, .hex, .txt, or the record of a poster."),
    ] = None,
    dither: Annotated[Dither, Parameter(name="--dither", help="How colors between those are mixed.")] = "none",
    frame: Annotated[
        int | None, Parameter(name="--frame", converter=whole_number, help="Of an animation, counted from 0.")
    ] = None,
    seed: Seed = 0,
    swatches: Annotated[
        Path | None, Parameter(name="--swatches", help="Draw the palette with its shares (.png, .svg or .pdf).")
    ] = None,
    save_palette: Annotated[
        Path | None, Parameter(name="--save-palette", help="Write the palette (.json, .gpl, .hex, .txt).")
    ] = None,
    figure: Figure = None,
    recipe: RecipeFile = None,
    json: Json = False,
    overwrite: Overwrite = False,
    threads: Threads = None,
) -> None:
    """Paint photographs in few colors, the best for them.

    The poster is 8-bit where the photograph is and 16-bit where that is; transparency and color profile are kept, and
    PNG of 8-bit color is indexed up to 256 colors. Beside each output lies `<output>.json`, the record with which
    `--recipe` does it again, to the bit.
    """
    from klevels.cli import posters

    posters.posterize(
        paths,
        output,
        k=k,
        space=space,
        quality=quality,
        palette=palette,
        dither=dither,
        frame=frame,
        seed=seed,
        swatches=swatches,
        save_palette=save_palette,
        figure=figure,
        recipe=recipe,
        json=json,
        overwrite=overwrite,
        threads=threads,
    )


@app.command(
    help_epilogue=examples(
        "klevels sweep scan.tif --k-max 16 --figure sweep.png",
    )
)
def sweep(
    path: Scan,
    /,
    *,
    k_max: Annotated[
        int, Parameter(name="--k-max", converter=whole_number, help="The greatest number of classes.")
    ] = 16,
    noise: Noise = "none",
    mask: Mask = None,
    nan: NanOption = "error",
    gray: Gray = False,
    figure: Figure = None,
    json: Json = False,
    overwrite: Overwrite = False,
    threads: Threads = None,
    reading: Reading = READING,
    running: Planned = PLANNED,
) -> None:
    """Show what every number of classes costs and explains; advice, not a decision."""
    from klevels.cli import verbs

    verbs.sweep(
        path,
        k_max=k_max,
        noise=noise,
        mask=mask,
        nan=nan,
        gray=gray,
        figure=figure,
        json=json,
        overwrite=overwrite,
        threads=threads,
        reading=reading,
        running=running,
    )


@app.command(
    help_epilogue=examples(
        "klevels denoise scan.tif -o clean.tif",
        "klevels denoise scan.ome.zarr -o clean.ome.zarr --method median --strength 2",
    )
)
def denoise(
    path: Channels,
    /,
    *,
    output: Annotated[Path, Parameter(name=["-o", "--output"], help="The denoised image.")],
    method: Annotated[str, Parameter(name="--method", help=f"auto, or one of {', '.join(METHODS)}.")] = "auto",
    strength: Annotated[
        float | None,
        Parameter(
            name="--strength", help="In gray values; of median and gaussian, in voxels. From the noise by default."
        ),
    ] = None,
    mask: Mask = None,
    gray: Gray = False,
    json: Json = False,
    overwrite: Overwrite = False,
    threads: Threads = None,
    reading: Reading = READING,
    running: Resumable = RESUMABLE,
) -> None:
    """Take noise from an image or a volume."""
    from klevels.cli import denoisings

    denoisings.denoise(
        path,
        output,
        method=method,
        strength=strength,
        mask=mask,
        gray=gray,
        json=json,
        overwrite=overwrite,
        threads=threads,
        reading=reading,
        running=running,
    )


@app.command(
    help_epilogue=examples(
        "klevels compare labels.tif truth.tif",
        "klevels compare labels.tif truth.tif --match --mask region.tif --json",
    )
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


@app.command(
    help_epilogue=examples(
        "klevels measure labels.tif",
        "klevels measure labels.tif --gray scan.tif -o phases.csv",
        "klevels measure labels.tif --gray scan.tif --calibrate 0=-1000,20000=0,HU --json",
        "klevels measure labels.tif --objects --phase 1 -o grains.csv",
    )
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
        json=json,
        overwrite=overwrite,
        threads=threads,
        running=running,
    )


@app.command(
    help_epilogue=examples(
        "klevels mesh labels.tif --phase 2 -o bone.stl",
        "klevels mesh labels.tif --phase 2 -o bone.glb --smooth 20 --faces 50000",
    )
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
    json: Json = False,
    overwrite: Overwrite = False,
) -> None:
    """Write the surface of a phase as triangles: closed, in the unit of the voxel size, x, y and z in this order.

    20 times smooth what looks like stairs, and change the volume of what is thicker than some voxels by little; area
    and volume are printed.
    """
    from klevels.cli import surfaces

    surfaces.mesh(labels, output, phase=phase, smooth=smooth, n_faces=faces, json=json, overwrite=overwrite)


@app.command(
    help_epilogue=examples(
        "klevels render labels.tif -o bone.png --phases 3",
        "klevels render labels.tif -o both.png --phases 2,3 --opacity 0.3,1 --turntable both.gif",
        "klevels render labels.tif -o phase.png --each --slices middle",
        "klevels render scan.tif -k 3 -o bright.png --phases 2",
    )
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
        json=json,
        overwrite=overwrite,
    )


@app.command(
    help_epilogue=examples(
        "klevels report labels.tif -o report.html",
        "klevels report labels.tif --gray scan.tif -o report.html --json report.json",
    )
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
        json=json,
        overwrite=overwrite,
        threads=threads,
        running=running,
    )


@app.command(
    help_epilogue=examples(
        "klevels study scan.tif -k 3 -o study",
        "klevels study scan.tif -k 4 --truth by-hand.tif --methods nlm median:2 -o study",
    )
)
def study(
    path: Scan,
    /,
    *,
    k: Annotated[int, K_OPTION],
    output: Annotated[Path, Parameter(name=["-o", "--output"], help="The folder to fill.")],
    truth: Annotated[
        Path | None, Parameter(name="--truth", help="The true labels, from dark to bright; simulated by default.")
    ] = None,
    methods: Annotated[
        tuple[str, ...],
        Parameter(
            name="--methods",
            consume_multiple=True,
            negative=(),
            help=f"The filters to try, METHOD or METHOD:STRENGTH; all by default: {', '.join(METHODS)}.",
        ),
    ] = (),
    noise: Noise = "none",
    mask: Mask = None,
    nan: NanOption = "error",
    gray: Gray = False,
    seed: Annotated[int, Parameter(name="--seed", converter=whole_number, help="Of the simulated scan.")] = 0,
    every: Annotated[bool, Parameter(name="--all", negative=(), help="List every row.")] = False,
    json: Json = False,
    overwrite: Overwrite = False,
    threads: Threads = None,
    reading: Reading = READING,
) -> None:
    """Measure what denoising, and agreement with neighbors, change in the segmentation of a scan.

    Segments it without denoising and with each filter at several strengths, with smoothed labels and without, and
    compares the labels with a truth, or with that of a simulated scan that is like this one. Fills a folder with a
    figure, a table and a record, and prints the command that does best.
    """
    from klevels.cli import studies

    studies.study(
        path,
        output,
        k=k,
        truth=truth,
        methods=methods,
        noise=noise,
        mask=mask,
        nan=nan,
        gray=gray,
        seed=seed,
        every=every,
        json=json,
        overwrite=overwrite,
        threads=threads,
        reading=reading,
    )


@app.command(
    help_epilogue=examples(
        "klevels convert scan.tif -o scan.ome.zarr",
        "klevels convert scan.raw --shape 512 512 512 --dtype uint16 --spacing 2 2 2 --unit µm -o scan.ome.zarr",
        "klevels convert labels.tif --labels -o labels.ome.zarr",
    )
)
def convert(
    path: Scan,
    /,
    *,
    output: Annotated[
        Path, Parameter(name=["-o", "--output"], help="The copy (.ome.zarr, .tif, .nrrd, .raw, .png, .npy, .npz).")
    ],
    gray: Gray = False,
    labels: Annotated[
        bool, Parameter(name="--labels", negative=(), help="The image holds labels: its pyramid must not mix them.")
    ] = False,
    json: Json = False,
    overwrite: Overwrite = False,
    threads: Threads = None,
    reading: Reading = READING,
    running: Resumable = RESUMABLE,
) -> None:
    """Copy an image to another format, block by block; an OME-Zarr gets a pyramid."""
    from klevels.cli import verbs

    verbs.convert(
        path,
        output,
        gray=gray,
        labels=labels,
        json=json,
        overwrite=overwrite,
        threads=threads,
        reading=reading,
        running=running,
    )


@app.command(
    help_epilogue=examples(
        "klevels demo -o demo",
    )
)
def demo(
    *,
    output: Annotated[Path, Parameter(name=["-o", "--output"], help="The folder to fill.")] = Path("demo"),
    shape: Shape = ("512", "512"),
    seed: Annotated[int, Parameter(name="--seed", converter=whole_number, help="Another seed, another scan.")] = 0,
    json: Json = False,
    overwrite: Overwrite = False,
) -> None:
    """Simulate a micro-CT scan with a known truth, segment it, and draw the figures."""
    from klevels.cli import verbs

    verbs.demo(output, shape=shape, seed=seed, json=json, overwrite=overwrite)
