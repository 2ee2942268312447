"""Photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from klevels.cli.options import (
    Figure,
    Json,
    Overwrite,
    QualityOption,
    RecipeFile,
    Seed,
    Threads,
    shown,
    whole_number,
)
from klevels.core.dither import Dither
from klevels.core.spaces import Space


@shown(
    "klevels posterize photo.jpg -k 8 -o poster.png --figure compare.png --swatches palette.png",
    "klevels posterize photo.jpg --palette colors.gpl --dither blue-noise -o poster.png",
    "klevels posterize a.jpg b.jpg -k 16 -o posters/ --save-palette palette.gpl",
    "klevels posterize photo.jpg --recipe poster.png.json -o again.png",
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
