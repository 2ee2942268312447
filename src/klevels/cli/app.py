"""The commands and their options. Each turns its input into a Recipe, calls one verb, and presents the result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter, Token

from klevels.version import __version__

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
Paint = Annotated[Path | None, Parameter(name="--paint", help="Write each voxel its center's gray.")]
Noise = Annotated[
    str, Parameter(name="--noise", help="Split noise off first: valley, kmeans, minimum-error, a gray value, or none.")
]

K_MAX_HELP = "The greatest number of classes; 16, or as many as there are gray levels."
KMax = Annotated[int | None, Parameter(name="--k-max", converter=whole_number, help=K_MAX_HELP)]
SHAPE_HELP = "Rows and columns, or slices, rows and columns."
Shape = Annotated[tuple[str, ...], Parameter(name="--shape", consume_multiple=True, negative=(), help=SHAPE_HELP)]

app = App(
    name="klevels",
    help="Exact k-means segmentation of images and volumes: the histogram is the data.",
    version=__version__,
    help_epilogue=examples(
        "klevels segment scan.tif -k 3 -o labels.tif --figure sheet.png",
        "klevels COMMAND --help",
    )
    + "\n\nEvery command takes `--debug`, which shows the traceback of an error. Exit codes: 0 done, 2 usage, "
    "65 bad data, 66 no such input, 71 out of memory, 73 cannot create output, 74 I/O error or disk full, "
    "77 no permission, 130 interrupted.",
    help_format="markdown",
    suppress_keyboard_interrupt=False,
)
app.register_install_completion_command()


@app.command(
    help_epilogue=examples(
        "klevels info scan.tif",
    )
)
def info(path: Scan, /, *, json: Json = False) -> None:
    """Show what a file holds: format, shape, dtype, voxel size."""
    from klevels.cli import verbs

    verbs.info(path, json=json)


@app.command(
    help_epilogue=examples(
        "klevels histogram scan.tif --figure histogram.png",
        "klevels histogram scan.tif -o histogram.npz",
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
    figure: Figure = None,
    json: Json = False,
    overwrite: Overwrite = False,
    threads: Threads = None,
) -> None:
    """Count how often each gray level occurs."""
    from klevels.cli import verbs

    verbs.histogram(
        path, output, mask=mask, nan=nan, gray=gray, figure=figure, json=json, overwrite=overwrite, threads=threads
    )


@app.command(
    help_epilogue=examples(
        "klevels segment scan.tif -k 3 -o labels.tif --figure sheet.png",
        "klevels segment scan.tif -k 3 --noise valley --json",
        "klevels segment other.tif --recipe labels.tif.json -o other-labels.tif",
    )
)
def segment(
    path: Scan,
    /,
    *,
    k: Annotated[int | None, K_OPTION] = None,
    output: Annotated[Path | None, LABELS_OPTION] = None,
    noise: Noise = "none",
    mask: Mask = None,
    nan: NanOption = "error",
    gray: Gray = False,
    figure: Figure = None,
    paint: Paint = None,
    recipe: Annotated[
        Path | None, Parameter(name="--recipe", help="Do again what the record beside an output describes.")
    ] = None,
    json: Json = False,
    overwrite: Overwrite = False,
    threads: Threads = None,
) -> None:
    """Segment an image or a volume into k classes of gray, exactly.

    Labels ascend from dark to bright; 255 marks voxels that were left out. Beside each output lies `<output>.json`,
    the record with which `--recipe` does it again, to the bit.
    """
    from klevels.cli import verbs

    verbs.segment(
        path,
        output,
        k=k,
        noise=noise,
        mask=mask,
        nan=nan,
        gray=gray,
        figure=figure,
        paint=paint,
        recipe=recipe,
        json=json,
        overwrite=overwrite,
        threads=threads,
    )


@app.command(
    help_epilogue=examples(
        "klevels fit a.tif b.tif -k 4 -o model.json",
    )
)
def fit(
    *paths: Annotated[Path, Parameter(name="IN", help="Images, volumes or folders of slices.")],
    k: Annotated[int, K_OPTION],
    output: Annotated[Path, Parameter(name=["-o", "--output"], help="The model (.json).")],
    noise: Noise = "none",
    nan: NanOption = "error",
    gray: Gray = False,
    json: Json = False,
    overwrite: Overwrite = False,
    threads: Threads = None,
) -> None:
    """Fit one model to several scans, pooled into one histogram."""
    from klevels.cli import verbs

    verbs.fit(paths, output, k=k, noise=noise, nan=nan, gray=gray, json=json, overwrite=overwrite, threads=threads)


@app.command(
    help_epilogue=examples(
        "klevels apply model.json b.tif -o b-labels.tif",
    )
)
def apply(
    model: Annotated[Path, Parameter(name="MODEL", help="A model of `klevels fit`, or the record beside an output.")],
    path: Scan,
    /,
    *,
    output: Annotated[Path, LABELS_OPTION],
    mask: Mask = None,
    nan: NanOption = "error",
    gray: Gray = False,
    figure: Figure = None,
    paint: Paint = None,
    json: Json = False,
    overwrite: Overwrite = False,
    threads: Threads = None,
) -> None:
    """Label another scan with a model fitted before."""
    from klevels.cli import verbs

    verbs.apply(
        model,
        path,
        output,
        mask=mask,
        nan=nan,
        gray=gray,
        figure=figure,
        paint=paint,
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
