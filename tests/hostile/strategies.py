"""Hypothesis strategies for tables that nobody would write on purpose, and for the roles of their columns."""

import datetime
import decimal
import fractions
import io
import json
import uuid
import warnings
import zipfile

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from PIL import Image


def _png(color="red"):
    file = io.BytesIO()
    Image.new("RGB", (8, 8), color).save(file, "PNG")
    return file.getvalue()


def nested(depth, leaf="deep"):
    """A list in a list in a list, so many times."""
    value = leaf
    for _ in range(depth):
        value = [value]
    return value


class Strange:
    """An object whose methods all fail, as those of half-initialised objects do."""

    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


IMAGES = [_png("red"), _png("blue")]
# What JSON can say. Each is met in tables: as a slip, an export of another program, or an attack.
JSON_CELLS = [
    None, True, False, 0, 1, -1, 7, 2**53 + 1, 2**63, 2**64, 10**30, 10**400, -(10**400), 0.5, 1e308, -0.0,
    float("nan"), float("inf"), float("-inf"), "", " ", "\t\n", "NaN", "inf", "1e999", "1_000", "0x1F", "007",
    "1,5", "yes", "no", "Yes", "YES ", "true", "é", "e\u0301", "ﬁ", "\x00", "a\x00b", "\ud800", "x\udfff", "\ufeff",
    "\ufffd", "\u2028", "\u202e", "٣", "１", "½", "²", "nan", "None", "a|b", "a;b", "a ; b|c", "|", ";;;", "| |",
    " " * 3000, "x" * 70_000, "|" * 5000, "a, b", "{", "[", "[]", "[1]", "['a', 'b']", '["a", ["b"]]',
    "[" * 3000 + "]" * 3000, "[" + "-" * 3000 + "1]", "[" + "9" * 5000 + "]", "['" + "a" * 10, "[(1).real]",
    '["\\ud800"]', "[b'x']", "[{}]", '["a", null]', "[None]", "data:image/png;base64,",
    "data:image/png;base64,AAAA", "data:,", "http://x/y.png", "file:///etc/passwd", "file://[", "http://[::1",
    "../../x.png", "a.png", "good.png", ".", "/", "a/" * 3000, "%00", "file:///%00", "x" * 300 + ".png", "train",
    "test", "Val ", [], [[]], [[[]]], ["a"], ["a", "b"], ["a", None], [1, "a"], [float("nan")], [{}], [{"a": 1}],
    [["a"], ["b"]], [True], ["\ud800"], [""], nested(60), {}, {"a": 1}, {"bytes": None}, {"bytes": "abc"},
    {"bytes": [1]}, {"bytes": 7}, {"path": 7}, {"path": "good.png"}, {"path": ["a"]}, {"path": {"path": "x"}},
    {"bytes": None, "path": None}, {"a": {"b": [{"c": {}}]}}, {"": ""},
]  # fmt: skip
# What only Python can.
PYTHON_CELLS = [
    pd.NA, pd.NaT, np.nan, b"", b"\xff\xfe", b"label", bytearray(b"x"), memoryview(b"x"), *IMAGES, IMAGES[0][:20],
    {"bytes": IMAGES[0]}, {"bytes": b"x", "path": "a.png"}, 1j, complex("nan"), np.complex64(1),
    decimal.Decimal("1.5"), decimal.Decimal("NaN"), decimal.Decimal("sNaN"), decimal.Decimal("Infinity"),
    decimal.Decimal("1e9999"), fractions.Fraction(1, 3), datetime.datetime(2020, 1, 1), datetime.date(1, 1, 1),
    datetime.time(1), datetime.timedelta(1), datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
    pd.Timestamp("2020-01-01"), pd.Timedelta(1), pd.Period("2020"), pd.Interval(0, 1), np.datetime64("NaT"),
    np.timedelta64(1), np.float16(2), np.float32("nan"), np.int8(1), np.bool_(True), np.str_("a"), np.bytes_(b"a"),
    np.array([]), np.array(1), np.array("a"), np.array(["a", "b"]), np.array([["a"], ["b"]]),
    np.array([1.5, np.nan]), np.zeros((2, 2, 3), "u1"), np.array([None, "a"], object), np.void(b"ab"), (), ("a",),
    ("a", ("b",)), {"a"}, frozenset(["a", "b"]), {1: 2}, {("a",): 1}, object(), Strange(), Ellipsis, len, str,
    slice(1), range(3), uuid.UUID(int=0), pd.Series(["a"]), pd.DataFrame({"a": [1]}), pd.Index(["a"]), iter(()),
    Image.new("RGB", (2, 2)), nested(500), 10**5000, np.ma.masked, float, lambda: 1,
]  # fmt: skip
NAMES = [
    "text", "label", "photo", "n", "split", "group", "w", "kind", "caption", "tags", "Text", "image", "", "a,b",
    "a/b", "[/text]", "\ud800", "\x00", "self", "größe", "x" * 400, "text_present", "index", "=1", "a\nb",
    "problem_type", "numbers", "0", "match",
]  # fmt: skip
ODD_NAMES = [
    0, 1, 1.5, None, np.nan, ("a", "b"), True, b"text", pd.Timestamp("2020-01-01"), pd.NA, "text", " text ", "0",
]  # fmt: skip


