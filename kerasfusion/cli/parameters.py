"""Types of the command line's arguments, checked before any work."""

import os
import re
import tempfile
from pathlib import Path

import click

from kerasfusion.bounds import BOUNDS
from kerasfusion.cli.failures import reason

# Bytes that a file's name may have: 255 on most file systems, less what a temporary name adds.
LONGEST_NAME = 230
VERSION = re.compile(r"\d+\.\d+(\.\d+)?")


class Columns(click.ParamType):
    """Names of columns, divided by commas."""

    name = "columns"

    def convert(self, value, param, ctx):
        return value if isinstance(value, list) else [part.strip() for part in value.split(",") if part.strip()]


class Number(click.ParamType):
    """A number within the bounds of a setting."""

    def __init__(self, setting):
        self.bound = BOUNDS[setting]
        self.name = "integer" if self.bound.whole else "float"

    def convert(self, value, param, ctx):
        try:
            number = int(value) if self.bound.whole else float(value)
        except ValueError:
            number = value
        problem = self.bound.problem(number)
        return number if problem is None else self.fail(problem, param, ctx)


class VersionsCommand(click.Command):
    """A command whose `--tensorflow` takes several versions, divided by spaces or commas."""

    def parse_args(self, ctx, args):
        """Give every version after the first an option of its own, which is what click takes."""
        spread, versions = [], False
        for word in args:
            parts = [part for part in word.split(",") if part]
            if versions and parts and all(map(VERSION.fullmatch, parts)):
                # Those of the first word follow the option itself.
                option = spread[-1] == "--tensorflow"
                spread += [piece for part in parts for piece in ("--tensorflow", part)][option:]
            else:
                versions = word == "--tensorflow"
                spread.append(word)
        return super().parse_args(ctx, spread)


class Widths(Columns):
    """Whole numbers, divided by commas, each within the bounds of `units`."""

    name = "widths"

    def convert(self, value, param, ctx):
        return [Number("units").convert(part, param, ctx) for part in super().convert(value, param, ctx)]


class Output(click.Path):
    """A path to write to, checked before any work: a file or a folder, new or not."""

    def __init__(self, folder):
        super().__init__(path_type=Path)
        self.folder = folder

    def convert(self, value, param, ctx):
        path = super().convert(value, param, ctx)
        try:
            problem = "the path is empty." if value == "" else self._problem(path)
        except (OSError, ValueError) as error:
            problem = f"{path}: {reason(error)}."
        return path if problem is None else self.fail(problem, param, ctx)

    def _problem(self, path):
        long = next((part for part in path.parts if len(os.fsencode(part)) > LONGEST_NAME), None)
        if long is not None:
            return f"{long[:40]}… is too long for a file's name; at most {LONGEST_NAME} bytes."
        os.path.lexists(path)
        if self.folder or not path.exists():
            base = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
            return _folder_problem(base)
        if not path.is_file():
            return f"{path} is {'a folder' if path.is_dir() else 'no regular file'}; name a file."
        return None if os.access(path, os.W_OK) else f"{path} cannot be written: permission denied."


def _folder_problem(folder):
    if not folder.is_dir():
        return f"{folder} is a file, not a folder."
    try:
        # Tried and not asked: to root everything looks writable, also a read-only file system.
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return f"folder {folder} cannot be written to: {error.strerror}."
