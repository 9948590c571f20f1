"""The signal columns of a table: which signals can be read, their common length and rate, and stores of them."""

import collections
import dataclasses

import numpy as np
import pandas as pd

from kerasfusion.data.errors import DataError, source_of
from kerasfusion.data.settings import Setting
from kerasfusion.data.signal_cells import read_signal_cells, why_no_wav
from kerasfusion.data.signal_store import SignalStore, as_key, read_headers, resampled_length
from kerasfusion.data.skipped_rows import SkippedRows
from kerasfusion.data.table import is_missing

# Time and memory grow with these: more only where asked.
HIGHEST_INFERRED_RATE = 16_000
LONGEST_INFERRED_SECONDS = 10
LONGEST_INFERRED_SERIES = 4_096


@dataclasses.dataclass(frozen=True, eq=False)
class SignalColumns:
    """The signal columns of a table whose signals were read.

    Args:
        index: Column -> int32 `(rows,)`, places in the column's store; -1 for none.
        stores: Column -> `SignalStore`.
        sizes: Column -> int64 `(signals, 3)`: samples, rate (0 without one) and channels of each signal as it came.
        settings: `Setting`s of the lengths and rates.
        places: Column -> dict row of the table -> place in the store.
    """

    index: dict
    stores: dict
    sizes: dict
    settings: list
    places: dict


def read_signal_columns(frame, columns, sample_rate, signal_length, image_dir, allow_external_paths):
    """Read the signals of a table's signal columns, and tell the rows whose signal cannot be read.

    Args:
        frame: A frame from `clean_rows`.
        columns: Names of the signal columns.
        sample_rate: Samples a second, or None to infer it.
        signal_length: Number of samples, or None to infer it.
        image_dir: As for `kf.data.load`, like the other.
        allow_external_paths: See there.

    Returns:
        tuple: the `SignalColumns`; bool `(rows,)`, which rows are usable; and the `SkippedRows` of the others.

    Raises:
        DataError: More than half of the rows have a signal that cannot be read.
    """
    found = SignalColumns({}, {}, {}, [], {})
    usable, dropped = np.ones(len(frame), bool), SkippedRows()
    for column in columns:
        cells = read_signal_cells(frame, column, image_dir, allow_external_paths)
        sizes = _sizes(cells)
        rate, why_rate = _rate(sizes[~cells.unusable()], sample_rate)
        channels = 1 if rate else _channels(cells, sizes)
        length, why = _length(sizes[~cells.unusable()], rate, signal_length)
        store, sizes = _store(cells, sizes, length, channels, rate)
        bad = cells.unusable()
        usable &= ~((cells.index >= 0) & bad[cells.index])
        dropped += cells.problems()
        found.index[column], found.stores[column], found.sizes[column] = cells.index, store, sizes
        found.places[column] = dict(zip(frame.index.tolist(), cells.index.tolist(), strict=True))
        found.settings.extend(_settings(column, store, sizes, why_rate, why))
    if (~usable).sum() * 2 > len(frame):
        raise DataError(
            f"{source_of(frame)}: {(~usable).sum():,} of {len(frame):,} rows have a signal that cannot be read.\n"
            f"{dropped}"
        )
    return found, usable, dropped


def read_signals_of(frame, feature, image_dir, allow_external_paths):
    """Read the signals of a schema's feature; one that cannot be read counts as missing.

    Args:
        frame: A frame from `clean_rows`.
        feature: The signal `Feature`.
        image_dir: As for `kf.data.load`, like the other.
        allow_external_paths: See there.

    Returns:
        tuple: int32 `(rows,)` places in the store, -1 for none; the `SignalStore`; the `SkippedRows`.
    """
    (column,) = feature.columns
    size = feature.length, feature.channels, feature.rate
    if is_missing(frame[column]).all():
        return np.full(len(frame), -1, "int32"), SignalStore([], *size), SkippedRows()
    cells = read_signal_cells(frame, column, image_dir, allow_external_paths)
    store, _ = _store(cells, _sizes(cells), *size)
    index, problems = cells.as_missing()
    return index, store, problems


def missing_samples(store, sizes):
    """How many samples of each signal are missing, of those that a model reads: two int `(signals,)`.

    Args:
        store: A `SignalStore` in memory.
        sizes: Samples, rate and channels of its signals as they came.
    """
    known = np.isfinite(store.fetch(np.arange(len(store.keys), dtype="int32"))[0].numpy()).sum(axis=(1, 2))
    lengths = [resampled_length(n, rate, store.rate) if store.rate else n for n, rate, _ in sizes]
    read = np.minimum(np.asarray(lengths, int), store.length) * store.channels
    return np.where(store.failed, 0, read - known), read


