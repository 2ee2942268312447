"""What denoise does, from the scan it is given to the one it writes."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from klevels import denoising, io
from klevels.cli import show
from klevels.cli.inputs import identify_mask, load_mask, load_scan, naming, present
from klevels.cli.options import Reading, Resumable
from klevels.cli.outputs import Outputs, image_writer
from klevels.cli.progress import Stages
from klevels.cli.running import access_of, workers_of
from klevels.copying import copy
from klevels.lazy import LoadedArray
from klevels.partial import is_complete
from klevels.record import identify, record_of, state_of
from klevels.sources import visible
from klevels.version import __version__


def denoise(
    path: Path,
    output: Path,
    *,
    method: str,
    strength: float | None,
    mask: Path | None,
    gray: bool,
    json: bool,
    overwrite: bool,
    threads: int | None,
    reading: Reading,
    running: Resumable,
) -> None:
    path = running.place(path)
    given = present(path, mask)
    outputs = Outputs(given, overwrite=overwrite or (running.resume and is_complete(output)))
    outputs.claim(output, io.OUTPUT_SUFFIXES)
    with Stages(3) as stage, workers_of(running, threads, stage) as workers, naming([path]):
        stage("reading")
        image = load_scan([path], gray=gray, access=access_of(reading), lazy=running.lazy)
        inside = load_mask(mask, image, running)
        stage("choosing")
        chosen = denoising.choose(image, visible(image, inside), method, strength)
        if running.dry_run:
            from klevels.plans import plan_run

            show.plan(plan_run(image, None, [output], workers, chosen=chosen), json=json)
            return
        stage("denoising")
        is_streamed = io.is_streamed(output, image) or workers.client is not None
        if is_streamed and not image.is_lazy:
            image = replace(image, data=LoadedArray(image.data))
        clean = image if chosen is None else denoising.apply(image, inside, chosen, workers)
        told = {"denoise": None if chosen is None else asdict(chosen)}
        record = record_of("denoise", None, None, [identify(path)], identify_mask(mask)) | told
        if is_streamed:
            fingerprint = {"inputs": [state_of(one) for one in given], "verb": "denoise", "gray": gray, **told}
            copy(
                output,
                clean,
                workers,
                fingerprint=fingerprint | {"access": repr(access_of(reading)), "version": __version__},
                record=record,
                halo=None if chosen is None else denoising.halo_of(image, chosen),
                resume=running.resume,
                overwrite=overwrite,
            )
        else:
            Outputs(given, overwrite=overwrite).write_recorded({output: image_writer(output, clean)}, lambda: record)
    show.denoised(chosen, output, json=json)