def _sound(kind, rows, random):
    """A column as it should be."""
    number = range(rows)
    return {
        "text": [f"a {'red' if i % 2 else 'blue'} thing number {i}" for i in number],
        "label": [["cat", "dog", "owl"][i % 3] for i in number],
        "yes": [["yes", "no"][i % 2] for i in number],
        "bool": [i % 2 == 0 for i in number],
        "zero_one": [i % 2 for i in number],
        "integer": [i % 5 for i in number],
        "float": [i / 7 for i in number],
        "tags": [["a", "b"][: 1 + i % 2] for i in number],
        "tag_text": [["a|b", "b|c", "c"][i % 3] for i in number],
        "split": [["train", "train", "train", "val", "test"][i % 5] for i in number],
        "group": [f"p{i // 3}" for i in number],
        "photo": [["good.png", "other.png"][i % 2] for i in number],
        "captions": [[f"a thing {i}", "two things"] for i in number],
        "spellings": [["Cat", "cat", " cat", "CAT ", "ｃａｔ"][i % 5] for i in number],
        "words": [random.choice(["x", "y", "a b", "", "1"]) for i in number],
        "same": ["same"] * rows,
        "missing": [None] * rows,
        "weight": [1.0 + i % 3 for i in number],
    }[kind]


KINDS = [
    "text", "label", "yes", "bool", "zero_one", "integer", "float", "tags", "tag_text", "split", "group", "photo",
    "captions", "spellings", "words", "same", "missing", "weight",
]  # fmt: skip
# The kinds that a role would take, so that much gets past the first check.
SUITED = {
    "text": ["text", "text", "words", "same"],
    "label": ["label", "yes", "bool", "zero_one", "integer", "float", "tags", "tag_text", "spellings", "words"],
    "photo": ["photo"],
    "n": ["float", "integer", "zero_one"],
    "split": ["split"],
    "group": ["group", "integer"],
    "w": ["weight", "float"],
    "kind": ["label", "group"],
    "caption": ["captions", "text"],
    "tags": ["tags", "tag_text"],
}
DTYPES = [
    "category", "Int64", "Float32", "boolean", "string", "string[pyarrow]", "Sparse[float]", "datetime64[ns]",
    "timedelta64[ns]", "datetime64[ns, UTC]", "complex128", "float16", "uint8", "int64", "bool", "S3", "U2",
    "period[D]", "interval", "object", "double[pyarrow]", "list<item: string>[pyarrow]",
]  # fmt: skip


def often(random, percent):
    return random.random() * 100 < percent


def _columns(random, cell):
    """Column name -> cells: some sound, some with slips, some of nothing else."""
    rows = random.choice([30, 20, 12]) if often(random, 95) else random.choice([0, 1, 2, 9])
    named = random.choices([*SUITED, *SUITED, *SUITED, *NAMES], k=random.randint(1, 6))
    table = {}
    for name in dict.fromkeys(["text", "label", *named] if often(random, 90) else named):
        column = _sound(random.choice(SUITED.get(name, KINDS) if often(random, 92) else KINDS), rows, random)
        slips = 0 if often(random, 80) else random.choice([1, 2, 5])
        for place in random.sample(range(rows), min(slips, rows)):
            column[place] = cell(random)
        if not often(random, 95):
            some = [cell(random) for _ in range(random.choice([1, 2, 5]))]
            column = [random.choice(some) for _ in range(rows)]
        table[name] = column
    return table


def _text(random):
    """A few characters from all over Unicode, halves of characters among them."""
    highest = random.choice([0x7F, 0x7F, 0x3FF, 0xFFFF, 0x10FFFF])
    return "".join(chr(random.randint(0, highest)) for _ in range(random.randint(0, 12)))


