"""The command line as a whole: its help, and all commands in the order in which they are listed."""

from __future__ import annotations

from cyclopts import App

from klevels.cli.commands import colors, labels, scans, segmenting
from klevels.cli.options import EXAMPLES, examples
from klevels.version import __version__

app = App(
    name="klevels",
    help="Exact k-means segmentation of images and volumes, and color quantization: the histogram is the data.",
    version=__version__,
    help_epilogue=examples(
        "klevels segment scan.tif -k 3 -o labels.tif --figure sheet.png",
        "klevels posterize photo.jpg -k 8 -o poster.png",
        "klevels COMMAND --help",
    )
    + "\n\nEvery command takes `--debug`, which shows the traceback of an error. Exit codes: 0 done, 2 usage, "
    "65 bad data, 66 no such input, 71 out of memory, 73 cannot create output, 74 I/O error or disk full, "
    "75 try again, with `--resume`, 77 no permission, 130 interrupted.",
    help_format="markdown",
    suppress_keyboard_interrupt=False,
)
app.register_install_completion_command()

for verb in (
    scans.info,
    scans.histogram,
    segmenting.segment,
    segmenting.fit,
    segmenting.apply,
    segmenting.batch,
    colors.posterize,
    scans.sweep,
    scans.denoise,
    labels.compare,
    labels.measure,
    labels.mesh,
    labels.render,
    labels.report,
    segmenting.study,
    scans.convert,
    segmenting.demo,
):
    app.command(verb, help_epilogue=EXAMPLES[verb.__name__])
