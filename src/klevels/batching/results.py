"""The folder of a batch's results: what is made there is whole, and what is there already is known by its record."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from klevels import io
from klevels.batching.records import as_json, is_of, read_record
from klevels.batching.summary import FIRST
from klevels.errors import OutputExistsError, WriteError
from klevels.files import check_output, fingerprint, naming_output
from klevels.image import Image
from klevels.locks import LOCK, make_and_lock
from klevels.publishing import flush, give_name
from klevels.recipe import Recipe
from klevels.record import record_path

WORK = ".klevels-batch"
SUMMARY = "summary.csv"
MODEL = "model.json"
State = Literal["new", "begun", "done", "other"]


class Results:
    """The folder of results, at which one batch works at a time.

    Parameters
    ----------
    folder : Path
        It is made if there is none, and removed again if nothing comes of it.

    Raises
    ------
    WriteError
        If it is a file, or cannot be made or written to; OutputExistsError if another batch is at work in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if folder.exists() and not folder.is_dir():
            raise WriteError(f"{folder}: is a file; name a folder for the results")
        self._is_new = not folder.exists()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WriteError(f"{folder}: cannot be made ({error.strerror}); name another folder") from error
        if not os.access(folder, os.W_OK | os.X_OK):
            raise WriteError(f"{folder}: is read-only; name another folder, or change its permissions")
        for name in (SUMMARY, MODEL):
            check_output(folder / name, overwrite=True)
        self._work = folder / WORK
        with naming_output(folder):
            self._lock = make_and_lock(self._work)
            self._empty()  # of what a batch left that was killed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._empty()
            (self._work / LOCK).unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
        with suppress(OSError):
            self._work.rmdir()
            if self._is_new:
                self.folder.rmdir()  # fails, as it shall, where there are results

    def state(self, scan: Path, output: Path, recipe: Recipe) -> State:
        """Tell what there is of the labels of a scan.

        Parameters
        ----------
        scan : Path
            The input.
        output : Path
            Its labels.
        recipe : Recipe
            What is asked.

        Returns
        -------
        {"new", "begun", "done", "other"}
            Nothing; some of it; all of it, made by this recipe from this input; or what is of another recipe, of
            another input, or not of a batch.

        Raises
        ------
        WriteError
            If there cannot be such an output: a folder has its name.
        """
        for path in (output, record_path(output)):
            check_output(path, inputs=(scan,), overwrite=True)
        if not output.exists() and not record_path(output).exists():
            return "new"
        record = read_record(output)
        if record is None or not is_of(record, scan, recipe):
            return "other"
        return "done" if _is_whole(output, record) else "begun"

    def write_labels(self, output: Path, labels: Image, record: Mapping[str, Any]) -> dict[str, Any]:
        """Write labels that are in memory, and the record beside them, which appears first.

        Parameters
        ----------
        output : Path
            The labels.
        labels : Image
            What they are.
        record : mapping
            From `record_for`.

        Returns
        -------
        dict
            The record, with the hash of the labels: it tells whether they are those that lie beside it.
        """
        part = self._work / output.name
        with naming_output(output):
            io.encode(output, labels, part)
            full = {**record, "batch": {**record["batch"], "labels": fingerprint(part)}}
        text = self._make(record_path(output), as_json(full))
        with naming_output(output):
            flush(part)
            give_name(text, record_path(output), self._work, overwrite=True)
            give_name(part, output, self._work, overwrite=True)
        return full

    def write_text(self, name: str, text: str) -> None:
        """Write a small file.

        Parameters
        ----------
        name : str
            In the folder of results.
        text : str
            What it holds.
        """
        path = self.folder / name
        part = self._make(path, text)
        with naming_output(path):
            give_name(part, path, self._work, overwrite=True)

    def check_summary(self) -> None:
        """Refuse to replace a summary that is not that of a batch.

        Raises
        ------
        OutputExistsError
            If there is one.
        """
        path = self.folder / SUMMARY
        if not path.exists():
            return
        with naming_output(path), path.open(encoding="utf-8", errors="replace") as stream:
            if not stream.readline().startswith(f"{FIRST},output,status,"):
                raise OutputExistsError(f"{path}: is not of klevels batch; name another folder, or add --overwrite")

    def check_text(self, name: str, text: str) -> None:
        """Refuse to replace a small file by one that differs.

        Parameters
        ----------
        name : str
            In the folder of results.
        text : str
            What it shall hold.

        Raises
        ------
        OutputExistsError
            If it holds something else.
        """
        path = self.folder / name
        with naming_output(path):
            if path.exists() and path.read_bytes() != text.encode():
                raise OutputExistsError(
                    f"{path}: is of other scans or of another recipe; name another folder, or add --overwrite"
                )

    def _make(self, path: Path, text: str) -> Path:
        part = self._work / path.name
        with naming_output(path):
            part.write_bytes(text.encode())
            flush(part)
        return part

    def _empty(self) -> None:
        for one in self._work.iterdir():
            if one.is_dir():
                shutil.rmtree(one)
            elif one.name != LOCK:
                one.unlink()


def _is_whole(output: Path, record: Mapping[str, Any]) -> bool:
    """Tell whether labels are those of the record; those written block by block are, unless there is a partial run."""
    if not output.exists() or output.with_name(f"{output.name}.partial").exists():
        return False
    known = record["batch"].get("labels")
    return known is None or (output.is_file() and fingerprint(output) == known)
