"""The targets, and the tables of what was measured: `python benchmarks/report.py benchmark.json` prints Markdown."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Run = dict[str, Any]


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
OWN_TABLES = ("quality", "photograph", "looks")
QUALITIES = ("fast", "default", "best")
QUALITY_TARGETS = {"default": 0.005, "best": 0.001}
"""How far above the best MSE known."""


def main(path: str) -> None:
    """Print the machine, the targets and every contender."""
    measured = json.loads(Path(path).read_text(encoding="utf-8"))
    jobs: dict[str, list[Run]] = {}
    for run in measured["benchmarks"]:
        jobs.setdefault(run["group"], []).append(run)
    for runs in jobs.values():
        runs.sort(key=lambda run: (not is_ours(run), seconds(run)))
    print(machine_line(measured["machine_info"]))
    print()
    print_table(
        ["job", "klevels", "peer", "its time", "ratio", "target", "reached"],
        [target_row(target, jobs[target.job]) for target in TARGETS if target.job in jobs],
    )
    print_quality([runs for job, runs in jobs.items() if job.startswith("quality")])
    print_posters([run for job, runs in jobs.items() if job.startswith("photograph") for run in runs])
    print_looks([run for job, runs in jobs.items() if job.startswith("looks") for run in runs])
    print_rest({job: runs for job, runs in jobs.items() if not job.startswith(OWN_TABLES)})


def print_quality(jobs: Sequence[Sequence[Run]]) -> None:
    """Print how far each quality is from the best MSE known; nothing where it is not known."""
    rows: list[list[str]] = []
    worst: dict[str, float] = {}
    for runs in jobs:
        row: list[str] = []
        for run in sorted(
            (run for run in runs if "known" in facts(run)), key=lambda run: QUALITIES.index(quality(run))
        ):
            found, limit = facts(run), QUALITY_TARGETS.get(quality(run), float("inf"))
            excess = found["mse"] / found["known"] - 1
            worst[quality(run)] = max(worst.get(quality(run), excess), excess)
            cell = f"{found['mse']:.3f} ({signed_percent(excess)}, {quantity(run)})"
            row = row or [found["photo"], str(found["k"]), f"{found['known']:.3f}"]
            row.append(f"**{cell}**" if excess > limit else cell)
        if row:
            rows.append(row)
    if not rows:
        return
    print("\nMSE a pixel, summed over channels, centers not rounded, beside the best known; misses are bold.\n")
    print_table(["photograph", "k", "best known", *QUALITIES], rows)
    texts = [f"`{name}` {signed_percent(excess)}" for name, excess in worst.items()]
    limits = [f"`{name}` ≤ {100 * limit:g} %" for name, limit in QUALITY_TARGETS.items()]
    reached = "yes" if all(worst.get(name, 0) <= limit for name, limit in QUALITY_TARGETS.items()) else "**no**"
    print(f"\nThe worst of each: {', '.join(texts)}. Target: {', '.join(limits)}. Reached: {reached}.")


def print_posters(runs: Sequence[Run]) -> None:
    """Print time and errors of every poster, for each k the fastest first."""
    if not runs:
        return
    ours = {facts(run)["k"]: seconds(run) for run in runs if facts(run)["who"] == "klevels default"}
    print(
        "\nchina.jpg from pixels to an 8-bit poster; the shortest of several runs, or the only one of slow peers. The "
        "ratios of the targets are of runs by turns. MSE is a pixel's, summed over channels; DSSIM is (1 - SSIM) / 2.\n"
    )
    rows = []
    for run in sorted(runs, key=lambda run: (facts(run)["k"], seconds(run))):
        found = facts(run)
        errors = [f"{found['mse']:.2f}", f"{found['psnr']:.2f}", f"{found['ssim']:.4f}", f"{found['dssim']:.4f}"]
        times = three_digits(seconds(run) / ours[found["k"]]) if found["k"] in ours else ""
        rows.append([str(found["k"]), found["who"], quantity(run), times, *errors])
    print_table(["k", "who", "time", "× default", "MSE", "PSNR, dB", "SSIM", "DSSIM"], rows)


def print_looks(runs: Sequence[Run]) -> None:
    """Print what people see of the posters; MSE has no place here."""
    if not runs:
        return
    print("\nThe same by looks: the mean CIEDE2000, and structure. Palettes fitted in other spaces are for this.\n")
    rows = []
    for run in sorted(runs, key=lambda run: (facts(run)["k"], facts(run)["difference"])):
        found = facts(run)
        looks = [f"{found['difference']:.3f}", f"{found['ssim']:.4f}", f"{found['dssim']:.4f}"]
        rows.append([str(found["k"]), found["who"], *looks])
    print_table(["k", "who", "mean ΔE", "SSIM", "DSSIM"], rows)


def print_rest(jobs: dict[str, list[Run]]) -> None:
    """Print every contender that is in no other table."""
    if not jobs:
        return
    print(
        "\nEvery other contender, the shortest of several runs (whole processes: the median). Where OpenCV and ckwrap "
        "do all of the job, klevels was timed again before each of their rounds: the ratio is that of those times.\n"
    )
    print_table(
        ["job", "who", "time", "Mvoxel/s", "× klevels", "inertia above klevels'", "found"],
        [contender_row(job, run, runs[0]) for job, runs in jobs.items() for run in runs if "bytes" not in facts(run)],
    )


def target_row(target: Target, runs: Sequence[Run]) -> list[str]:
    """Return a row of the table of targets; `runs` begins with ours."""
    ours = next((run for run in runs if facts(run)["who"] == target.ours), runs[0])
    peer = next((run for run in runs if not is_ours(run) and target.against in ("", facts(run)["who"])), None)
    return [
        target.title,
        quantity(ours),
        facts(peer)["who"] if peer else "",
        quantity(peer) if peer else "",
        f"{three_digits(ratio(ours, peer))} ×" if peer else "",
        target.text,
        "" if target.reached is None else "yes" if target.reached(ours, peer) else "**no**",
    ]


def contender_row(job: str, run: Run, ours: Run) -> list[str]:
    """Return a row of the table of contenders."""
    is_rate = "voxels" in facts(run)
    return [
        job,
        facts(run)["who"],
        quantity(run, rate=False),
        three_digits(speed(run) / 1e6) if is_rate else "",
        "" if run is ours else three_digits(ratio(ours, run)),
        excess_text(facts(run).get("excess")),
        facts(run).get("found", ""),
    ]


def quantity(run: Run, *, rate: bool = True) -> str:
    """Return what was measured, with its unit."""
    if "bytes" in facts(run):
        n_bytes, pixels = facts(run)["bytes"], facts(run).get("pixels")
        return f"{n_bytes / 1e6:.1f} MB" + (f" ({n_bytes / pixels:.2f} a pixel)" if pixels else "")
    took = seconds(run)
    text = f"{three_digits(took)} s" if took >= 1 else f"{three_digits(took * 1e3)} ms"
    return f"{text} ({speed(run) / 1e9:.2g} Gvoxel/s)" if rate and facts(run).get("voxels", 0) >= 1e7 else text


def three_digits(number: float) -> str:
    """Return a number to three digits, without an exponent."""
    return f"{number:.3g}" if number < 999 else f"{number:,.0f}"


def excess_text(excess: float | None) -> str:
    """Return a share in percent; nothing where none was measured."""
    if excess is None:
        return ""
    return "0" if excess == 0 else f"{100 * excess:.2g} %"


def signed_percent(share: float) -> str:
    """Return a share in percent with its sign, to two decimals."""
    text = f"{100 * share:+.2f} %"
    return "0 %" if text in ("+0.00 %", "-0.00 %") else text.replace("-", "−")


def seconds(run: Run) -> float:
    """Return how long it took."""
    return float(facts(run).get("seconds", run["stats"]["min"]))


def speed(run: Run) -> float:
    """Return voxels a second."""
    return float(facts(run)["voxels"]) / seconds(run)


def ratio(ours: Run, peer: Run | None) -> float:
    """Return how many times as long as ours the peer took, in rounds by turns where there are such; nan for no peer."""
    return seconds(peer) / facts(peer).get("klevels_seconds", seconds(ours)) if peer else float("nan")


def quality(run: Run) -> str:
    """Return which quality of ours ran."""
    return str(facts(run)["who"]).removeprefix("klevels ")


def facts(run: Run | None) -> Run:
    """Return what the benchmark noted."""
    return run["extra_info"] if run else {}


def is_ours(run: Run) -> bool:
    """Return whether klevels ran."""
    return bool(facts(run)["who"].startswith("klevels"))


def machine_line(machine: Run) -> str:
    """Return what was measured on, in a sentence."""
    memory = f", {machine['memory'] / 2**30:.0f} GB" if "memory" in machine else ""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    small = "\n\n**Small data (--small): these times mean nothing.**" if machine["small"] else ""
    return (
        f"{machine['cpu']['brand_raw']}, {machine['processors']} processors{memory}, {machine['system']}, "
        f"Python {machine['python_version']}, {machine['instruction_set']} loops; {versions}.{small}"
    )


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table."""
    for row in (head, ["---"] * len(head), *rows):
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python benchmarks/report.py BENCHMARK.json")
    main(sys.argv[1])