def _json_cell(random):
    if often(random, 80):
        return random.choice(JSON_CELLS)
    return random.choice(
        [_text(random), random.randint(-(2**70), 2**70), random.uniform(-1e40, 1e40), [_text(random)]]
    )


def _python_cell(random):
    return random.choice(PYTHON_CELLS) if often(random, 50) else _json_cell(random)


def _typed(random, cells):
    """A column of objects, or of any dtype that these cells can be turned into."""
    column = pd.Series(cells, dtype=object)
    if often(random, 75):
        return column
    dtype = random.choice([None, *DTYPES])
    try:
        return column.infer_objects() if dtype is None else column.astype(dtype)
    except Exception:  # Many cells fit few dtypes, and pandas has its own errors for each.
        return column


def _frame(random):
    """A DataFrame with cells, dtypes, names and indices of all kinds."""
    table = _columns(random, _python_cell)
    columns = [_typed(random, cells) for cells in table.values()]
    frame = pd.concat(columns, axis=1).set_axis(pd.Index(list(table), dtype=object), axis=1)
    how = 0 if often(random, 80) else random.randint(1, 7)
    if how == 1:
        frame.columns = pd.Index([random.choice([*ODD_NAMES, *NAMES]) for _ in frame.columns], dtype=object)
    if how == 2:
        frame.columns = pd.MultiIndex.from_tuples([(i, "a") for i in range(len(frame.columns))])
    if how == 3:
        frame = frame.set_axis([random.choice([0, 0, 5, -1])] * len(frame))
    if how == 4:
        frame = frame.set_axis(pd.date_range("2020", periods=len(frame)))
    if how == 5:
        frame = frame.iloc[:, [*range(frame.shape[1]), 0]]
    if how == 6:
        more = pd.DataFrame(1, index=frame.index, columns=range(random.choice([300, 10_000])))
        names = pd.Index([*frame.columns, *(f"c{i}" for i in more.columns)], dtype=object)
        frame = pd.concat([frame.T.reset_index(drop=True).T, more], axis=1).set_axis(names, axis=1)
    if how == 7:
        frame = frame.iloc[:, :0]
    return frame


def _json_table(random):
    """`(ending, bytes, names of columns)` of a JSON or JSONL file."""
    table = _columns(random, _json_cell)
    records = [dict(zip(table, cells, strict=True)) for cells in zip(*table.values(), strict=True)]
    if not often(random, 90):
        odd = random.choice([None, 7, [], "x", {}, {"other": 1}, {"text": nested(50)}, [["a"]]])
        records.insert(random.randint(0, len(records)), odd)
    ending = random.choice([".json", ".jsonl", ".ndjson"])
    ascii_only = often(random, 50)
    if ending == ".json":
        whole = records if often(random, 97) else random.choice([{"rows": records}, table])
        text = json.dumps(whole, ensure_ascii=ascii_only)
    else:
        text = _line_end(random).join(json.dumps(record, ensure_ascii=ascii_only) for record in records)
    if not often(random, 93):
        depth = random.choice([200, 10_000, 100_000])
        opening, closing = random.choice([("[", "]"), ('{"a":', "}"), ("[", ""), ('[{"a":', "}]")])
        deep = opening * depth + "1" + closing * depth
        first = json.dumps(next(iter(table)))
        text = random.choice([deep, f"[{{{first}: {deep}}}]", f"{{{first}: {deep}}}\n{text}"])
    if not often(random, 95):
        text = text.replace("0", random.choice(["1" * 6000, "NaN", "-", "1e99999", "\x00", '{"a":1,"a":2}']))
    return ending, _encoded(random, text), list(table)


def _csv_table(random):
    """`(ending, bytes, names of columns)` of a CSV or TSV file."""
    table = _columns(random, _json_cell)
    delimiter = random.choice([",", ";", "\t"])
    quote = often(random, 90)

    def written(cell):
        text = "" if cell is None else cell if isinstance(cell, str) else _safe(cell)
        wanted = any(sign in text for sign in (delimiter, '"', "\n", "\r"))
        return '"' + text.replace('"', '""') + '"' if quote and wanted else text

    lines = [table, *zip(*table.values(), strict=True)]
    text = _line_end(random).join(delimiter.join(map(written, line)) for line in lines)
    return random.choice([".csv", ".tsv", ".CSV"]), _encoded(random, text), list(table)


