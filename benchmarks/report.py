"""The targets, and the table of what was measured: `python benchmarks/report.py benchmark.json` prints Markdown."""

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
)


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
    print(
        "\nEvery contender, the shortest of several runs (whole processes: the median). Where OpenCV and ckwrap do all "
        "of the job, klevels was timed again before each of their rounds, and the ratio is that of those times.\n"
    )
    print_table(
        ["job", "who", "time", "Mvoxel/s", "× klevels", "inertia above the optimum"],
        [contender_row(job, run, runs[0]) for job, runs in jobs.items() for run in runs if "bytes" not in facts(run)],
    )


def target_row(target: Target, runs: Sequence[Run]) -> list[str]:
    """Return a row of the table of targets; `runs` begins with ours."""
    ours, peers = runs[0], [run for run in runs[1:] if target.against in ("", facts(run)["who"])]
    peer = peers[0] if peers else None
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
    ]


def quantity(run: Run, *, rate: bool = True) -> str:
    """Return what was measured, with its unit."""
    if "bytes" in facts(run):
        return f"{facts(run)['bytes'] / 1e6:.1f} MB"
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


def seconds(run: Run) -> float:
    """Return how long it took."""
    return float(facts(run).get("seconds", run["stats"]["min"]))


def speed(run: Run) -> float:
    """Return voxels a second."""
    return float(facts(run)["voxels"]) / seconds(run)


def ratio(ours: Run, peer: Run | None) -> float:
    """Return how many times as long as ours the peer took, in rounds by turns where there are such; nan for no peer."""
    return seconds(peer) / facts(peer).get("klevels_seconds", seconds(ours)) if peer else float("nan")


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
