"""Run a command, and turn whatever goes wrong into one line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from klevels.errors import (
    DiskError,
    InputMissingError,
    KlevelsError,
    MissingDependencyError,
    ParameterError,
    SchedulerError,
    WriteError,
)

USAGE = 2
BAD_DATA = 65
NO_INPUT = 66
FAULT = 70
NO_MEMORY = 71
CANNOT_CREATE = 73
IO_ERROR = 74
TRY_AGAIN = 75
NO_PERMISSION = 77
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command that `argv` names, and exit.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments behind the program's name; those of the process by default.
    """
    tokens = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in tokens
    sys.exit(_run([token for token in tokens if token != "--debug"], debug))


def exit_code(error: BaseException) -> int:
    """Return the exit code that tells a script what went wrong.

    Parameters
    ----------
    error : BaseException
        What a command raised.

    Returns
    -------
    int
        As in BSD's sysexits.h, and 130 for an interrupt.
    """
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, MemoryError):
        return NO_MEMORY
    if isinstance(error, ParameterError | MissingDependencyError):
        return USAGE
    if isinstance(error, InputMissingError):
        return NO_INPUT
    if isinstance(error, SchedulerError):
        return TRY_AGAIN
    if isinstance(error, DiskError):
        return IO_ERROR
    if isinstance(error, WriteError):
        return CANNOT_CREATE
    if isinstance(error, KlevelsError):
        return NO_PERMISSION if isinstance(error.__cause__, PermissionError) else BAD_DATA
    return IO_ERROR if isinstance(error, OSError) else FAULT


def _run(tokens: list[str], debug: bool) -> int:
    try:
        return _parse_and_run(tokens, debug)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has left: nothing more to say
        return 0
    except KeyboardInterrupt as error:
        return _report(str(error) or "interrupted", INTERRUPTED, error, debug)
    except MemoryError as error:
        return _report(f"out of memory ({error}); use a machine with more, or a smaller image", NO_MEMORY, error, debug)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    except KlevelsError as error:
        return _report(str(error), exit_code(error), error, debug)
    except Exception as error:  # whatever klevels did not foresee is its own fault, and says so in one line, too
        message = f"{type(error).__name__}: {error}; this is a fault of klevels: please report it with --debug"
        return _report(message, exit_code(error), error, debug)


def _parse_and_run(tokens: list[str], debug: bool) -> int:
    from cyclopts import CycloptsError

    from klevels.cli.app import app

    try:
        app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        return _report(" ".join(str(error).split()), USAGE, error, debug)
    sys.stdout.flush()
    return 0


def _report(message: str, code: int, error: BaseException, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exception(error)
    print(f"klevels: {message}", file=sys.stderr)
    return code
