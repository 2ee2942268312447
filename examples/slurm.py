"""Segment a scan on a SLURM cluster, from one script on the login node: dask-jobqueue submits the workers.

    pip install "klevels[io,cluster]" dask-jobqueue
    python slurm.py scan.ome.zarr labels.ome.zarr -k 4 --jobs 32 --partition compute

All jobs must see the files under the same names, as on a shared file system. `--local 2` does the same with two
processes on this machine, to try it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import klevels


def main() -> None:
    """Read where the scan is, segment it on the workers, and write the labels block by block."""
    asked = parse()
    if asked.labels.exists():
        raise SystemExit(f"{asked.labels}: exists already; name another output")
    with cluster_of(asked) as cluster, cluster.get_client() as client:
        scan = klevels.read(asked.scan.absolute(), lazy=True)  # workers read it themselves
        result = klevels.segment(scan, k=asked.k, client=client)
        klevels.write(asked.labels.absolute(), result.labels, client=client)
    for center, fraction in zip(result.model.centers, result.model.fractions, strict=True):
        print(f"{center:12.6g} {100 * fraction:8.3f} %")


def parse() -> argparse.Namespace:
    """Return what was asked on the command line."""
    parser = argparse.ArgumentParser(description="Segment a scan on a SLURM cluster.")
    parser.add_argument("scan", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("-k", type=int, required=True, help="number of classes")
    parser.add_argument("--jobs", type=int, default=8, help="how many jobs to submit, one node each")
    parser.add_argument("--cores", type=int, default=16, help="of a node")
    parser.add_argument("--memory", default="64GB", help="of a node")
    parser.add_argument("--partition", default=None)
    parser.add_argument("--walltime", default="02:00:00")
    parser.add_argument("--local", type=int, default=0, help="so many processes on this machine instead")
    return parser.parse_args()


def cluster_of(asked: argparse.Namespace) -> Any:
    """Return the cluster: jobs of SLURM, or processes of this machine."""
    if asked.local:
        from distributed import LocalCluster

        return LocalCluster(n_workers=asked.local, threads_per_worker=1, dashboard_address=":0")
    from dask_jobqueue import SLURMCluster

    cluster = SLURMCluster(
        queue=asked.partition,
        cores=asked.cores,
        memory=asked.memory,
        walltime=asked.walltime,
        processes=1,  # the kernels release the lock of the interpreter: threads are enough
        local_directory="/tmp",
    )
    cluster.scale(jobs=asked.jobs)
    return cluster


if __name__ == "__main__":
    main()