def _safe(cell):
    try:
        return str(cell)
    except ValueError:  # an integer past the digits that Python writes
        return "9" * 5000


def _line_end(random):
    return random.choice(["\n", "\n", "\n", "\n", "\n", "\r\n", "\r\n", "\r", "\n\n", "\n \n", "\u2028"])


def _encoded(random, text):
    """The text as bytes, at times in another encoding, cut off or with bytes changed."""
    if often(random, 85):
        return text.encode("utf-8", "replace")
    encodings = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-7", "utf-32", "utf-32-le"]
    data = text.encode(random.choice(encodings), "surrogatepass")
    return data if often(random, 50) else _broken(random, data)


def _broken(random, data):
    how = random.randint(0, 3)
    at = random.randint(0, max(len(data) - 1, 0))
    if how == 0:
        return data[:at]
    few = random.choice([b'"', b"\n", b"\0", b",", b"\r", b"\xff", b"{", b"]", random.randbytes(4)])
    return data[:at] + few + data[at + (len(few) if how == 1 else 0) :] + (few if how == 3 else b"")


def _parquet_table(random):
    """`(".parquet", bytes, names of columns)`, sound or broken."""
    import pyarrow
    import pyarrow.parquet

    table = _columns(random, _json_cell)
    arrays = {}
    for name, cells in table.items():
        try:
            arrays[name] = pyarrow.array(cells)
            pyarrow.parquet.write_table(pyarrow.table([arrays[name]], names=["x"]), io.BytesIO())
        except (pyarrow.ArrowException, OverflowError, UnicodeError, ValueError):
            arrays[name] = pyarrow.array([_safe(cell).encode("utf-8", "replace") for cell in cells])
        if not often(random, 80) and pyarrow.types.is_string(arrays[name].type):
            arrays[name] = arrays[name].dictionary_encode()
    names = [name.encode("utf-8", "replace") for name in arrays]
    file = io.BytesIO()
    whole = pyarrow.table(list(arrays.values()), names=names)
    if not often(random, 90):
        whole = whole.replace_schema_metadata({b"pandas": random.choice([b"{", b"{}", b"[]", b"\xff", b"null"])})
    pyarrow.parquet.write_table(whole, file)
    data = file.getvalue()
    return ".parquet", data if often(random, 85) else _broken(random, data), list(table)


def npy(dtype, shape, data=b"", fortran=False, version=b"\x01\x00", header=None):
    """A `.npy` file whose header says whatever it is told to."""
    if header is None:
        header = f"{{'descr': {dtype!r}, 'fortran_order': {fortran}, 'shape': {shape!r}, }}"
    text = header.encode("latin-1") + b"\n"
    width = 2 if version == b"\x01\x00" else 4
    return b"\x93NUMPY" + version + len(text).to_bytes(width, "little") + text + data


HEADERS = [
    "", "{", "{}", "[]", "None", "1", "{'descr': '<f8'}", "(" * 500 + ")" * 500, "[" * 9000 + "]" * 9000,
    "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), 'x': 1}", "__import__('os').abort()",
    "{'descr': '<f8', 'fortran_order': 1, 'shape': (3,)}", "\x00", " " * 20_000, "-" * 8000 + "1",
]  # fmt: skip
DTYPE_TEXTS = [
    "<f8", "|u1", "<i4", "|b1", "<U4", "|S3", "|O", "<c16", "<M8[ns]", "<m8[s]", "|V4", "<f2", ">i4", "bad", "<U0",
    "<U999999999", "|S0", [("a", "<f8")], [("a", "|O")], ("<f8", (2,)), "", 7, None, "<M8[bad]", "9" * 9,
]  # fmt: skip
SHAPES = [
    (30,), (30, 1), (30, 3), (30, 8, 8), (30, 8, 8, 3), (30, 8, 8, 4), (0,), (0, 3), (30, 0), (), (1,), (-1,),
    (-30, -1), (2**62, 4), (2**63,), (2**31, 2**31, 2**31), (10**30,), (1.5,), ("a",), [30], 30, None, (True,),
    (30, 0, 0, 3), (1,) * 40, (1,) * 70,
]  # fmt: skip


