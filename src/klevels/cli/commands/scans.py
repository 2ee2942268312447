"""What is done with scans as they are: look, count, denoise, copy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from klevels.cli.options import (
    PLANNED,
    READING,
    RESUMABLE,
    Channels,
    Figure,
    Gray,
    Json,
    Mask,
    NanOption,
    Noise,
    Overwrite,
    Planned,
    Reading,
    Resumable,
    Scan,
    Threads,
    shown,
    whole_number,
)
from klevels.core.denoise import METHODS


@shown(
    "klevels info scan.tif",
)
def info(path: Scan, /, *, json: Json = False, reading: Reading = READING) -> None:
    """Show what a file holds: format, shape, dtype, voxel size, chunks, and how long it takes to read."""
    from klevels.cli import verbs

    verbs.info(path, json=json, reading=reading)


@shown(
    "klevels histogram scan.tif --figure histogram.png",
    "klevels histogram scan.tif -o histogram.npz",
    "klevels histogram scan.ome.zarr --shard 3/64 -o h3.npz",
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


@shown(
    "klevels sweep scan.tif --k-max 16 --figure sweep.png",
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


@shown(
    "klevels denoise scan.tif -o clean.tif",
    "klevels denoise scan.ome.zarr -o clean.ome.zarr --method median --strength 2",
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


@shown(
    "klevels convert scan.tif -o scan.ome.zarr",
    "klevels convert scan.raw --shape 512 512 512 --dtype uint16 --spacing 2 2 2 --unit µm -o scan.ome.zarr",
    "klevels convert labels.tif --labels -o labels.ome.zarr",
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
