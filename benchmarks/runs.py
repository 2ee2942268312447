"""What a run was, as the JSON of pytest-benchmark has it, and how numbers are written in a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Run = dict[str, Any]


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


def facts(run: Run | None) -> Run:
    """Return what the benchmark noted."""
    return run["extra_info"] if run else {}


def is_ours(run: Run) -> bool:
    """Return whether klevels ran."""
    return bool(facts(run)["who"].startswith("klevels"))


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table."""
    for row in (head, ["---"] * len(head), *rows):
        print(f"| {' | '.join(row)} |")
