"""Raw inputs of a few test rows, kept with a run for the exports made of it."""

import numpy as np

from kerasfusion.serving import reference

# Rows kept as raw inputs for the export's reference and warm-up.
REFERENCE_ROWS = 4
REFERENCE_CANDIDATES = 32


def save_reference_inputs(path, data):
    """Raw inputs of a few test rows, for the reference and the warm-up of every export of a run."""
    test = data.splits["test"]
    # Rows with different images, so that a mix-up of rows would be seen; of some, those with the smallest files,
    # because every export carries them.
    image = next((test.arrays[name] for name in test.banks), np.arange(len(test)))
    rows = np.unique(image, return_index=True)[1][:REFERENCE_CANDIDATES]
    sizes = [sum(_bytes(bank.encoded(test.arrays[name][row])) for name, bank in test.banks.items()) for row in rows]
    rows = rows[np.argsort(sizes, kind="stable")[:REFERENCE_ROWS]]
    reference.save_reference(path, {"serving_default": (test.take(rows).raw_inputs(), {})})


def _bytes(encoded):
    """Bytes of a file, or of the files of a video's frames."""
    return len(encoded) if isinstance(encoded, bytes) else sum(map(len, encoded))
