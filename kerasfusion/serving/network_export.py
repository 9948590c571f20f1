"""The network alone as a SavedModel, for runtimes that read SavedModels but no strings and no encoded images."""

import keras

from kerasfusion.serving.freezing import freeze
from kerasfusion.serving.signatures import Signatures
from kerasfusion.serving.verify_forms import NETWORK

TOLERANCE = 1e-5


def write_network(model, schema, version):
    """Write the folder `network` into a version's `assets.extra/`.

    Its one signature, `serving_default`, takes the inputs of the export's `tensors` and gives the same numbers, no
    names of classes. The weights are constants of the graph.

    Args:
        model: A plain model.
        schema: Its `Schema`.
        version: `pathlib.Path` of the version.

    Returns:
        dict: the card's entry.
    """
    signatures = Signatures(model, schema, freeze)
    archive = keras.export.ExportArchive()
    archive.add_endpoint("serving_default", signatures.predictions, signatures.tensor_specs())
    archive.write_out(str(version / NETWORK), verbose=False)
    return {"folder": NETWORK, "tolerance": TOLERANCE}