def _npz_table(random):
    """`(".npz", bytes, names of arrays)`: sound arrays, headers that lie, objects, broken archives."""
    rows = random.choice([12, 30])
    numbers = np.random.default_rng(random.randint(0, 9))
    sound = {
        "text": np.array([f"a red thing {i}" for i in range(rows)]),
        "label": numbers.integers(0, 3, rows),
        "image": numbers.integers(0, 256, (rows, 8, 8, 3)).astype("uint8"),
        "grey": numbers.integers(0, 256, (rows, 8, 8, 1)).astype("uint8"),
        "n": numbers.normal(size=rows),
        "tags": numbers.integers(0, 2, (rows, 3)),
        "column": numbers.integers(0, 2, (rows, 1)),
        "fortran": np.asfortranarray(numbers.integers(0, 256, (rows, 8, 8)).astype("uint8")),
        "dates": np.arange(rows).astype("datetime64[D]"),
        "complex": np.full(rows, 1j),
        "objects": np.array([{"a": 1}] * rows, object),
        "records": np.zeros(rows, [("a", "f8"), ("b", "U3")]),
        "nan": np.full(rows, np.nan),
        "bytes": np.array([b"\xff"] * rows),
        "big_endian": np.arange(rows, dtype=">f8"),
        "big": np.zeros((rows, 20_000), "u1"),
        "empty": np.zeros((0, 3)),
        "scalar": np.array(3),
    }
    names = random.choices(sorted(sound), k=random.randint(1, 4))
    names = ["text", "label", *names] if often(random, 85) else names
    suffixes = [""] if often(random, 80) else random.choice([["_train", "_test"], ["_train"]])
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", random.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
        for name in dict.fromkeys(names):
            for suffix in suffixes:
                member = io.BytesIO()
                np.lib.format.write_array(member, sound[name])
                archive.writestr(f"{name}{suffix}.npy", member.getvalue())
        for number in range(0 if often(random, 50) else random.choice([1, 2])):
            lie = npy(
                random.choice(DTYPE_TEXTS),
                random.choice(SHAPES),
                random.choice([b"", bytes(240), bytes(30)]),
                often(random, 50),
                random.choice([b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"]),
                None if often(random, 60) else random.choice(HEADERS),
            )
            member = random.choice(
                [f"x{number}.npy", "text.txt", "../x.npy", "x_train.npy", "z\x00.npy", "é.npy", "a/.npy"]
            )
            with warnings.catch_warnings(action="ignore"):  # two files of one name are part of it
                archive.writestr(member, lie)
    data = file.getvalue()
    return ".npz", data if often(random, 85) else _broken(random, data), names


def _roles(random, columns):
    """Arguments of `load` for a table with these columns: suitable, unsuitable and made up."""
    columns = [str(name) for name in columns]

    def column(suited):
        there = [name for name in columns if name in suited]
        if there and often(random, 97):
            return random.choice(there)
        return random.choice(columns) if columns and often(random, 95) else "nowhere"

    suited = {
        "image": ("photo", "image", "grey", "fortran"),
        "text": ("text",),
        "numeric": ("n", "w", "nan"),
        "label": ("label", "tags", "caption", "column"),
        "group": ("group", "kind"),
        "slice_by": ("kind", "group"),
        "split": ("split",),
        "sample_weight": ("w", "n"),
    }
    percent = {"text": 70, "label": 95, "image": 40, "numeric": 30}
    chosen = {}
    for role, names in suited.items():
        there = any(name in columns for name in names)
        if not often(random, percent.get(role, 15) if there else 3):
            continue
        chosen[role] = column(names)
        if role in ("image", "text", "numeric", "label") and not often(random, 90):
            chosen[role] = random.choice([[], [chosen[role]], [chosen[role], column(names)], "", ","])
    if not often(random, 80):
        kinds = ["binary", "multiclass", "multilabel", "regression", "captioning"]
        chosen["problem_type"] = random.choice(
            [*kinds, *kinds, "embedding_regression", {"label": "multilabel"}, {}, {"x": None}]
        )
    if not often(random, 95):
        chosen["problem_type"] = "retrieval"
    if not often(random, 90):
        chosen["drop_label_leaks"] = True
    return chosen


def _frame_and_roles(random):
    frame = _frame(random)
    return frame, _roles(random, frame.columns)


def _file_and_roles(random):
    ending, data, names = random.choice([_json_table, _csv_table, _parquet_table, _npz_table])(random)
    return ending, data, _roles(random, names)


# Each from one seed, which a failing test names: built of many small draws, most tables would be alike.
_randoms = st.randoms(use_true_random=True)
frames = _randoms.map(_frame_and_roles)
files = _randoms.map(_file_and_roles)
