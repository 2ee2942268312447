"""Tell bone, muscle and fat apart in a CT, by k-means within the body, and see the bone without the muscle.

    pip install "klevels[io,render]" scipy
    python examples/ct_tissues.py [FOLDER] [--output ct]

FOLDER holds a CT in Hounsfield units, `example_ct_sm.nii.gz`, and which voxels are fat, muscle and bone,
`ts_example_ct_sm_fat1_muscle2_bone3.nii.gz`; both come with TotalSegmentator (Apache-2.0), whose model made the labels.
Without a folder, a simulated body takes their place.

Air fills most of a CT, so the body is found first: the larger part of two classes that hangs together. Within it, the
BIC says how many classes there are, and their centers, in Hounsfield units, say which tissue each is. Smoothing makes
labels agree with their neighbors. What gray values cannot tell: organs and blood are as bright as muscle.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image as Pictures
from scipy import ndimage

import klevels
from klevels.rendering import render, turntable

SCAN = "example_ct_sm.nii.gz"
TRUTH = "ts_example_ct_sm_fat1_muscle2_bone3.nii.gz"
TISSUES = {"fat": (-200, -30), "muscle": (-30, 100), "bone": (100, np.inf)}
"""Where the center of a class lies, in Hounsfield units; tissues are numbered from 1, and 0 is all else."""
BONE, MUSCLE = 3, 2
FRONT = (205.0, 20.0)
"""From where the body is seen: y points to its front."""
MOST_CLASSES = 12


def main() -> None:
    """Segment the CT, print how well it agrees with the labels, and draw the tissues."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="of the CT; without it, a body is simulated")
    parser.add_argument("--output", type=Path, default=Path("ct"), help="the folder for the pictures")
    given = parser.parse_args()

    scan, truth = simulated() if given.folder is None else read(given.folder)
    region = body(scan)
    sweep = klevels.choose_k(klevels.histogram(scan, mask=region), MOST_CLASSES)
    k = sweep.advice["bic"]
    print(f"{region.sum():,} of {region.size:,} voxels are the body; {k} classes in it (BIC)")
    print(f"{'Dice':<20}  {'of labeled voxels':^24}  {'of the body':^24}")
    print(f"{'':<20}  {('{:>8}' * 3).format(*TISSUES)}  {('{:>8}' * 3).format(*TISSUES)}")
    tissues = scan
    for name, smooth in (("k-means", None), ("k-means, smoothed", "auto")):
        found = klevels.segment(scan, k=k, mask=region, smooth=smooth)
        tissues = tissues_of(found)
        numbers = [*dice(tissues, truth, truth.data > 0), *dice(tissues, truth, region)]
        print(f"{name:<20}  {('{:8.3f}' * 3).format(*numbers[:3])}  {('{:8.3f}' * 3).format(*numbers[3:])}")
    centers = ", ".join(f"{center:.0f}" for center in found.model.centers)
    strangers = np.mean(np.asarray(truth.data)[np.asarray(tissues.data) == MUSCLE] == 0)
    print(f"centers {centers} HU")
    print(f"{100 * strangers:.0f} % of what is called muscle has no label: organs, blood and skin are as bright")
    draw(tissues, scan, given.output)
    print(f"pictures in {given.output}")


def read(folder: Path) -> tuple[klevels.Image, klevels.Image]:
    """Return the CT, in Hounsfield units, and its labels."""
    scan, truth = (klevels.read(folder / name) for name in (SCAN, TRUTH))
    return replace(scan, unit=scan.unit or "mm"), truth  # NIfTI of medicine is in mm where it names no unit


def body(scan: klevels.Image) -> np.ndarray:
    """Return where the body is: not air, in one piece with the most voxels, and with what it encloses."""
    solid = klevels.segment(scan, k=2).labels.data == 1
    parts, _ = ndimage.label(solid)
    largest = parts == 1 + np.bincount(parts.ravel())[1:].argmax()
    return np.stack([ndimage.binary_fill_holes(plane) for plane in largest])


def tissues_of(found: klevels.Segmentation) -> klevels.Image:
    """Return fat as 1, muscle as 2, bone as 3; each may be several classes."""
    number = np.zeros(256, np.uint8)
    for label, center in enumerate(found.model.centers):
        for tissue, (low, high) in enumerate(TISSUES.values(), 1):
            if low <= center < high:
                number[label] = tissue
    return found.labels.with_data(number[found.labels.data])


def dice(tissues: klevels.Image, truth: klevels.Image, where: np.ndarray) -> list[float]:
    """Return the Dice coefficients of fat, muscle and bone."""
    found = klevels.compare(tissues, truth, mask=where)
    known = dict(zip(found.truth.tolist(), found.dice.tolist(), strict=True))
    return [known[tissue] for tissue in range(1, 1 + len(TISSUES))]


def draw(tissues: klevels.Image, scan: klevels.Image, folder: Path) -> None:
    """Draw bone alone, bone within muscle, slices, and the bone turning."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, options in {
        "bone": {"phases": [BONE], "turn": FRONT},
        "bone-and-muscle": {"phases": [MUSCLE, BONE], "opacity": [0.25, 1.0], "turn": FRONT},
        "slices": {"slices": "middle", "gray": scan, "opacity": 0.6},
        "bone-slices": {"phases": [BONE], "slices": "middle", "gray": scan},
    }.items():
        Pictures.fromarray(render(tissues, **options)).save(folder / f"{name}.png")
    first, *others = (
        Pictures.fromarray(frame).quantize(64) for frame in turntable(tissues, phases=[BONE], n_frames=24)
    )
    first.save(folder / "bone.gif", save_all=True, append_images=others, duration=100, loop=0)


def simulated() -> tuple[klevels.Image, klevels.Image]:
    """Return a trunk with a spine, a breastbone and ribs, as a noisy CT, and its tissues."""
    shape, size = (24, 80, 110), (4.0, 4.0, 4.0)
    z, y, x = (np.indices(shape) - (np.array(shape)[:, None, None, None] - 1) / 2) * 4.0
    outline = np.hypot(x / 190, y / 130)
    truth = np.select([outline < 0.84, outline < 1], [2, 1], 0).astype(np.uint8)
    truth[np.hypot(x / 130, y / 75) < 1] = 1  # fat around the organs
    organs = np.hypot(x / 110, y / 60) < 1
    truth[organs] = 0
    arches = (np.abs(outline - 0.78) < 0.05) & (np.abs((z + 0.25 * y) % 32 - 16) < 6)
    spine = np.hypot(x, y + 78) < 20
    breastbone = (np.abs(x) < 14) & (np.abs(y - 104) < 6)
    truth[arches | spine | breastbone] = 3
    values = np.array([-1000.0, -100.0, 45.0, 320.0])[truth]
    values[organs & (truth == 0)] = 50.0
    values[np.hypot(x, y + 78) < 13] = 170.0  # spongy bone
    values[(np.abs(y + 150) < 5) & (np.abs(x) < 150)] = -200.0  # the table
    blurred = ndimage.gaussian_filter(values, 0.6)
    noisy = blurred + np.random.default_rng(0).normal(0, 25, shape)
    return klevels.Image(np.rint(noisy).astype(np.int16), "zyx", size, "mm"), klevels.Image(truth, "zyx", size, "mm")


if __name__ == "__main__":
    main()
