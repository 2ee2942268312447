"""What an interrupted run leaves beside its outputs: a folder, ``<out>.partial``, from which it can be resumed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from klevels.errors import DataError, DataTypeError, KlevelsError, OutputExistsError, ParameterError, ReadError
from klevels.files import naming_output
from klevels.locks import LOCK, make_and_lock
from klevels.publishing import flush, give_name
from klevels.record import record_path

STATE = "run.json"
DONE = "done"
MARKS_A_FOLDER = 1000
REFUSALS = (ParameterError, DataError, DataTypeError, ReadError)
"""Errors that say that the run cannot be done as it was asked."""


class Partial:
    """The folder beside an output in which it is made, until it is complete and gets its name.

    Parameters
    ----------
    output : Path
        The first output of the run.
    fingerprint : mapping
        What must be the same for the run to be resumed: inputs and recipe, ready for JSON.
    resume : bool
        Whether to go on where an interrupted run ended, if there was one.
    overwrite : bool
        Whether to remove what an interrupted run left.

    Raises
    ------
    OutputExistsError
        If an interrupted run left something, and it shall neither be resumed nor removed, or was another run; or if
        another process is at it.
    """

    def __init__(self, output: Path, fingerprint: Mapping[str, Any], *, resume: bool, overwrite: bool) -> None:
        target = Path(os.path.realpath(output))
        self.output = output
        self.path = target.with_name(f"{target.name}.partial")
        self.is_resumed = False
        self.state: dict[str, Any] = {}
        with naming_output(output):
            self._lock = make_and_lock(self.path)
            try:
                self._take_up(json.loads(json.dumps(fingerprint)), resume=resume, overwrite=overwrite)
            except BaseException:
                self.release()
                raise

    @property
    def is_complete(self) -> bool:
        """Whether all outputs are made, and only their names are missing."""
        return bool(self.state.get("complete"))

    def parts(self, outputs: Iterable[Path]) -> dict[Path, Path]:
        """Return where in the folder each output is made.

        Parameters
        ----------
        outputs : iterable of Path
            All of them: they may have one name in several folders.

        Returns
        -------
        dict of Path to Path
            Files or folders with the suffixes of the outputs.
        """
        return {output: self.path / f"{number}-{output.name}" for number, output in enumerate(outputs)}

    def save(self, facts: Mapping[str, Any]) -> None:
        """Remember facts about the run, for when it is resumed.

        Parameters
        ----------
        facts : mapping
            Ready for JSON.
        """
        self.state |= facts
        with naming_output(self.output):
            part = self.path / f".{STATE}"
            part.write_text(json.dumps(self.state), encoding="utf-8")
            part.replace(self.path / STATE)

    def cut(self, chunks: object, stage: str = DONE) -> None:
        """Forget what is done if it was done in other blocks: with other memory or threads, they have other numbers.

        Parameters
        ----------
        chunks : object
            The lengths of all blocks along each axis.
        stage : str
            Of what they are blocks, where a run does several things with them.
        """
        blocks = hashlib.sha256(repr(chunks).encode()).hexdigest()
        name = f"blocks of {stage}"
        if self.state.get(name, blocks) != blocks:
            with naming_output(self.output):
                shutil.rmtree(self.path / stage, ignore_errors=True)
        with naming_output(self.output):
            (self.path / stage).mkdir(exist_ok=True)
        self.save({name: blocks})

    def done(self, stage: str = DONE) -> dict[int, Any]:
        """Return what was noted of the blocks that are done.

        Parameters
        ----------
        stage : str
            As `cut` had it.

        Returns
        -------
        dict of int to object
            What `mark` was given for each.
        """
        found = {}
        for mark in (self.path / stage).glob("*/*.json"):
            found[int(mark.stem)] = json.loads(mark.read_text(encoding="utf-8"))
        return found

    def complete(self, parts: Mapping[Path, Path], texts: Mapping[Path, str], facts: Mapping[str, Any]) -> None:
        """Note that all outputs are made.

        Parameters
        ----------
        parts : mapping of Path to Path
            As `parts` returned them.
        texts : mapping of Path to str
            The record of each output that has one.
        facts : mapping
            What else to remember; see `save`.
        """
        for output, text in texts.items():
            with naming_output(output):
                _record(parts[output]).write_text(text, encoding="utf-8")
                flush(_record(parts[output]))
        for output, part in parts.items():
            with naming_output(output):
                flush(part)
        self.save({**facts, "complete": True})

    def publish(self, parts: Mapping[Path, Path], *, overwrite: bool) -> None:
        """Give the complete outputs their names, records first and the first output last, and remove the folder.

        Parameters
        ----------
        parts : mapping of Path to Path
            As `parts` returned them; those that have their names already, from the interrupted run, are left out.
        overwrite : bool
            Whether outputs that are there are replaced.
        """
        for output, part in reversed(list(parts.items())):
            with naming_output(output):
                for one, name in ((_record(part), record_path(output)), (part, output)):
                    if one.exists():
                        give_name(one, Path(os.path.realpath(name)), self.path, overwrite=overwrite)
        self.remove()

    def remove(self) -> None:
        """Remove the folder and all that is in it.

        Notes
        -----
        The state goes after all else: if this process is killed meanwhile, the next one knows what is left. The lock
        goes last: nobody can begin in this folder while it is being emptied.
        """
        with suppress(KlevelsError):  # on a full disk, too
            self.save({"begun": self.is_complete})
        with suppress(OSError):
            self._empty({STATE, LOCK})
            (self.path / STATE).unlink(missing_ok=True)
            (self.path / LOCK).unlink(missing_ok=True)
        self.release()
        with suppress(OSError):  # it is not empty if another run has begun in it just now
            self.path.rmdir()

    def release(self) -> None:
        """Let other processes resume the run."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextmanager
    def kept_if_resumable(self) -> Iterator[Self]:
        """Remove the folder after a refusal, while nothing is lost by that; keep it after all other errors.

        Yields
        ------
        Partial
            This one.

        Notes
        -----
        Nothing is lost if this run began it and no block is done. What is resumed stays: perhaps only that was refused.
        """
        try:
            yield self
        except KeyboardInterrupt as error:
            self.release()
            raise KeyboardInterrupt(f"interrupted; {self.path} keeps what is done: add --resume to go on") from error
        except BaseException as error:
            is_costly = self.is_resumed or self.is_complete or any((self.path / DONE).glob("*/*.json"))
            if isinstance(error, REFUSALS) and not is_costly:
                self.remove()
            self.release()
            raise

    def _take_up(self, wanted: dict[str, Any], *, resume: bool, overwrite: bool) -> None:
        """Go on where an interrupted run ended, or begin anew, as is asked."""
        found = _state(self.path)
        is_begun = bool(found.get("begun"))
        if is_begun and not (resume or overwrite):
            raise OutputExistsError(
                f"{self.path}: an interrupted run left this; add --resume to go on, or --overwrite to begin anew"
            )
        if is_begun and resume and found.get("fingerprint") != wanted:
            raise OutputExistsError(
                f"{self.path}: is of a run with {_difference(found.get('fingerprint'), wanted)}; "
                f"repeat that run with --resume, or add --overwrite without --resume to begin anew"
            )
        self.is_resumed = is_begun and resume
        self.state = found if self.is_resumed else {"fingerprint": wanted}
        if not self.is_resumed:
            self._clear(is_ours=bool(found))
        (self.path / DONE).mkdir(exist_ok=True)

    def _clear(self, *, is_ours: bool) -> None:
        """Begin anew; but leave alone what is of somebody else, who has a folder of this name."""
        strange = [one for one in self.path.iterdir() if one.name not in (LOCK, DONE, f".{STATE}", STATE)]
        if strange and not is_ours:
            raise OutputExistsError(f"{strange[0]}: is not of klevels; move {self.path} away, or name another output")
        self.save({})
        self._empty({STATE, LOCK})

    def _empty(self, kept: set[str]) -> None:
        for one in self.path.iterdir():
            if one.is_dir() and not one.is_symlink():
                shutil.rmtree(one)
            elif one.name not in kept:
                one.unlink()


