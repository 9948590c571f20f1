"""Read a user's table, with nothing of it lost or guessed on the way."""

import collections
import csv
import decimal
import io
import json
import os
import re
from pathlib import Path

import pandas as pd

from kerasfusion.data.arrays import read_arrays
from kerasfusion.data.errors import DataError, listed, nearest, short

_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")
# The source that a table has which was never a file.
IN_MEMORY = "DataFrame"
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".npz")
# Longer names of columns are no names: a file without line ends, or rows where the header should be.
LONGEST_NAME = 500
# What a Parquet file of any size may unpack to; beyond, no more than so many times its size.
MOST_UNPACKED = 4 * 1024**3
MOST_TIMES = 100


def read_table(source, columns_hint=None):
    """Read a table of examples.

    An empty cell is a missing one; the words `NA`, `None` and `null` stay words. A CSV column becomes numeric
    when every filled cell is a number, except that codes like `007` stay as written.

    Args:
        source: Path of a `.csv`, `.tsv`, `.jsonl` / `.ndjson`, `.json` (a list of records) or `.parquet` file
            (UTF-8, with or without a byte order mark), of an `.npz` file (see `read_arrays`), or a
            `pandas.DataFrame`.
        columns_hint: CSV and TSV: names of columns to keep as written even where every cell is a number (the
            text and image columns; in other formats `clean_rows` makes strings of numeric text cells). Names
            that the table lacks are ignored here.

    Returns:
        A `pandas.DataFrame` whose index counts the table's rows from 0 and whose `attrs` hold `"source"` (the
        file's name or `"DataFrame"`), `"folder"` (what relative image paths start from) and `"line_offset"`
        (line in the file minus row from 1, or None where these do not run in step).

    Raises:
        DataError: The file is missing, empty, not UTF-8, of an unknown ending, or broken at a line that is
            named.

    Example:
    ```python
    frame = read_table("pets.csv", columns_hint=["description"])
    frame.attrs["source"]  # "pets.csv"
    ```
    """
    if isinstance(source, pd.DataFrame):
        frame, folder = source.copy(deep=False), source.attrs.get("folder", os.getcwd())
        # A table that was read before, and has all its rows still, goes by the file's name.
        whole = source.index.equals(pd.RangeIndex(len(source)))
        name, offset = (source.attrs.get(key) if whole else None for key in ("source", "line_offset"))
        name = name or IN_MEMORY
    elif isinstance(source, (str, os.PathLike)):
        path = Path(source)
        keep = [columns_hint] if isinstance(columns_hint, str) else columns_hint or ()
        frame, offset = _read_file(path, keep)
        name, folder = path.name, str(path.absolute().parent)
    else:
        raise DataError(f"A table is a path or a pandas.DataFrame, not {type(source).__name__}.")
    frame.columns = _column_names(frame.columns, name)
    if not len(frame):
        raise DataError(f"{name} has no rows, only the columns {listed(frame.columns)}. Add rows.")
    frame = frame.reset_index(drop=True)
    for column in frame.columns:
        if isinstance(frame[column].dtype, pd.api.extensions.ExtensionDtype):
            frame[column] = _plain(frame[column])
        if name == IN_MEMORY and frame[column].dtype == object:
            frame[column] = pd.Series([_whole(cell) for cell in frame[column]], index=frame.index, dtype=object)
    frame.attrs = {"source": name, "folder": folder, "line_offset": offset}
    return frame


def is_missing(series):
    """Which cells hold nothing: NaN or None, blank strings, empty bytes, images without bytes or path.

    Args:
        series: A column.

    Returns:
        A bool `pandas.Series` with the same index.
    """
    missing = series.isna()
    if isinstance(series.dtype, pd.StringDtype):
        return missing | (series.str.strip() == "").fillna(False).astype(bool)
    if series.dtype == object:
        return missing | pd.Series([_is_blank(v) for v in series.tolist()], index=series.index, dtype=bool)
    return missing


def stripped(series):
    """A column without the blanks around its strings, missing cells as NaN."""
    if isinstance(series.dtype, pd.StringDtype):
        series = series.str.strip()
    elif series.dtype == object:
        series = series.map(lambda v: v.strip() if isinstance(v, str) else v, na_action="ignore")
    return series.mask(is_missing(series))


