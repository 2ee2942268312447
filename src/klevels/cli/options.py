"""The options that several commands share, and how their help is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict, TypeVar

from cyclopts import Parameter, Token

from klevels.core.clusters import Quality
from klevels.core.denoise import METHODS, Filter
from klevels.errors import ParameterError
from klevels.lazy import Layout
from klevels.recipe import Borders
from klevels.units import short_unit

Nan = Literal["error", "ignore"]
C = TypeVar("C", bound=Callable[..., Any])


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


def shown(*commands: str) -> Callable[[C], C]:
    """Show commands at the end of a command's help.

    Parameters
    ----------
    *commands : str
        Examples, one a line.

    Returns
    -------
    callable
        What decorates the command.
    """

    def keep(command: C) -> C:
        EXAMPLES[command.__name__] = examples(*commands)
        return command

    return keep


EXAMPLES: dict[str, str] = {}
"""What the help of each command ends with."""

Scan = Annotated[
    Path, Parameter(name="IN", help="An image, a volume, a folder of slices; file.h5::/dataset names what is inside.")
]
Channels = Annotated[
    Path, Parameter(name="IN", help="An image, a volume, or a folder of slices; several are the channels of one.")
]
Gray = Annotated[bool, Parameter(name="--gray", negative=(), help="Read color as gray (luminance).")]
Mask = Annotated[Path | None, Parameter(name="--mask", help="An image that is nonzero where voxels count.")]
Calibrate = Annotated[
    str | None,
    Parameter(name="--calibrate", help="What gray values mean: slope,intercept,unit, or gray=value,gray=value,unit."),
]
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
LABELS_OPTION = Parameter(name=["-o", "--output"], help="The labels (.tif, .ome.zarr, .nrrd, .raw, .png, .npy, .npz).")
Paint = Annotated[Path | None, Parameter(name="--paint", help="Write each voxel its center's gray, or channels.")]
Confidence = Annotated[
    Path | None,
    Parameter(
        name="--confidence", help="Write how much nearer the nearest center is than the next, in units of noise."
    ),
]
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


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Reading:
    """How inputs are read that do not say all of themselves."""

    level: Annotated[
        int, Parameter(name="--level", converter=whole_number, help="Resolution of an OME-Zarr; 0 is the full one.")
    ] = 0
    missing: Annotated[
        str | None,
        Parameter(name="--missing", help="fill=VALUE: what chunks hold that are not there; else they are an error."),
    ] = None
    shape: Annotated[
        tuple[str, ...],
        Parameter(name="--shape", consume_multiple=True, negative=(), help="Of a raw file: " + SHAPE_HELP),
    ] = ()
    dtype: Annotated[str | None, Parameter(name="--dtype", help="Of a raw file, such as uint16.")] = None
    byte_order: Annotated[Literal["little", "big"], Parameter(name="--byte-order", help="Of a raw file.")] = "little"
    offset: Annotated[
        int, Parameter(name="--offset", converter=whole_number, help="Where the values of a raw file begin, in bytes.")
    ] = 0
    spacing: Annotated[
        tuple[str, ...],
        Parameter(name="--spacing", consume_multiple=True, negative=(), help="Of a raw file: the size of a voxel."),
    ] = ()
    unit: Annotated[str | None, Parameter(name="--unit", help="Of --spacing, such as µm.")] = None

    @property
    def fill(self) -> float | None:
        """The value of chunks that are not there."""
        if self.missing is None:
            return None
        try:
            return float(self.missing.removeprefix("fill="))
        except ValueError:
            raise ParameterError(f"--missing is {self.missing!r}; give fill=VALUE, such as fill=0") from None

    @property
    def layout(self) -> Layout | None:
        """What a raw file holds."""
        if not self.shape and self.dtype is None:
            if self.byte_order != "little" or self.offset or self.spacing or self.unit:
                raise ParameterError(
                    "--byte-order, --offset, --spacing and --unit are of raw files here; give --shape and --dtype, "
                    "too, or the size of a voxel where it counts: to klevels measure, mesh, render and report"
                )
            return None
        if not self.shape or self.dtype is None:
            raise ParameterError("a raw file needs both --shape and --dtype, such as --shape 64 512 512 --dtype uint16")
        return Layout(
            shape=tuple(_whole(one, "--shape") for one in _split(self.shape)),
            dtype=self.dtype,
            byte_order=self.byte_order,
            offset=self.offset,
            spacing=tuple(_real(one, "--spacing") for one in _split(self.spacing)) or None,
            unit=None if self.unit is None else short_unit(self.unit),
        )


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Running:
    """Where and how work is done that does not fit into memory."""

    memory: Annotated[
        str | None,
        Parameter(name="--memory", help="What blocks may take, such as 8GB; less than 1 GB by default."),
    ] = None
    scheduler: Annotated[
        str | None, Parameter(name="--scheduler", help="Of a dask cluster, such as tcp://host:8786.")
    ] = None

    @property
    def lazy(self) -> bool | None:
        """Whether inputs stay where they are: always where a cluster reads them, else if they are large."""
        return True if self.scheduler is not None else None

    def place(self, path: Path) -> Path:
        """Return an input's name as the workers know it, who may run in another folder."""
        return path if self.scheduler is None else path.absolute()


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Planned(Running):
    """The same, for work that can be planned."""

    dry_run: Annotated[
        bool, Parameter(name="--dry-run", negative=(), help="Say what it will cost, and do nothing.")
    ] = False


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Resumable(Planned):
    """The same, for work that can be resumed, too."""

    resume: Annotated[bool, Parameter(name="--resume", negative=(), help="Go on where an interrupted run ended.")] = (
        False
    )


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Around:
    """How the voxels around a voxel count."""

    denoise: Annotated[
        str, Parameter(name="--denoise", help=f"auto, none, or METHOD[:STRENGTH], of {', '.join(METHODS)}.")
    ] = "none"
    borders: Annotated[
        bool,
        Parameter(
            name="--borders", negative=(), help="Give border voxels that look like a phase between to a neighbor."
        ),
    ] = False
    undecided: Annotated[
        bool, Parameter(name="--undecided", negative=(), help="Keep such voxels as a class of their own instead.")
    ] = False
    smooth: Annotated[
        str, Parameter(name="--smooth", help="Make labels agree with their neighbors: auto, none, or the weight β.")
    ] = "none"
    reestimate: Annotated[
        bool, Parameter(name="--reestimate", negative=(), help="Estimate the classes anew while labels are smoothed.")
    ] = False

    @property
    def settings(self) -> Settings:
        """The same, as a recipe has them."""
        if self.borders and self.undecided:
            raise ParameterError("both --borders and --undecided are given; give one of them")
        return Settings(
            denoise=None
            if self.denoise == "none"
            else "auto"
            if self.denoise == "auto"
            else Filter.parse(self.denoise),
            borders="resolve" if self.borders else "undecided" if self.undecided else None,
            smooth=None if self.smooth == "none" else "auto" if self.smooth == "auto" else _beta(self.smooth),
            reestimate=self.reestimate,
        )


class Settings(TypedDict):
    """Fields of a recipe."""

    denoise: Filter | Literal["auto"] | None
    borders: Borders | None
    smooth: float | Literal["auto"] | None
    reestimate: bool


READING = Reading()
AROUND = Around()
RUNNING = Running()
PLANNED = Planned()
RESUMABLE = Resumable()


def _split(texts: Sequence[str]) -> list[str]:
    return [part for text in texts for part in text.replace("x", ",").split(",") if part]


def _whole(text: str, name: str) -> int:
    if not text.isdecimal():
        raise ParameterError(f"{name} holds {text!r}; give whole numbers, such as 64 512 512")
    return int(text)


def _beta(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ParameterError(f"--smooth is {text!r}; give auto, none, or a number of 0 or more") from None


def _real(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ParameterError(f"{name} holds {text!r}; give numbers, such as 0.5 0.5 0.5") from None
