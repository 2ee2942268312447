"""What `klevels compare` does, and how it shows an agreement."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

from klevels import io
from klevels.cli import show
from klevels.cli.inputs import check_same, load_mask
from klevels.cli.options import RUNNING, Running
from klevels.cli.progress import Stages
from klevels.cli.running import workers_of
from klevels.comparing import compare_images
from klevels.core.agreement import Agreement
from klevels.errors import DataError, DataTypeError, ReadError
from klevels.image import Image
from klevels.record import LABELING, read_json, record_path

MOST_COLUMNS = 8
MOST_ROWS = 32
"""A larger confusion is for scripts, not for a terminal."""
IGNORE_LABELS = (255, 65535)


def compare(
    labels: Path,
    truth: Path,
    *,
    match: bool,
    mask: Path | None,
    ignore: int | None,
    json: bool,
    threads: int | None,
    running: Running,
) -> None:
    labels, truth = running.place(labels), running.place(truth)
    with Stages(2) as stage, workers_of(running, threads, stage) as workers:
        stage("reading")
        one, other = load_labels(labels, running), load_labels(truth, running)
        check_same(labels, truth, "shape", one.shape, other.shape)
        inside = load_mask(mask, one, running)
        stage("comparing")
        try:
            found = compare_images(one, other, inside, match=match, ignore=ignore, workers=workers)
        except (DataError, DataTypeError) as error:
            raise type(error)(f"{labels} against {truth}: {error}") from error
    if json:
        show.facts(found.to_dict(), json=True)
    else:
        _print(found)


def load_labels(path: Path, running: Running = RUNNING) -> Image:
    """Read labels; those of klevels have a record beside them, and are known to mark voxels that were left out.

    Parameters
    ----------
    path : Path
        The file, or the folder of slices.
    running : Running
        Who will read it.

    Returns
    -------
    Image
        With one number a voxel.

    Raises
    ------
    DataError
        If it has channels.
    """
    image = io.read(path, lazy=running.lazy)
    if "c" in image.axes:
        raise DataError(
            f"{path}: has {image.shape[-1]} channels (axes {image.axes}), but labels are one number a voxel; convert it"
        )
    with suppress(ReadError):
        record = read_json(record_path(path))
        if "klevels_record" in record and record.get("verb") in LABELING:
            return replace(image, meta={**image.meta, "label_colors": ()})
    return image


def _print(found: Agreement) -> None:
    _print_confusion(found)
    print()
    _print_classes(found)
    print()
    ignored = f", {found.n_ignored:,} left out" if found.n_ignored else ""
    wrong = f"{100 * found.misclassified:.3f} % of {found.n_voxels:,} voxels are wrong"
    split, joined = found.conditional_entropies
    parts = f"{split:.6f} in classes split by labels, {joined:.6f} in labels that join classes"
    print(f"accuracy                  {found.accuracy:.6f}; {wrong}{ignored}")
    print(f"adjusted Rand index       {found.adjusted_rand_index:.6f}")
    print(f"variation of information  {found.variation_of_information:.6f} bits; {parts}")
    _print_strangers(found)


def _print_confusion(found: Agreement) -> None:
    """Print rows in the order of the classes that they stand for: what is right is on the diagonal."""
    n_labels, n_truth = found.confusion.shape
    if n_truth > MOST_COLUMNS or n_labels > MOST_ROWS:
        print(f"{n_labels:,} labels on {n_truth:,} classes of the truth: --json lists the whole confusion")
        return
    classes = found.classes.tolist()
    names = [str(label) for label in found.labels.tolist()]
    if found.matches is not None:
        names = [f"{name} → {'none' if one < 0 else one}" for name, one in zip(names, classes, strict=True)]
    first = max(5, *map(len, names))
    widths = [max(9, len(f"{most:,}")) for most in found.confusion.max(axis=0).tolist()]
    print(f"{'label':<{first}}  voxels by their class in the truth")
    print(_row("", found.truth.tolist(), first, widths))
    for row in sorted(range(n_labels), key=lambda row: (classes[row] < 0, classes[row], row)):
        print(_row(names[row], found.confusion[row].tolist(), first, widths))


def _row(name: str, numbers: Sequence[int], first: int, widths: Sequence[int]) -> str:
    return " ".join([f"{name:>{first}}", *(f"{n:>{width},}" for n, width in zip(numbers, widths, strict=True))])


def _print_classes(found: Agreement) -> None:
    given = dict(zip(found.classes.tolist(), found.confusion.sum(axis=1).tolist(), strict=True))
    rows = zip(found.truth.tolist(), found.confusion.sum(axis=0).tolist(), found.dice, found.jaccard, strict=True)
    print(f"{'class':>5} {'voxels':>14} {'share':>9} {'labeled':>14} {'share':>9} {'Dice':>8} {'Jaccard':>8}")
    for number, true, dice, jaccard in islice(rows, MOST_ROWS):
        labeled = given.get(number, 0)
        shares = (f"{count:>14,} {100 * count / found.n_voxels:>8.3f}%" for count in (true, labeled))
        print(f"{number:>5} {' '.join(shares)} {dice:>8.4f} {jaccard:>8.4f}")
    if len(found.truth) > MOST_ROWS:
        print(f"{len(found.truth) - MOST_ROWS:,} more classes: --json lists them all")


def _print_strangers(found: Agreement) -> None:
    """Say which labels can be right nowhere."""
    strange = found.classes < 0
    if not strange.any():
        return
    n_voxels = int(found.confusion[strange].sum())
    how = "has no class of the truth left" if found.matches is not None else "is not in the truth"
    names = found.labels[strange].tolist()
    if len(names) > 1:
        how = how.replace("has", "have").replace("is not", "are not")
    shown = ", ".join(map(str, names[:MOST_COLUMNS])) + (", …" if len(names) > MOST_COLUMNS else "")
    what = "label" if len(names) == 1 else "labels"
    marks = [mark for mark in IGNORE_LABELS if mark in names]
    hint = f"; if {marks[0]} marks what was left out, use --ignore {marks[0]}" if marks else ""
    print(f"{what} {shown} {how}: {n_voxels:,} voxels count as wrong{hint}")
