"""Many scans segmented by one recipe: labels and a record of each, and one table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from klevels.batching.making import Maker, reason_of
from klevels.batching.records import as_json, installed, read_record
from klevels.batching.results import MODEL, SUMMARY, Results, State
from klevels.batching.scans import FORMATS, find_scans, name_outputs
from klevels.batching.summary import Row, as_table, failed_row, row_of
from klevels.core.levels import Levels
from klevels.core.palette import Palette
from klevels.core.table import Table
from klevels.errors import KlevelsError, OutputExistsError, ParameterError, SchedulerError, WriteError
from klevels.files import StrPath
from klevels.io.tables import as_csv
from klevels.recipe import Recipe
from klevels.record import identify, load_recipe, record_of
from klevels.workers import Workers

__all__ = ["FORMATS", "MODEL", "SUMMARY", "Batch", "batch", "find_scans"]


@dataclass(frozen=True, eq=False, repr=False)
class Batch:
    """What came out of a batch.

    Parameters
    ----------
    table : Table
        A row for each scan: file, output, status ("done" or "failed"), k, centers, thresholds and fractions of all
        classes, n_voxels, n_ignored, n_undecided and message, which says what is bad. It is the same when the batch is
        repeated. Centers of several channels are texts.
    failures : mapping of Path to str
        The scans that are bad, and why.
    model : Levels or Palette or None
        The model of all scans; None if each has its own.
    """

    table: Table
    failures: Mapping[Path, str]
    model: Levels | Palette | None = None

    def __repr__(self) -> str:
        return f"Batch({len(self.table) - len(self.failures)} scans done, {len(self.failures)} failed)"


def batch(
    paths: StrPath | Iterable[StrPath],
    recipe: Recipe | StrPath,
    output: StrPath,
    *,
    model: Literal["each", "shared"] = "each",
    format: str = ".tif",
    overwrite: bool = False,
    threads: int | None = None,
    memory: int | None = None,
    client: Any = None,
    progress: Callable[[str], None] | None = None,
) -> Batch:
    """Segment many scans by one recipe, one after the other, and go on after a bad one.

    Parameters
    ----------
    paths : path or iterable of path
        Scans, and patterns such as ``scans/*.tif``: what a pattern matches is sorted so that 2 comes before 10.
    recipe : Recipe or path
        What is asked of each, or the file of it: the record beside an output, too. If it holds a model, that is applied
        to all scans as it is.
    output : path
        The folder for the results: ``<name>.tif`` with its record for each scan, and ``summary.csv``; with a shared
        model ``model.json``, too. It is made if there is none.
    model : {"each", "shared"}
        Whether each scan has its own fit, or one is made for all: of their counts, added. For gray scans of one dtype.
    format : str
        The suffix of the labels, such as ".ome.zarr" or ".nrrd".
    overwrite : bool
        Whether results of another recipe, of inputs that have changed, or of something else are replaced.
    threads : int, optional
        How many threads to use; all processors by default.
    memory : int, optional
        What an image that is not in memory may take of it at a time, in bytes.
    client : distributed.Client, optional
        The dask cluster that does the work, in place of threads of this process.
    progress : callable, optional
        Called with the name of each stage as it begins: one for each scan, with a shared model two.

    Returns
    -------
    Batch
        The table, and what is bad.

    Raises
    ------
    ParameterError
        If an argument is out of its range, or two scans would have outputs of one name.
    InputMissingError
        If no input is there.
    OutputExistsError
        If there are other results in the folder, and `overwrite` is False. Nothing is written then.
    WriteError
        If the folder is a file, or cannot be made or written to; DiskError if the disk is full.

    Notes
    -----
    Scans whose labels are there already, made by the same recipe from the same content, are not done again: a batch
    that was interrupted, or killed, goes on when it is run again, and ends with the same bytes. Labels that are
    written block by block go on where they were. With a shared model the scans are counted again.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from klevels import write
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for i in range(2):
    ...         write(f"{folder}/scan{i}.tif", np.uint8([[0, 1], [i, 9]]))
    ...     found = batch(f"{folder}/*.tif", Recipe(k=2), f"{folder}/results")
    >>> found
    Batch(2 scans done, 0 failed)
    >>> found.table["fraction_0"]
    array([0.75, 0.75])
    """
    if model not in ("each", "shared"):
        raise ParameterError(f"model is {model!r}; use 'each' or 'shared'")
    asked = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    folder = Path(output)
    scans = find_scans(paths, folder)
    outputs = name_outputs(scans, folder, format)
    step = progress or (lambda _: None)
    failures: dict[Path, str] = {}
    with Results(folder) as results:
        maker = Maker(asked, results, Workers(threads, client, memory))
        if not overwrite:
            results.check_summary()
        text = _share(scans, maker, failures, step) if model == "shared" and asked.model is None else None
        states = _states(outputs, maker, results, failures)
        if not overwrite:
            _check_states([outputs[scan] for scan, state in states.items() if state == "other"])
        if text is not None:
            if not overwrite:
                results.check_text(MODEL, text)
            results.write_text(MODEL, text)
        rows: list[Row] = []
        for scan, path in outputs.items():
            step(f"segmenting {scan.name}")
            record = read_record(path) if states.get(scan) == "done" else None
            if record is None and scan not in failures:
                with _noting(scan, failures):
                    record = maker.make(scan, path, resume=not overwrite)
            if record is None:
                stays = f"; {path.name} is of an earlier batch" if path.exists() else ""
                rows.append(failed_row(scan, failures[scan] + stays))
            else:
                rows.append(row_of(scan, path, record))
        table = as_table(rows, asked.n_classes)
        results.write_text(SUMMARY, as_csv(table))
    return Batch(table, failures, maker.recipe.model)


def _share(scans: Sequence[Path], maker: Maker, failures: dict[Path, str], step: Callable[[str], None]) -> str | None:
    """Fit one model to all scans that can be read, and return its record; None if there are no such scans."""
    for scan in scans:
        step(f"counting {scan.name}")
        with _noting(scan, failures):
            maker.count(scan)
    counted = [scan for scan in scans if scan not in failures]
    if not counted:
        return None
    asked = maker.recipe
    mask = None if asked.mask is None else identify(asked.mask)
    record = record_of("fit", asked, maker.share(), [identify(scan) for scan in counted], mask)
    return as_json({**record, "versions": {**record["versions"], **installed()}})


def _states(
    outputs: Mapping[Path, Path], maker: Maker, results: Results, failures: dict[Path, str]
) -> dict[Path, State]:
    """Tell what there is of each scan that is not known to be bad."""
    states = {}
    for scan, path in outputs.items():
        if scan not in failures:
            with _noting(scan, failures):
                states[scan] = results.state(scan, path, maker.recipe)
    return states


@contextmanager
def _noting(scan: Path, failures: dict[Path, str]) -> Iterator[None]:
    """Go on after what is bad about a scan, and note it; not after what is wrong with the outputs, or the workers."""
    try:
        yield
    except (WriteError, SchedulerError):
        raise
    except (KlevelsError, MemoryError) as error:
        failures[scan] = reason_of(scan, error)


def _check_states(others: list[Path]) -> None:
    """Refuse to replace results that are not those that are asked for."""
    if others:
        more = f" (and {len(others) - 1} more)" if len(others) > 1 else ""
        raise OutputExistsError(
            f"{others[0]}{more}: exists already, of another recipe, of an input that has changed, or not of klevels "
            f"batch; name another folder, or add --overwrite (overwrite=True)"
        )