def is_complete(output: Path) -> bool:
    """Tell whether an interrupted run had made all outputs, and given some of them their names perhaps.

    Parameters
    ----------
    output : Path
        The first output of the run.

    Returns
    -------
    bool
        True if it is only to be resumed.
    """
    target = Path(os.path.realpath(output))
    return bool(_state(target.with_name(f"{target.name}.partial")).get("complete"))


def mark(folder: Path, number: int, note: object, stage: str = DONE) -> None:
    """Note that a block is done; any process may do it.

    Parameters
    ----------
    folder : Path
        `Partial.path`.
    number : int
        Of the block.
    note : object
        What to remember of it, ready for JSON.
    stage : str
        As `Partial.cut` had it.
    """
    place = folder / stage / str(number // MARKS_A_FOLDER)
    place.mkdir(exist_ok=True)
    part = place / f".{number}-{os.urandom(4).hex()}"
    part.write_text(json.dumps(note), encoding="utf-8")
    part.replace(place / f"{number}.json")


def _state(folder: Path) -> dict[str, Any]:
    """Return what a run noted; nothing if there was none."""
    try:
        stored = json.loads((folder / STATE).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}


def _record(part: Path) -> Path:
    return part.with_name(f"record-{part.name}")


def _difference(found: object, wanted: Mapping[str, Any]) -> str:
    if not isinstance(found, dict):
        return "nothing in common"
    other = [name for name in sorted({*found, *wanted}) if found.get(name) != wanted.get(name)]
    return f"another {' and '.join(other)}"
