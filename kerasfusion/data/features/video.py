"""Columns of videos, each a feature; rows that show the same video share its place in a store."""

import numpy as np

from kerasfusion.data.features.base import FeatureColumns
from kerasfusion.data.summaries import value_range
from kerasfusion.data.video_cells import clean_videos
from kerasfusion.data.video_columns import read_video_columns, read_videos_of
from kerasfusion.schema import Feature


class VideoFiles(FeatureColumns):
    """int32 `(n,)`, places in a `VideoStore`; -1 for none."""

    hashed = (("videos", "arrays"),)
    identifies = True

    def clean(self, frame, column):
        return clean_videos(frame, column)

    def read_columns(self, frame, columns, options):
        """As `ImageFiles.read_columns`, with `VideoColumns`."""
        names = ("frames", "image_size", "image_dir", "allow_external_paths", "cache_dir")
        return read_video_columns(frame, columns, *(options[name] for name in names))

    def read_again(self, frame, feature, options):
        """As `ImageFiles.read_again`, with a `VideoStore`."""
        return read_videos_of(frame, feature, options["image_dir"], options["allow_external_paths"])

    def notes(self, frame, column, places=None):
        if len(set(places.tolist())) == 1:
            return [f"Every row shows the same video (column {column!r}): nothing can be learnt from it."]
        return []

    def fit(self, frame, columns, name, limits, files=None):
        return Feature(name, "video", columns, size=files.size, length=files.length), []

    def profile(self, feature, splits, sizes=None):
        found = {"size": list(feature.size), "length": feature.length, "videos": {}, "rows_per_video": {}}
        shown = {name: split.arrays[feature.name] for name, split in splits.items()}
        for name, index in shown.items():
            counts = np.unique(index[index >= 0], return_counts=True)[1]
            found["videos"][name] = len(counts)
            found["rows_per_video"][name] = value_range(counts)
        if sizes is not None:
            used = np.unique(np.concatenate(list(shown.values())))
            sizes = sizes[used[used >= 0]]
            for axis, side in enumerate(("frames", "height", "width")):
                found[side] = value_range(sizes[sizes[:, axis] > 0, axis])
        return {feature.name: found}

    def raw_inputs(self, feature, examples):
        bank = examples.banks[feature.name]
        return {f"{feature.name}_bytes": [bank.encoded(place) for place in examples.arrays[feature.name]]}

    def cells(self, feature, examples):
        return [examples.arrays[feature.name]]
