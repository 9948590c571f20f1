import keras

from kerasfusion.fusion import FUSIONS
from kerasfusion.heads import build_head
from kerasfusion.models.inputs import build_layer, encode, make_inputs


def fusion_model(
    schema,
    text_encoder="lstm",
    image_encoder="small_cnn",
    fusion="concat",
    units=128,
    dropout=0.0,
    pretrained_embeddings=None,
    image_weights=None,
    name=None,
):
    """Encoders, one fusion and a head per task, as a functional `keras.Model`.

    The shape of the tutorial articles' networks: each modality has a branch, the branches meet in a fusion layer,
    heads stand on what it gives.

    Args:
        schema: A `kf.Schema`; it may hold one modality alone, which makes a single-modality model.
        text_encoder: A name in `kf.encoders.TEXT_ENCODERS`, or `{"name": ..., **arguments}`.
        image_encoder: A name in `kf.encoders.IMAGE_ENCODERS`, or `{"name": ..., **arguments}`.
        fusion: A name in `kf.fusion.FUSIONS`, or `{"name": ..., **arguments}`.
        units: Width of every branch and of the fused representation.
        dropout: Dropout rate on the fused representation.
        pretrained_embeddings: File of pretrained word vectors (see `kf.encoders.load_word_vectors`) that the text
            encoder's embedding starts from; the same as `pretrained_embeddings` in `text_encoder`.
        image_weights: `"imagenet"` or a file that an image encoder of `keras.applications` starts from; the same as
            `weights` in `image_encoder`. The network is then frozen, unless its `fine_tune` says otherwise.
        name: Name of the model.

    Returns:
        keras.Model: dict of inputs (see `make_inputs`) -> dict task -> float32 logits.

    Raises:
        ValueError: an unknown name, or a fusion that cannot join what the schema holds.

    Example:

    ```python
    model = kf.models.fusion_model(schema, text_encoder="gru", image_encoder="residual_cnn", fusion="film", units=64)
    logits = model(batch)["label"]  # (B, C)
    ```
    """
    inputs = make_inputs(schema)
    encoded = encode(schema, inputs, text_encoder, image_encoder, units, pretrained_embeddings, image_weights)
    present = {feature.name: inputs[f"{feature.name}_present"] for feature in schema.features}
    layer = build_layer(FUSIONS, fusion, units=units, dropout=dropout, name="fusion")
    representation = layer(encoded, present=present)
    outputs = {task.name: build_head(task)(representation) for task in schema.tasks}
    return keras.Model(inputs, outputs, name=name)
