import keras

from kerasfusion.heads import ContrastiveHead
from kerasfusion.models.inputs import encode, make_inputs


def dual_encoder(
    schema,
    text_encoder="gru",
    image_encoder="residual_cnn",
    units=128,
    loss="info_nce",
    dropout=0.0,
    pretrained_embeddings=None,
    image_weights=None,
    name=None,
):
    """A text branch and an image branch into one space, where what belongs together is near (arXiv 2103.00020).

    Nothing joins the branches but a cosine, so images and texts are embedded once and compared by the million.
    The lengths are 1 in training and in serving alike. Train the twin that `contrastive(model)` makes.

    Args:
        schema: A `kf.Schema` with one text, one image and one task of type `"retrieval"`.
        text_encoder: A name in `kf.encoders.TEXT_ENCODERS`, or `{"name": ..., **arguments}`.
        image_encoder: A name in `kf.encoders.IMAGE_ENCODERS`, or `{"name": ..., **arguments}`.
        units: Width of the space, and of the branches unless their own arguments say otherwise. None leaves out the
            dense layers into the space, for encoders that share one already, as those of a CLIP do.
        loss: See `ContrastiveHead`.
        dropout: Dropout rate on what the encoders give.
        pretrained_embeddings: File that the text encoder's embedding starts from, see `fusion_model`.
        image_weights: What the image encoder's network starts from, see `fusion_model`.
        name: Name of the model.

    Returns:
        keras.Model: dict of inputs (see `make_inputs`) -> dict task -> float32 `(B, 1)`, the cosine of a row's
        image and text. The layers `embed_text` and `embed_image` give the embeddings, float `(B, units)`.

    Raises:
        ValueError: an unknown name, a schema with other features or tasks, or encoders of two widths and no units.

    Example:

    ```python
    model = kf.models.dual_encoder(schema, text_encoder="gru", image_encoder="residual_cnn", units=256)
    twin = kf.models.contrastive(model)
    ```
    """
    kinds = [feature.kind for feature in schema.features]
    tasks = [task.type for task in schema.tasks]
    if sorted(kinds) != ["image", "text"] or tasks != ["retrieval"]:
        raise ValueError(
            f"dual_encoder needs one text, one image and one task of type retrieval; the schema has {kinds} and "
            f"{tasks}."
        )
    inputs = make_inputs(schema)
    encoded = encode(schema, inputs, text_encoder, image_encoder, units, pretrained_embeddings, image_weights)
    embeddings = {}
    for feature in schema.features:
        x = keras.layers.Dropout(dropout, name=f"dropout_{feature.kind}")(encoded[feature.name]["pooled"])
        if units is not None:
            x = keras.layers.Dense(units, name=f"project_{feature.kind}")(x)
        embeddings[feature.kind] = keras.layers.UnitNormalization(
            axis=-1, dtype="float32", name=f"embed_{feature.kind}"
        )(x)
    widths = {kind: embedding.shape[-1] for kind, embedding in embeddings.items()}
    if len(set(widths.values())) > 1:
        raise ValueError(f"dual_encoder: without units the encoders have to be as wide as one another, not {widths}.")
    task = schema.tasks[0].name
    cosine = ContrastiveHead(loss, name=f"head_{task}")(embeddings)
    return keras.Model(inputs, {task: cosine}, name=name)


def get_tower(model, feature):
    """One branch of a dual encoder as a model of its own, with the same layers and weights.

    Args:
        model: What `dual_encoder` made.
        feature: The text's or the image's `Feature`.

    Returns:
        keras.Model: dict of `<name>` and `<name>_present` -> float32 `(B, units)`, rows of length 1.
    """
    inputs = {name: model.input[name] for name in (feature.name, f"{feature.name}_present")}
    return keras.Model(inputs, model.get_layer(f"embed_{feature.kind}").output, name=f"embed_{feature.kind}")