def _sizes(cells):
    """int64 `(signals, 3)`: samples, rate and channels. WAV files that cannot be read are added to the reasons."""
    sizes = np.zeros((len(cells.contents), 3), "int64")
    files = []
    for number, content in enumerate(cells.contents):
        if isinstance(content, np.ndarray):
            sizes[number] = len(content), 0, content.shape[1]
        elif number not in cells.reasons:
            files.append(number)
    ok, sizes[files] = read_headers([cells.contents[number] for number in files])
    for number, fine in zip(files, ok, strict=True):
        if not fine:
            cells.reasons[number] = why_no_wav(cells.contents[number])
        elif not sizes[number, 0]:
            cells.reasons[number] = "a signal without a sample"
    return sizes


def _rate(sizes, wanted):
    """The samples a second of the models' input and why; None for series of numbers."""
    rates = collections.Counter(sizes[sizes[:, 1] > 0, 1].tolist())
    if wanted is not None:
        return wanted, "given"
    if not rates:
        return None, "numbers without a sample rate"
    (commonest, _), *others = rates.most_common()
    rate = min(commonest, HIGHEST_INFERRED_RATE)
    seen = f"files have {commonest:,} Hz" if not others else f"most files have {commonest:,} Hz"
    return rate, f"{seen}; at most {HIGHEST_INFERRED_RATE:,} unless given"


def _channels(cells, sizes):
    """The commonest number of channels; signals of another are added to the reasons."""
    fine = ~cells.unusable()
    channels = collections.Counter(sizes[fine, 2].tolist()).most_common(1)[0][0] if fine.any() else 1
    _refuse_channels(cells, sizes, channels)
    return int(channels)


def _refuse_channels(cells, sizes, channels):
    for number in np.flatnonzero(~cells.unusable() & (sizes[:, 2] != channels)):
        cells.reasons[int(number)] = f"{sizes[number, 2]} channels instead of {channels}"


def _length(sizes, rate, wanted):
    lengths = [resampled_length(n, own or rate, rate) if rate else int(n) for n, own, _ in sizes]
    longest = max(lengths, default=1)
    most = rate * LONGEST_INFERRED_SECONDS if rate else LONGEST_INFERRED_SERIES
    length = wanted or max(min(longest, most), 1)
    why = "given" if wanted else f"the longest has {longest:,}"
    cut = np.mean([n > length for n in lengths]) if lengths else 0
    return length, why + (f"; {cut:.1%} of signals are cut" if cut else "")


def _store(cells, sizes, length, channels, rate):
    """The store of a column, and the sizes with a rate for arrays too. Signals that do not fit get a reason."""
    if rate is None:
        for number, content in enumerate(cells.contents):
            if not isinstance(content, np.ndarray) and number not in cells.reasons:
                cells.reasons[number] = "a WAV file in a column of series of numbers"
        _refuse_channels(cells, sizes, channels)
    empty = as_key(np.zeros((0, channels)), rate)
    keys = [
        empty if number in cells.reasons else as_key(content, rate) if isinstance(content, np.ndarray) else content
        for number, content in enumerate(cells.contents)
    ]
    store = SignalStore(keys, length, channels, rate)
    for number in np.flatnonzero(store.failed & ~cells.unusable()):
        cells.reasons[int(number)] = "every sample is missing"
    sizes = sizes.copy()
    sizes[sizes[:, 1] == 0, 1] = rate or 0
    return store, sizes


def _settings(column, store, sizes, why_rate, why):
    channels = "one channel" if store.channels == 1 else f"{store.channels} channels"
    rate = f"{store.rate:,} Hz" if store.rate else "none"
    seconds = f" ({store.length / store.rate:.3g} s)" if store.rate else ""
    found = [
        Setting(f"sample rate ({column})", f"{rate}, {channels}", why_rate, "--sample-rate"),
        Setting(f"signal length ({column})", f"{store.length:,} samples{seconds}", why, "--signal-length"),
    ]
    if store.in_memory and len(store.keys):
        missing, read = missing_samples(store, sizes)
        if missing.any():
            share = missing.sum() / max(read.sum(), 1)
            value = f"{missing.sum():,} ({share:.2%}) of {(missing > 0).sum():,} signal(s)"
            found.append(Setting(f"missing samples ({column})", value, "not a finite number: masked", ""))
    return found


def rows_of(places, frame):
    """Places in a store of a frame's rows, each once, without those of rows that have none."""
    found = pd.unique(np.asarray([places[row] for row in frame.index.tolist()], "int32"))
    return found[found >= 0]
