"""The targets: what each job must reach, and against whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.runs import Run, facts, ratio, seconds, speed


@dataclass(frozen=True)
class Target:
    """What a job must reach, and against whom."""

    job: str
    title: str
    text: str = ""
    reached: Callable[[Run, Run | None], bool] | None = None
    against: str = ""
    """The peer to compare with; the fastest one if it is empty."""
    ours: str = ""
    """Which of ours; the fastest one if it is empty."""


TARGETS = (
    Target(
        "volume",
        "512³ uint16, k = 8: histogram, fit and labels",
        "≥ 0.8 Gvoxel/s and ≥ 1.5 ×",
        lambda ours, peer: speed(ours) >= 0.8e9 and ratio(ours, peer) >= 1.5,
    ),
    Target(
        "slice, 16-bit",
        "2048² uint16, k = 8",
        "≥ 300 ×, inertia no higher",
        lambda ours, peer: ratio(ours, peer) >= 300 and facts(peer)["excess"] >= 0,
        "scikit-learn KMeans",
    ),
    Target("slice, 16-bit", "2048² uint16, k = 8"),
    Target("slice, 8-bit", "2048² uint8, k = 4", against="scikit-image threshold_multiotsu"),
    Target(
        "path, random counts",
        "all k to 16 at 65,536 levels, random counts",
        "< 60 ms",
        lambda ours, _: seconds(ours) < 60e-3,
    ),
    Target(
        "path, equal counts",
        "all k to 16 at 65,536 levels, equal counts",
        "< 60 ms",
        lambda ours, _: seconds(ours) < 60e-3,
    ),
    Target("path, 256 levels", "all k to 16 at 256 levels", "< 1 ms", lambda ours, _: seconds(ours) < 1e-3),
    Target("choose_k", "2048² uint16: inertia, BIC and silhouette for all k to 16"),
    Target("volume, 8-bit", "512³ uint8, k = 8: histogram, fit and labels"),
    Target("volume, float32", "512² × 128 float32, k = 8: histogram, fit and labels"),
    Target(
        "memory, uint16",
        "512³ uint16: memory beyond the labels",
        "≤ 16 MB",
        lambda ours, _: facts(ours)["bytes"] <= 16e6,
    ),
    Target(
        "memory, float32",
        "512² × 128 float32: memory beyond the labels",
        "≤ 16 MB",
        lambda ours, _: facts(ours)["bytes"] <= 16e6,
    ),
    Target("import", "`import klevels` beyond NumPy", "< 60 ms", lambda ours, _: seconds(ours) < 60e-3),
    Target(
        "command",
        "`klevels segment`, 512² 8-bit PNG to labels, whole process",
        "< 0.5 s",
        lambda ours, _: seconds(ours) < 0.5,
    ),
    *(
        Target(
            f"photograph, k = {k}",
            f"china.jpg, k = {k}: from pixels to poster, `default`",
            f"≥ {times} ×",
            lambda ours, peer, times=times: ratio(ours, peer) >= times,
            f"scikit-learn KMeans, n_init=4{floats}",
            "klevels default",
        )
        for k, times in ((8, 15), (256, 60))
        for floats in ("", ", float64")
    ),
    *(
        Target(
            f"photograph, k = {k}",
            f"china.jpg, k = {k}: from pixels to poster, `fast`",
            "≥ 1 ×, MSE ≥ 5 % lower",
            lambda ours, peer: ratio(ours, peer) >= 1 and facts(ours)["mse"] <= 0.95 * facts(peer)["mse"],
            "libimagequant",
            "klevels fast",
        )
        for k in (8, 64, 256)
    ),
    Target("100 megapixels", "100 megapixels, k = 16: labels", "< 4 s", lambda ours, _: seconds(ours) < 4),
    Target("100 megapixels: painting", "100 megapixels, k = 16: painting the labels"),
    Target(
        "memory, 100 megapixels",
        "100 megapixels, k = 16: memory beyond the image, labels included",
        "< 3 bytes a pixel",
        lambda ours, _: facts(ours)["bytes"] < 3 * facts(ours)["pixels"],
    ),
    *(
        Target(
            f"memory, {case}",
            f"{case}: peak memory beyond the imports",
            "< 1 GB",
            lambda ours, _: facts(ours)["bytes"] < 1e9,
        )
        for case in ("8 GB raw to ome.zarr", "32 GB raw to ome.zarr", "8 GB raw to tif", "8 GB zarr to tif")
    ),
    *(
        Target(
            f"end to end, {source} to {output}",
            f"2 GB of {source} to labels as {output}, whole process",
            "≥ 80 % of reading once",
            lambda ours, _: facts(ours)["share"] >= 0.8,
        )
        for source in ("zarr", "tif", "raw")
        for output in ("tif", "ome.zarr")
    ),
    Target(
        "over blocks, in memory",
        "1 GB in memory, over blocks",
        "< 10 % above",
        lambda ours, _: facts(ours)["above"] < 0.1,
    ),
    Target("cluster", "2 workers against 1", "≥ 1.6 ×", lambda ours, _: facts(ours)["times"] >= 1.6),
    Target("many blocks", "100,000 blocks", "< 1 ms a block", lambda ours, _: facts(ours)["per_block"] < 1e-3),
    Target(
        "60 M points of two levels",
        "60 M float32 points of two levels, 1 and 100",
        "centers 1 and 100",
        lambda ours, _: facts(ours)["centers"] == [1, 100],
    ),
    *(
        Target("two channels", "256³ × 2 channels uint16, k = 4", against=f"scikit-learn {name}")
        for name in ("KMeans", "MiniBatchKMeans")
    ),
)

DENOISE_TARGETS = (
    Target("denoise: median 3³", "median 3³, 3-D uint16", "≥ 40 Mvoxel/s", lambda ours, _: speed(ours) >= 40e6),
    Target("denoise: median 5³", "median 5³, 3-D uint16", "≥ 8 Mvoxel/s", lambda ours, _: speed(ours) >= 8e6),
    Target(
        "denoise: non-local means",
        "non-local means, patch 3³, window 7³, the same h and σ",
        "≥ 10 ×, RMSE no higher",
        lambda ours, peer: ratio(ours, peer) >= 10 and facts(ours)["rmse"] <= facts(peer)["rmse"],
        "scikit-image, fast mode",
    ),
    Target(
        "denoise: Potts, faces",
        "Potts smoothing, 6 neighbors, 5 sweeps, 3-D",
        "≥ 40 Mvoxel/s",
        lambda ours, _: speed(ours) >= 40e6,
    ),
    Target("denoise: diffusion", "curvature anisotropic diffusion, 5 steps, 3-D"),
    Target("denoise: total variation", "total variation, the same number of steps, 3-D"),
    Target("denoise: bilateral", "bilateral filter, 3-D"),
    Target("denoise: Gaussian", "Gaussian, σ = 1, 3-D"),
)
MEASURE_TARGETS = (
    Target(
        "measures: counts and profiles",
        "voxels of each phase along each axis, 512³ uint8",
        "≥ 1,000 Mvoxel/s",
        lambda ours, _: speed(ours) >= 1e9,
    ),
    Target(
        "measures: surface",
        "surface area and Euler number of each phase, 512³ uint8",
        "≥ 200 Mvoxel/s",
        lambda ours, _: speed(ours) >= 200e6,
    ),
    Target("measures: components", "connected components, 26 neighbors, 512³ uint8"),
    Target(
        "measures: components as an image",
        "the same, numbered voxel by voxel",
        "≥ 1 × cc3d",
        lambda ours, peer: ratio(ours, peer) >= 1,
        "cc3d",
    ),
    *(
        Target("measures: objects", "table of the objects of a phase", against=who)
        for who in (
            "scikit-image regionprops_table",
            "SimpleITK LabelShape",
            "PoreSpy regionprops_3D",
            "cc3d with its statistics",
        )
    ),
    Target("measures: local thickness", "local thickness of a phase", against="PoreSpy"),
    Target(
        "measures: report",
        "`klevels report`, the whole process, 512³",
        "< 60 s",
        lambda ours, _: seconds(ours) < 60,
    ),
    Target("measures: everything", "`klevels.measure` with gray values, 512³"),
    *(
        Target(
            job,
            f"{title}, 512³, 34 million triangles",
            "< 20 s: ≥ 6.7 Mvoxel/s",
            lambda ours, _: seconds(ours) < 20,
            against,
        )
        for job, title, against in (
            ("measures: mesh", "mesh of a phase", "VTK discrete flying edges"),
            ("measures: mesh, smoothed", "mesh of a phase, smoothed", "VTK windowed sinc"),
            ("measures: mesh, fewer triangles", "mesh of a phase, to 100,000 triangles", "VTK quadric decimation"),
        )
    ),
    *(
        Target(
            f"measures: mesh, memory of klevels_{way}",
            f"mesh of a phase, {way}, 512³: peak memory of the process",
            "< 3 GB",
            lambda ours, _: facts(ours)["bytes"] < 3e9,
        )
        for way in ("plain", "smooth", "fewer")
    ),
)
ACCURACY_TARGETS = {(4000, 6): 0.016, (8000, 6): 0.032}
"""Of the share of voxels that may be wrong, by noise and length."""
POROSITY_TARGET = 0.005
"""How far a porosity may be from the true one."""
