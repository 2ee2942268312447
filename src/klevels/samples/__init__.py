"""Simulated scans with a known truth: for the demo, for tests, and for judging a segmentation."""

from __future__ import annotations

from klevels.samples.scans import Scan, simulate_phases, simulate_scan

__all__ = ["Scan", "simulate_phases", "simulate_scan"]
