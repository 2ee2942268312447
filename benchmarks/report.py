"""The tables of what was measured: `python -m benchmarks.report benchmark.json` prints Markdown."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from benchmarks.runs import (
    Run,
    excess_text,
    facts,
    is_ours,
    print_table,
    quantity,
    ratio,
    seconds,
    signed_percent,
    speed,
    three_digits,
)
from benchmarks.targets import (
    ACCURACY_TARGETS,
    DENOISE_TARGETS,
    MEASURE_TARGETS,
    POROSITY_TARGET,
    TARGETS,
    Target,
)

OWN_TABLES = ("quality", "photograph", "looks", "denoise", "measures", "accuracy", "porosity")
EVERYTHING = "klevels, denoise and smooth"
"""Who must reach the targets of accuracy: what anyone gets who chooses nothing."""
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
    print_speeds({job: runs for job, runs in jobs.items() if job.startswith("denoise")}, DENOISE_TARGETS)
    print_speeds({job: runs for job, runs in jobs.items() if job.startswith("measures")}, MEASURE_TARGETS)
    print_accuracy([run for job, runs in jobs.items() if job.startswith("accuracy") for run in runs])
    print_porosity({job: runs for job, runs in jobs.items() if job.startswith("porosity")})
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


def print_speeds(jobs: dict[str, list[Run]], targets: Sequence[Target]) -> None:
    """Print speeds in voxels a second: slow peers see a part of the data."""
    if not jobs:
        return
    for runs in jobs.values():
        runs.sort(key=lambda run: (not is_ours(run), -speed(run)))
    print("\nSpeed in Mvoxel/s. A slow peer has a part of the data, and klevels is timed on the same for the ratio.\n")
    print_table(
        ["job", "klevels", "peer", "its speed", "ratio", "target", "reached"],
        [speed_row(target, jobs[target.job]) for target in targets if target.job in jobs],
    )
    print("\nEvery contender. The RMSE of filters is to the image without noise, in its gray values.\n")
    rows = [
        [
            job.partition(": ")[2],
            facts(run)["who"],
            f"{facts(run)['voxels']:,}",
            three_digits(speed(run) / 1e6),
            "" if run is runs[0] else three_digits(ratio(runs[0], run)),
            three_digits(facts(run)["rmse"]) if "rmse" in facts(run) else "",
            facts(run).get("found", ""),
        ]
        for job, runs in jobs.items()
        for run in runs
    ]
    print_table(["job", "who", "voxels", "Mvoxel/s", "× klevels", "RMSE", "found"], rows)


def print_accuracy(runs: Sequence[Run]) -> None:
    """Print the share of wrong voxels by noise and length, the best first."""
    if not runs:
        return
    cases = sorted({(facts(run)["noise"], facts(run)["length"]) for run in runs})
    shares: dict[str, dict[tuple[float, float], float]] = {}
    for run in runs:
        found = facts(run)
        shares.setdefault(found["who"], {})[found["noise"], found["length"]] = fmean(found["wrong"])
    print("\nWrong voxels in percent, the mean over phantoms of several seeds.\n")
    heads = [f"σ = {noise}, length {length}" for noise, length in cases]
    rows = [
        [who, *(f"{100 * found[case]:.2f}" if case in found else "" for case in cases)]
        for who, found in sorted(shares.items(), key=lambda item: fmean(item[1].values()))
    ]
    print_table(["who", *heads], rows)
    ours = shares.get(EVERYTHING, {})
    for case, limit in ACCURACY_TARGETS.items():
        if case in ours:
            reached = "yes" if ours[case] <= limit else "**no**"
            print(f"\n{heads[cases.index(case)]}: {EVERYTHING} ≤ {100 * limit:g} %. Reached: {reached}.")


def print_porosity(jobs: dict[str, list[Run]]) -> None:
    """Print how far each porosity is from the true one, in percentage points."""
    names = list(jobs)
    if not names:
        return
    shares: dict[str, dict[str, Run]] = {}
    for job, runs in jobs.items():
        for run in runs:
            shares.setdefault(facts(run)["who"], {})[job] = facts(run)
    rows = [
        [who, *(porosity_text(found[job]) if job in found else "" for job in names)]
        for who, found in sorted(shares.items(), key=lambda item: fmean(each["wrong"] for each in item[1].values()))
    ]
    truths = [f"{job.removeprefix('porosity: ')} ({100 * facts(jobs[job][0])['truth']:.2f} %)" for job in names]
    print("\nError of the porosity in percentage points, and in parentheses the wrong voxels in percent.\n")
    print_table(["who", *truths], rows)
    for job in names:
        for found in (facts(run) for run in jobs[job] if facts(run)["who"] == EVERYTHING):
            reached = "yes" if abs(found["porosity"] - found["truth"]) <= POROSITY_TARGET else "**no**"
            print(f"\n{job}: {EVERYTHING} within {100 * POROSITY_TARGET:g} points. Reached: {reached}.")


def porosity_text(found: Run) -> str:
    """Return how far off a porosity is, and the share of wrong voxels."""
    return f"{100 * (found['porosity'] - found['truth']):+.2f} ({100 * found['wrong']:.2f})".replace("-", "−")


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
    ours, peer = runs_of(target, runs)
    return [
        target.title,
        quantity(ours),
        facts(peer)["who"] if peer else "",
        quantity(peer) if peer else "",
        f"{three_digits(ratio(ours, peer))} ×" if peer else "",
        target.text,
        "" if target.reached is None else "yes" if target.reached(ours, peer) else "**no**",
    ]


def speed_row(target: Target, runs: Sequence[Run]) -> list[str]:
    """Return a row of the targets of speed."""
    row = target_row(target, runs)
    ours, peer = runs_of(target, runs)
    if "bytes" not in facts(ours):
        row[1], row[3] = (three_digits(speed(run) / 1e6) if run else "" for run in (ours, peer))
    return row


def runs_of(target: Target, runs: Sequence[Run]) -> tuple[Run, Run | None]:
    """Return which of ours a target is about, and which peer."""
    ours = next((run for run in runs if facts(run)["who"] == target.ours), runs[0])
    peer = next((run for run in runs if not is_ours(run) and target.against in ("", facts(run)["who"])), None)
    return ours, peer


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


def quality(run: Run) -> str:
    """Return which quality of ours ran."""
    return str(facts(run)["who"]).removeprefix("klevels ")


def machine_line(machine: Run) -> str:
    """Return what was measured on, in a sentence."""
    memory = f", {machine['memory'] / 2**30:.0f} GB" if "memory" in machine else ""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    small = "\n\n**Small data (--small): these times mean nothing.**" if machine["small"] else ""
    return (
        f"{machine['cpu']['brand_raw']}, {machine['processors']} processors{memory}, {machine['system']}, "
        f"Python {machine['python_version']}, {machine['instruction_set']} loops; {versions}.{small}"
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m benchmarks.report BENCHMARK.json")
    main(sys.argv[1])
