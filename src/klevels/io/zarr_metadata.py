"""What an OME-Zarr 0.5 says of its image: axes, voxels, levels, the colors of labels."""

from __future__ import annotations

from collections.abc import Sequence

from klevels.image import Image

UNITS = {
    "pm": "picometer",
    "Å": "angstrom",
    "nm": "nanometer",
    "µm": "micrometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "dm": "decimeter",
    "m": "meter",
    "km": "kilometer",
}
"""The units as UDUNITS, which the format asks for, spells them."""


def group_metadata(image: Image, factors: Sequence[tuple[int, ...]]) -> dict[str, object]:
    """Return what the ``zarr.json`` of the group says.

    Parameters
    ----------
    image : Image
        Whose values do not matter. ``meta["label_colors"]`` are pairs of a label and its (red, green, blue).
    factors : sequence of tuple of int
        For each level but the finest, by what it is coarser than the one before along each axis, channels first.

    Returns
    -------
    dict
        To be written as JSON.

    Notes
    -----
    A label image stands by itself, with its ``image-label`` beside its ``multiscales``. The specification asks that it
    lies in the group ``labels`` of the image that it belongs to where there is one; viewers open it either way.

    Where the size of the voxels is unknown, the scale, which must be there, is 1, there is no unit, and the attribute
    ``klevels`` says so, by which `klevels.io.read` knows. The origin is the center of the first
    voxel of the finest level.
    """
    has_channels = image.axes.endswith("c")
    spatial = image.axes.replace("c", "")
    unit = {} if image.unit is None or image.spacing is None else {"unit": UNITS.get(image.unit, image.unit)}
    axes: list[dict[str, str]] = [{"name": "c", "type": "channel"}] if has_channels else []
    axes += [{"name": name, "type": "space"} | unit for name in spatial]
    sizes = [1.0] * has_channels + [float(size) for size in image.spacing or (1.0,) * len(spatial)]
    total = [1] * len(sizes)
    datasets = [_dataset(0, sizes, total)]
    for level, steps in enumerate(factors, 1):
        total = [whole * step for whole, step in zip(total, steps, strict=True)]
        datasets.append(_dataset(level, sizes, total))
    is_labels = "label_colors" in image.meta
    multiscale = {
        "name": "labels" if is_labels else "image",
        "type": "majority" if is_labels else "mean",
        "axes": axes,
        "datasets": datasets,
    }
    ome: dict[str, object] = {"version": "0.5", "multiscales": [multiscale]}
    if is_labels:
        colors = [
            {"label-value": int(label), "rgba": [*(int(one) for one in color), 255]}
            for label, color in image.meta["label_colors"]
        ]
        ome["image-label"] = {"version": "0.5"} | ({"colors": colors} if colors else {})
    ours: dict[str, object] = {} if image.spacing is not None else {"klevels": {"spacing": None}}
    return {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome, **ours}}


def _dataset(level: int, sizes: Sequence[float], total: Sequence[int]) -> dict[str, object]:
    """Return one level: where its voxels are, `total` times as large as the finest along each axis."""
    scale = [size * n for size, n in zip(sizes, total, strict=True)]
    transformations: list[dict[str, object]] = [{"type": "scale", "scale": scale}]
    if any(n > 1 for n in total):
        offsets = [size * (n - 1) / 2 for size, n in zip(sizes, total, strict=True)]
        transformations.append({"type": "translation", "translation": offsets})
    return {"path": str(level), "coordinateTransformations": transformations}
