"""Write images block by block."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial as partial_of
from pathlib import Path
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from klevels import cutting, io
from klevels.blocks import as_blocks, blocks_of, for_each, reduce_blocks
from klevels.errors import DataError
from klevels.files import StrPath, check_output, naming_output
from klevels.image import Image
from klevels.io.raw_sink import layout_of
from klevels.io.sinks import Sink, create, open_sink
from klevels.io.zarr_sink import ZarrSink
from klevels.lazy import Window
from klevels.partial import Partial, mark
from klevels.sources import as_image
from klevels.workers import Workers


def write(
    path: StrPath,
    image: Image | NDArray[Any],
    *,
    overwrite: bool = False,
    threads: int | None = None,
    memory: int | None = None,
    client: Any = None,
) -> None:
    """Write an image, or leave what is at `path` untouched.

    Parameters
    ----------
    path : str or os.PathLike
        The output; its suffix chooses the format: .tif or .tiff, .png (2-D, 8 or 16 bits), .npy (no color), .npz,
        .ome.zarr or .zarr (with a pyramid), .nrrd or .raw. All but PNG, NPY and raw keep the size of the voxels; TIFF
        and PNG keep the color profile.
    image : Image or array
        A plain array is taken as "yx" if it is 2-D and as "zyx" if it is 3-D. What is not in memory is written block by
        block, to TIFF, OME-Zarr, NRRD or raw.
    overwrite : bool, default False
        Replace an output that exists.
    threads : int, optional
        How many threads to use for what is not in memory; all processors by default.
    memory : int, optional
        What its blocks may take, in bytes; at most half of what is free by default.
    client : distributed.Client, optional
        The dask cluster that does the work.

    Raises
    ------
    ParameterError
        If no format has this suffix, or the format cannot hold this image.
    OutputExistsError
        If `path` exists and `overwrite` is False.
    WriteError
        If `path` cannot be written; DiskError if the disk is full.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/steps.ome.zarr", np.arange(6, dtype=np.uint8).reshape(2, 3))
    ...     io.read(f"{folder}/steps.ome.zarr").data
    array([[0, 1, 2],
           [3, 4, 5]], dtype=uint8)
    """
    output = Path(path)
    whole = image if isinstance(image, Image) else as_image(image)
    if not io.is_streamed(output, whole) and client is None:
        io.write(output, whole.loaded(), overwrite=overwrite)
        return
    check_output(output, overwrite=overwrite, suffixes=io.OUTPUT_SUFFIXES)
    copy(output, whole, Workers(threads, client, memory), fingerprint=None, overwrite=overwrite)


def copy(
    output: Path,
    image: Image,
    workers: Workers,
    *,
    fingerprint: Mapping[str, Any] | None,
    record: Mapping[str, Any] | None = None,
    others: Mapping[Path, Callable[[Path], None]] = MappingProxyType({}),
    halo: Sequence[int] | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> None:
    """Write an image block by block.

    Parameters
    ----------
    output : Path
        Of a format that can be written so.
    image : Image
        In memory or not.
    workers : Workers
        Who does it.
    fingerprint : mapping or None
        What must be the same for the run to be resumed; None where it cannot be, and so nothing is left of it.
    record : mapping, optional
        What lies beside each output, ready for JSON.
    others : mapping of Path to callable
        Small files that appear together with it, such as figures: what writes each to the path that it is given.
    halo : sequence of int, optional
        How far around a block the image is looked at to compute it, along each axis but the channels.
    resume : bool
        Whether to go on where an interrupted run ended.
    overwrite : bool
        Whether the output, and what an interrupted run left, are replaced.
    """
    is_kept = fingerprint is not None
    partial = Partial(output, fingerprint or {}, resume=resume, overwrite=overwrite or not is_kept)
    with partial.kept_if_resumable() if is_kept else _removed(partial):
        made = partial.parts([output, *others])
        if partial.is_complete:
            partial.publish(made, overwrite=overwrite)
            return
        opening = open_sink if partial.is_resumed else create
        with naming_output(output):
            sink = opening(output, image, made[output])
        partial.save({"begun": True})
        data = as_blocks(image.data, cutting.grid_of(image, workers, sink.shards, halo))
        partial.cut(blocks_of(data))
        reduce_blocks(_Store(sink, output, partial.path), _nothing, (data,), workers, done=partial.done())
        finish(output, sink, workers)
        for path, write_other in others.items():
            write_other(made[path])
        blanks = {output: image}
        texts = {} if record is None else {path: record_text(path, blanks.get(path), record) for path in made}
        partial.complete(made, texts, {})
        partial.publish(made, overwrite=overwrite)


def as_labels(image: Image) -> Image:
    """Return an image that is known to hold labels, so that no pyramid mixes them.

    Parameters
    ----------
    image : Image
        Integers.

    Returns
    -------
    Image
        The same, with an empty ``meta["label_colors"]``: which classes there are is not known.

    Raises
    ------
    DataError
        If the values are no integers, or there are channels.
    """
    if image.dtype.kind not in "biu" or "c" in image.axes:
        raise DataError(
            f"the image is of dtype {image.dtype} and axes {image.axes}; labels are integers, without channels"
        )
    return replace(image, meta={**image.meta, "label_colors": ()})


def finish(output: Path, sink: Sink, workers: Workers) -> None:
    """Complete an output all of whose blocks are written.

    Parameters
    ----------
    output : Path
        The name that it will have.
    sink : Sink
        The output; the coarser levels of a pyramid are made where the blocks were.
    workers : Workers
        Who does it.
    """
    with naming_output(output):
        if isinstance(sink, ZarrSink):
            for level in range(2, sink.n_levels):
                for_each(partial_of(sink.reduce, level), sink.windows(level), workers)
        sink.finish()


def write_block(sink: Sink, window: Window, block: NDArray[Any]) -> None:
    """Write a block.

    Parameters
    ----------
    sink : Sink
        The output.
    window : tuple of slice
        Where, without channels.
    block : ndarray
        What, with channels if there are some.
    """
    channels = block.shape[len(window) :]
    sink.write((*window, *(slice(0, n) for n in channels)), block)


def record_text(path: Path, image: Image | None, record: Mapping[str, Any]) -> str:
    """Return the record of an output; that of a raw file, which says nothing of itself, has its layout, too.

    Parameters
    ----------
    path : Path
        The output.
    image : Image or None
        What it holds; None if it is no image.
    record : mapping
        What the records of all outputs say.

    Returns
    -------
    str
        JSON.
    """
    told = {} if image is None or path.suffix.lower() != ".raw" else {"layout": layout_of(image)}
    return json.dumps({**record, **told}, indent=2, allow_nan=False) + "\n"


@contextmanager
def _removed(partial: Partial) -> Iterator[None]:
    """Leave nothing after any error."""
    try:
        yield
    except BaseException:
        partial.remove()
        raise


class _Store:
    """Write a block; a class, so that it can be pickled."""

    def __init__(self, sink: Sink, path: Path, folder: Path) -> None:
        self._sink = sink
        self._path = path
        self._folder = folder

    def __call__(self, number: int, window: Window, block: NDArray[Any]) -> None:
        with naming_output(self._path):
            write_block(self._sink, window[: block.ndim], block)
            mark(self._folder, number, None)


def _nothing(one: None, other: None) -> None:
    del one, other