def whole_characters(text):
    """The text with the sign for a lost character in place of halves of one, which JSON can hold and UTF-8 cannot."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _is_blank(value):
    if isinstance(value, str):
        return not value.strip()
    if isinstance(value, (bytes, bytearray)):
        return not value
    if isinstance(value, dict) and ("bytes" in value or "path" in value):
        return not (value.get("bytes") or value.get("path"))
    return False


def _read_file(path, keep):
    """The file's cells, and the line of a row minus its number from 1 (None where that varies)."""
    suffix = path.suffix.lower()
    if path.is_dir():
        inside = sorted(p.name for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
        raise DataError(f"{path} is a folder. Give the table in it{': ' + ', '.join(inside) if inside else ''}.")
    if not path.exists():
        raise DataError(f"{path} does not exist.{_near_files(path)}")
    if suffix not in SUFFIXES:
        raise DataError(f"{path.name}: unknown table ending {suffix!r}. Supported: {', '.join(SUFFIXES)}.")
    if not path.stat().st_size:
        raise DataError(f"{path.name} is empty (0 bytes).")
    if suffix == ".parquet":
        return _read_parquet(path), None
    if suffix == ".npz":
        return read_arrays(path), None
    text = _decode(path)
    if not text.strip():
        raise DataError(f"{path.name} is empty: blank lines only.")
    if suffix in (".csv", ".tsv"):
        return _parse_csv(text, path.name, "\t" if suffix == ".tsv" else None, keep)
    if suffix == ".json":
        return _parse_json(text, path.name), None
    return _parse_jsonl(text, path.name)


def _near_files(path):
    if not path.parent.is_dir():
        return f" Nor does its folder {path.parent.absolute()}."
    if path.is_symlink():
        return f" It is a link to {os.readlink(path)}, which is not there: mend the link or name the file itself."
    near = nearest(path.name, os.listdir(path.parent))
    if near:
        return f" Did you mean {' or '.join(near)}?"
    return f" Its folder {path.parent.absolute()} has nothing of a similar name."


def _decode(path):
    data = path.read_bytes()
    # Text has no zeros; where they stand tells the encodings of two and four bytes apart.
    encoding = json.detect_encoding(data[:4]).upper()
    if not encoding.startswith("UTF-8"):
        raise DataError(f"{path.name} is {encoding} text, not UTF-8. Save it as UTF-8: iconv -f {encoding} -t UTF-8.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(_other_encoding(path, data, error.start)) from None


def _other_encoding(path, data, start):
    """What a text that is not UTF-8 seems to be, and what to do."""
    if data.startswith((b"PK\3\4", b"\xd0\xcf\x11\xe0")):
        return f"{path.name} is a spreadsheet or archive, not text. Export it as CSV in UTF-8."
    line = data[:start].count(b"\n") + 1
    beginning = max(data.rfind(b"\n", 0, start) + 1, start - 10)
    around = data[beginning : start + 10].splitlines()[0].decode("cp1252", "replace")
    return (
        f"{path.name}, line {line}: not UTF-8 text (byte 0x{data[start]:02X}). If {around!r} reads right, the table "
        "is in Windows-1252 or Latin-1: save it as UTF-8 (iconv -f WINDOWS-1252 -t UTF-8, or 'CSV UTF-8' in a "
        "spreadsheet)."
    )


def _parse_csv(text, name, delimiter, keep):
    first = text.lstrip("\r\n").splitlines()[0]
    # A spreadsheet set to a country with decimal commas writes semicolons into its .csv files.
    delimiter = delimiter or max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    # Python limits a cell to 128 KiB, which an image in base64 exceeds.
    limit = csv.field_size_limit(2**31 - 1)
    header, rows, start = None, [], 1
    try:
        for cells in reader:
            if not cells or (len(cells) == 1 and not cells[0].strip()):
                pass  # a blank line is no row
            elif header is None:
                header = cells
            elif len(cells) == len(header):
                rows.append([cell if cell.strip() else None for cell in cells])
            else:
                raise DataError(
                    f"{name}, row {len(rows) + 1} (line {start}): {len(cells)} cells where the header has "
                    f"{len(header)}. Put a cell that holds {delimiter!r} or a line break into double quotes."
                )
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{name}, row {len(rows) + 1} (line {start}): a quoted cell is not closed, or goes on after its "
            f'closing quote ({error}). Write a double quote inside a quoted cell twice: "".'
        ) from None
    finally:
        csv.field_size_limit(limit)
    names = _column_names(header or [], name)
    if not rows:
        raise DataError(f"{name} has a header ({', '.join(names[:20])}) but no rows. Add rows.")
    frame = pd.DataFrame(rows, columns=names)
    for column in names:
        if column not in keep:
            frame[column] = _numbers_or_strings(frame[column])
    return frame, 1 if reader.line_num == len(rows) + 1 else None


def _numbers_or_strings(series):
    if series.isna().all():
        return series
    try:
        numbers = pd.to_numeric(series)
    except (ValueError, TypeError):
        return series
    # Integers past 64 bits come back as objects or lose digits: they are names, as is 007.
    is_code = numbers.dtype == object or series.str.fullmatch(r"\s*(0\d+|\d{19,})\s*").any()
    return series if is_code else numbers


def _from_json(text, where):
    try:
        value = json.loads(text)
        # Only an escape can write half of a character.
        return _whole(value) if _HALF_CHARACTER.search(text) else value
    except RecursionError:
        raise DataError(
            f"{where}: lists and objects are nested too deeply. A cell is a string, a number or a list of these."
        ) from None
    except json.JSONDecodeError:
        raise
    except ValueError:  # Python reads no integer of thousands of digits
        raise DataError(f"{where}: a number has too many digits. Write it as a string, in quotes.") from None


def _whole(value, levels=20):
    """A cell whose strings are whole characters; what is nested deeper than any cell that is used stays as it is."""
    if isinstance(value, str):
        return whole_characters(value)
    if isinstance(value, decimal.Decimal) and value.is_snan():
        return None  # an undefined number, which raises an error when it is compared
    if not (levels and isinstance(value, (list, dict))):
        return value
    if isinstance(value, list):
        return [_whole(item, levels - 1) for item in value]
    return {_whole(key, levels - 1): _whole(item, levels - 1) for key, item in value.items()}


def _parse_jsonl(text, name):
    records, blank = [], False
    # Not splitlines(): a JSON string may hold U+2028 and its kind, which end no line of the file.
    for number, line in enumerate(text.rstrip().split("\n"), start=1):
        if not line.strip():
            blank = True
            continue
        try:
            record = _from_json(line, f"{name}, line {number}")
        except json.JSONDecodeError as error:
            raise DataError(f"{name}, line {number}: not JSON ({error.msg} at character {error.colno}).") from None
        if not isinstance(record, dict):
            raise DataError(f"{name}, line {number}: not a JSON object but {type(record).__name__}.")
        records.append(record)
    return pd.DataFrame(records), None if blank else 0


def _parse_json(text, name):
    try:
        records = _from_json(text, name)
    except json.JSONDecodeError as error:
        hint = " It looks like one object a line: name it .jsonl." if error.msg == "Extra data" else ""
        raise DataError(f"{name}, line {error.lineno}: not JSON ({error.msg}).{hint}") from None
    if not isinstance(records, list):
        raise DataError(f"{name} must hold a list of objects, one a row: [{{…}}, {{…}}].")
    for row, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            raise DataError(f"{name}, row {row}: not a JSON object but {type(record).__name__}.")
    return pd.DataFrame(records)


def _read_parquet(path):
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise DataError(f"{path.name}: reading Parquet needs pyarrow: pip install pyarrow.") from None
    try:
        with ParquetFile(path) as file:
            _refuse_unpacking(path, file.metadata)
            # What pandas wrote beside the columns is left aside: it is trusted unread, and says how to make an index.
            frame = file.read().replace_schema_metadata().to_pandas()
    except DataError:
        raise
    except (ArrowException, OSError, ValueError, OverflowError) as error:
        raise DataError(
            f"{path.name} cannot be read as Parquet: {short(str(error))}. It may be cut off: write it again."
        ) from None
    return frame[[name for name in frame.columns if not re.fullmatch(r"__index_level_\d+__", name)]]


def _refuse_unpacking(path, metadata):
    """Raise a `DataError` if the file is small and its cells are many gigabytes."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    # Equal cells may take no room in the file, but do in memory.
    size = max(sum(group.total_byte_size for group in groups), 8 * metadata.num_rows * metadata.num_columns)
    if size > max(MOST_UNPACKED, MOST_TIMES * path.stat().st_size):
        raise DataError(
            f"{path.name}: {path.stat().st_size / 1e6:,.1f} MB that unpack to {size / 1e9:,.1f} GB are not read. "
            "Write the table as CSV, or leave out the columns that are not needed."
        )


def _column_names(columns, name):
    # pandas' own to_csv() writes its index under an empty name.
    names = [whole_characters(str(c)).strip() or f"Unnamed: {place}" for place, c in enumerate(columns)]
    for place, long in enumerate(names, start=1):
        if len(long) > LONGEST_NAME:
            raise DataError(
                f"{name}: the name of column {place} has {len(long):,} characters ({short(long)}), over "
                f"{LONGEST_NAME}. The first row must hold the columns' names, and lines must end."
            )
    twice = sorted(n for n, count in collections.Counter(names).items() if count > 1)
    if twice:
        raise DataError(
            f"{name}: the column name(s) {listed(twice)} appear more than once. Give each column its own name."
        )
    return names


def _plain(series):
    """Strings, numbers and objects out of categories and pandas' nullable types."""
    if isinstance(series.dtype, pd.StringDtype):
        return series
    cells = series.astype(object)
    return pd.Series(cells.where(cells.notna(), None).tolist(), index=series.index)
