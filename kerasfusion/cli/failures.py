"""How the command line ends: exit codes, error messages, the log of an unexpected error."""

import contextlib
import errno
import os
import platform
import shlex
import sys
import tempfile
import traceback
from pathlib import Path

import click

from kerasfusion.cli.console import complain, discard_output

# Errors of the file system that name a mistake in the command line.
MISTAKES = {errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS}
MISTAKES |= {errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTEMPTY}


def exit_code(command):
    """Run a click command; every error ends in one message, and an unexpected one's traceback in a log file.

    Args:
        command: A `click.Command`.

    Returns:
        int: what the command exits with; 2 for a mistake in the command line or its data, 1 for any other error, 130
        after Ctrl-C.
    """
    try:
        try:
            code = command(prog_name="kerasfusion", standalone_mode=False) or 0
        except SystemExit as ended:
            code = ended.code
        # Here and not when Python ends, where a full disk or a closed pipe would be a traceback.
        sys.stdout.flush()
        return code
    except click.ClickException as error:
        with contextlib.suppress(OSError):
            # Named, or click writes UTF-8 to a terminal of another encoding.
            error.show(sys.stderr)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        complain("Interrupted", "nothing more was written.")
        return 130
    except BrokenPipeError:
        discard_output()
        return 1
    except Exception as error:
        if os.environ.get("KERASFUSION_TRACEBACK"):
            raise
        return _report(error)


def _report(error):
    """Print what went wrong in one message, log the traceback of what is no user's mistake; the exit code."""
    if _is_mistake(error):
        complain("Error", reason(error), "red")
        return 2
    log = _write_log()
    where = "No log could be written." if log is None else f"The traceback is in {log}."
    complain("Error", f"{reason(error).strip().splitlines()[0][:500]}. {where}", "red")
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        return 1
    discard_output()
    return 1


def _is_mistake(error):
    """Whether the error is one that the package raises about its input, or a path that cannot be used."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in MISTAKES
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    ours = Path(frame.f_code.co_filename).is_relative_to(Path(__file__).parents[1])
    return ours and isinstance(error, (ValueError, ImportError, OSError))


def reason(error):
    """What went wrong, for a person."""
    if isinstance(error, OSError) and error.strerror:
        hint = "; free some and run the command again" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        return ": ".join(str(part) for part in (error.filename, error.strerror + hint) if part)
    if isinstance(error, MemoryError):
        return "Out of memory; smaller images, a smaller batch or --cache-dir need less"
    if isinstance(error, RecursionError):
        return "The input is nested too deeply"
    if isinstance(error, (ValueError, ImportError, OSError)) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _write_log():
    """Write the traceback of the error in hand to a new file; its path, None where that fails."""
    command, system = shlex.join(["kerasfusion", *sys.argv[1:]]), platform.platform()
    content = f"{command}\nPython {platform.python_version()}, {system}\n\n{traceback.format_exc()}"
    path = None
    try:
        handle, path = tempfile.mkstemp(prefix="kerasfusion-error-", suffix=".log")
        with open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(content)
    except OSError:
        if path is not None:
            Path(path).unlink(missing_ok=True)
        return None
    return path
