"""Columns of signals, each a feature; rows that name the same file share its place in a store."""

import numpy as np

from kerasfusion.data.features.base import FeatureColumns
from kerasfusion.data.signal_columns import missing_samples, read_signal_columns, read_signals_of, rows_of
from kerasfusion.data.summaries import value_range
from kerasfusion.schema import Feature

# Signals that means are learned from; more do not change them.
MOST_FITTED = 2_000
MOST_RATES = 8


class SignalColumns(FeatureColumns):
    """int32 `(n,)`, places in a `SignalStore`; -1 for none."""

    hashed = (("signals", "arrays"),)

    def read_columns(self, frame, columns, options):
        """As `ImageFiles.read_columns`, with `SignalColumns`."""
        names = ("sample_rate", "signal_length", "image_dir", "allow_external_paths")
        return read_signal_columns(frame, columns, *(options[name] for name in names))

    def read_again(self, frame, feature, options):
        """As `ImageFiles.read_again`, with a `SignalStore`."""
        return read_signals_of(frame, feature, options["image_dir"], options["allow_external_paths"])

    def notes(self, frame, column, places=None):
        if len(set(places.tolist())) == 1:
            return [f"Every row has the same signal (column {column!r}): nothing can be learnt from it."]
        return []

    def fit(self, frame, columns, name, limits, files=None):
        (column,) = columns
        store = files.stores[column]
        rows = rows_of(files.places[column], frame)
        rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST_FITTED)).astype(int)]
        mean, std = _statistics(store.fetch(rows)[0].numpy()) if len(rows) else _statistics(np.zeros((1, 1, 1)))
        feature = Feature(
            name,
            "signal",
            columns,
            length=store.length,
            mean=mean,
            std=std,
            channels=store.channels,
            rate=store.rate,
        )
        return feature, []

    def profile(self, feature, splits, sizes=None):
        found = {"length": feature.length, "channels": feature.channels, "rate": feature.rate, "signals": {}}
        index = {name: np.unique(split.arrays[feature.name]) for name, split in splits.items()}
        index = {name: own[own >= 0] for name, own in index.items()}
        found["signals"] = {name: len(own) for name, own in index.items()}
        if sizes is not None:
            found["samples"] = {name: value_range(sizes[own, 0]) for name, own in index.items()}
            used = np.unique(np.concatenate(list(index.values())))
            rates, counts = np.unique(sizes[used, 1], return_counts=True)
            order = np.argsort(-counts, kind="stable")[:MOST_RATES]
            found["rates"] = [[int(rates[i]), int(counts[i])] for i in order]
            store = next(iter(splits.values())).banks[feature.name]
            if store.in_memory:
                missing, read = missing_samples(store, sizes)
                found["missing"] = {
                    name: float(missing[own].sum() / max(read[own].sum(), 1)) for name, own in index.items()
                }
        return {feature.name: found}

    def raw_inputs(self, feature, examples):
        bank, places = examples.banks[feature.name], examples.arrays[feature.name]
        if feature.rate is None:
            return {feature.name: np.stack([bank.samples(place) for place in places])}
        return {f"{feature.name}_bytes": [bank.encoded(place) for place in places]}

    def cells(self, feature, examples):
        return [examples.arrays[feature.name]]


def _statistics(samples):
    """Mean and standard deviation of each channel over all samples that are there."""
    channels = [values[np.isfinite(values)].astype("float64") for values in np.moveaxis(samples, -1, 0)]
    mean = tuple(float(values.mean()) if values.size else 0.0 for values in channels)
    return mean, tuple(float(values.std()) if values.size else 1.0 for values in channels)
