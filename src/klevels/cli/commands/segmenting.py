"""From scans to labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from klevels.cli.options import (
    AROUND,
    K_OPTION,
    LABELS_OPTION,
    READING,
    RESUMABLE,
    RUNNING,
    Around,
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
    QualityOption,
    Reading,
    RecipeFile,
    Resumable,
    Running,
    Scan,
    Seed,
    Shape,
    Threads,
    shown,
    whole_number,
)
from klevels.core.denoise import METHODS


@shown(
    "klevels segment scan.tif -k 3 -o labels.tif --figure sheet.png",
    "klevels segment scan.tif -k 3 --noise valley --json",
    "klevels segment scan.tif -k 3 -o labels.tif --report report.html",
    "klevels segment scan.tif -k 3 --denoise auto --smooth auto -o labels.tif",
    "klevels segment low.tif high.tif -k 4 --normalize -o labels.tif",
    "klevels segment other.tif --recipe labels.tif.json -o other-labels.tif",
    "klevels segment large.ome.zarr -k 4 -o labels.ome.zarr --memory 8GB --resume",
    "klevels segment scan.h5::/entry/data -k 3 -o labels.tif --scheduler tcp://host:8786",
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


@shown(
    "klevels fit a.tif b.tif -k 4 -o model.json",
    "klevels fit h1.npz h2.npz -k 4 -o model.json",
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


@shown(
    "klevels apply model.json b.tif -o b-labels.tif",
    "klevels apply labels.tif.json low2.tif high2.tif -o labels2.tif",
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


@shown(
    "klevels batch 'scans/*.tif' -k 3 -o results",
    "klevels batch 'scans/*.tif' --recipe labels.tif.json --model shared -o results",
    "klevels batch a.nrrd b.nrrd -k 3 --denoise auto --format .ome.zarr -o results",
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


@shown(
    "klevels study scan.tif -k 3 -o study",
    "klevels study scan.tif -k 4 --truth by-hand.tif --methods nlm median:2 -o study",
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


@shown(
    "klevels demo -o demo",
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
