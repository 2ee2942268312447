"""The options that several commands share, and how their help is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter, Token

from klevels.core.clusters import Quality

Nan = Literal["error", "ignore"]


def whole_number(kind: object, tokens: Sequence[Token]) -> int:
    """Return an integer; cyclopts would cut 2.5 to 2.

    Parameters
    ----------
    kind : object
        The type that the option is annotated with.
    tokens : sequence of Token
        What was given.

    Returns
    -------
    int
        The number.
    """
    del kind
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"{tokens[0].value!r} is not an integer") from None


def examples(*commands: str) -> str:
    """Return commands as a block of Markdown.

    Parameters
    ----------
    *commands : str
        One a line.

    Returns
    -------
    str
        For a help text.
    """
    return "Examples:\n\n" + "\n".join(f"    {command}" for command in commands)


Scan = Annotated[Path, Parameter(name="IN", help="An image, a volume, or a folder of slices.")]
Channels = Annotated[
    Path, Parameter(name="IN", help="An image, a volume, or a folder of slices; several are the channels of one.")
]
Gray = Annotated[bool, Parameter(name="--gray", negative=(), help="Read color as gray (luminance).")]
Mask = Annotated[Path | None, Parameter(name="--mask", help="An image that is nonzero where voxels count.")]
NanOption = Annotated[Nan, Parameter(name="--nan", help="Whether NaN voxels are refused or left out.")]
Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print one JSON object on stdout.")]
Overwrite = Annotated[bool, Parameter(name="--overwrite", negative=(), help="Replace outputs that exist.")]
Threads = Annotated[
    int | None, Parameter(name="--threads", converter=whole_number, help="How many to use; all by default.")
]
Figure = Annotated[Path | None, Parameter(name="--figure", help="Draw a figure (.png, .svg or .pdf).")]
K_OPTION = Parameter(
    name="-k", converter=whole_number, help="Number of classes; of the signal, where noise is split off."
)
LABELS_OPTION = Parameter(name=["-o", "--output"], help="The labels (.tif, .png, .npy, .npz).")
Paint = Annotated[Path | None, Parameter(name="--paint", help="Write each voxel its center's gray, or channels.")]
Noise = Annotated[
    str, Parameter(name="--noise", help="Split noise off first: valley, kmeans, minimum-error, a gray value, or none.")
]
RecipeFile = Annotated[
    Path | None, Parameter(name="--recipe", help="Do again what the record beside an output describes.")
]
Normalize = Annotated[
    bool, Parameter(name="--normalize", negative=(), help="Divide each channel by its standard deviation first.")
]
QualityOption = Annotated[
    Quality, Parameter(name="--quality", help="How long to search, where there is more than one channel.")
]
Seed = Annotated[int, Parameter(name="--seed", converter=whole_number, help="Of the search; one seed, one result.")]
SHAPE_HELP = "Rows and columns, or slices, rows and columns."
Shape = Annotated[tuple[str, ...], Parameter(name="--shape", consume_multiple=True, negative=(), help=SHAPE_HELP)]
