"""An array that takes its time: what is done to a run while it works can be done at the right moment."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from klevels.lazy import LazyArray, Window


class SlowArray(LazyArray):
    """A file of slices, each of which takes a while, and leaves a note when it is read.

    Parameters
    ----------
    path : Path
        A .npy file.
    notes : Path
        The folder for the notes.
    seconds : float
        How long a slice takes.
    """

    def __init__(self, path: Path, notes: Path, seconds: float) -> None:
        data = np.load(path, mmap_mode="r")
        super().__init__(data.shape, data.dtype, (1, *data.shape[1:]), str(path), stored_bytes=data.nbytes)
        self._notes = str(notes)
        self._seconds = seconds

    def read(self, window: Window) -> np.ndarray:
        Path(self._notes, f"{window[0].start}-{time.time_ns()}").touch()
        time.sleep(self._seconds * (window[0].stop - window[0].start))
        return np.load(self.source, mmap_mode="r")[window]
