"""The vectors of rows inside a model: of each branch, and of the fusion."""

import keras
import numpy as np
from keras import ops

from kerasfusion.evaluation.predict import predict_logits
from kerasfusion.models import EncodedModel

FUSION = "fusion"


def predict_vectors(model, examples):
    """Compute the vectors of rows: the pooled output of each encoder, and what the heads take.

    Args:
        model: A plain model of encoders, and a fusion where it has several. Of a dual encoder, the vectors are the
            embeddings, which are compared by their product.
        examples: `Examples`.

    Returns:
        dict feature -> float32 `(n, d)`, NaN where the row lacks the feature; and `"fusion"` -> float32 `(n, d)`,
        where the model has one.

    Raises:
        ValueError: the model has no encoders of its own, such as an average of predictions.

    Example:

    ```python
    kf.evaluation.predict_vectors(run.model, data.splits["test"])["fusion"]  # (n, d)
    ```
    """
    vectors = predict_logits(_vector_model(model), examples)
    found = {}
    for name, values in vectors.items():
        found[name] = np.array(values, "float32")
        if name in examples.present and name != FUSION:
            found[name][~examples.present[name]] = np.nan
    return found


def _vector_model(model):
    """A model of the same layers whose outputs are the vectors."""
    if not (isinstance(model, EncodedModel) and model.encoders):
        raise ValueError(f"{model.name} has no encoders of its own, so it has no vectors: name another run.")
    names = [name for feature in model.encoders for name in (feature, f"{feature}_present") if name in model.input]
    inputs = {name: model.input[name] for name in names}
    encoded = model.encode(inputs)
    outputs = {name: output["pooled"] for name, output in encoded.items()}
    fused = model.fuse(encoded, model.presence(inputs))
    kinds = getattr(model, "kinds", None)
    if kinds is not None:
        outputs = {name: fused[kind] for name, kind in kinds.items()}
    elif len(outputs) > 1:
        outputs[FUSION] = fused["pooled"] if isinstance(fused, dict) else fused
    return keras.Model(inputs, {name: ops.cast(output, "float32") for name, output in outputs.items()})
