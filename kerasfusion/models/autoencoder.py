"""Image and text into one code, and both of them out of it again."""

import keras

from kerasfusion.fusion import FUSIONS
from kerasfusion.heads import BagOfWordsHead, ImageReconstructionHead
from kerasfusion.layers import GaussianLatent, TokenDropout
from kerasfusion.models.inputs import build_layer, encode, make_inputs


def autoencoder(
    schema,
    text_encoder="gru",
    image_encoder="residual_cnn",
    fusion="concat",
    units=128,
    latent_dim=32,
    filters=(64, 32, 16),
    noise_stddev=0.0,
    kl_weight=None,
    name=None,
):
    """Encoders, one code of whatever is there, and a decoder for each modality.

    Trained with `modality_dropout` in the config it learns to fill in: a row that has lost its image or its text is
    still to give back both. What one modality says about the other is then in the code (arXiv 1206.6418 calls it
    the bimodal deep autoencoder).

    Args:
        schema: A `kf.Schema` of images and texts, without tasks: what is learned are the features themselves.
        text_encoder: A name in `kf.encoders.TEXT_ENCODERS`, or `{"name": ..., **arguments}`.
        image_encoder: A name in `kf.encoders.IMAGE_ENCODERS`, or `{"name": ..., **arguments}`.
        fusion: A name in `kf.fusion.FUSIONS`, or `{"name": ..., **arguments}`.
        units: Width of every branch and of the fused representation.
        latent_dim: Width of the code.
        filters: See `ImageDecoder`.
        noise_stddev: Denoising (Vincent et al., 2008): pixels get normal noise of this deviation (1 is the whole
            range from black to white), and this share of the words becomes unknown, while training alone.
        kl_weight: Variational: the weight of `GaussianLatent`'s divergence. None makes a plain code.
        name: Name of the model.

    Returns:
        keras.Model: dict of inputs (see `make_inputs`) -> dict feature -> float32 logits, of an image's pixels
        `(B, H, W, 3)`, of a text's words `(B, V)`. The layer `code` gives the code, float `(B, latent_dim)`.

    Raises:
        ValueError: an unknown name, or a schema with tasks or with numbers.

    Example:

    ```python
    schema = kf.Schema(data.schema.features, tasks=())
    model = kf.models.autoencoder(schema, latent_dim=16)
    config = kf.training.TrainingConfig(modality_dropout=2 / 3)  # both, the image alone, the text alone: a third each
    kf.training.fit(model, train.with_features(schema), validation.with_features(schema), config, "runs/code")
    ```
    """
    kinds = [feature.kind for feature in schema.features]
    if schema.tasks or not set(kinds) <= {"text", "image"}:
        raise ValueError(
            f"autoencoder needs images and texts and no task, kf.Schema(schema.features, tasks=()); the "
            f"schema has {kinds} and {[task.type for task in schema.tasks]}."
        )
    inputs = make_inputs(schema)
    given = dict(inputs)
    for feature in schema.features if noise_stddev else ():
        x, layer = inputs[feature.name], f"noise_{feature.name}"
        if feature.kind == "image":
            noisy = keras.layers.GaussianNoise(noise_stddev, name=layer)(keras.layers.Rescaling(1 / 255)(x))
            given[feature.name] = keras.layers.Rescaling(255.0)(noisy)
        else:
            given[feature.name] = TokenDropout(noise_stddev, name=layer)(x)
    encoded = encode(schema, given, text_encoder, image_encoder, units)
    present = {feature.name: inputs[f"{feature.name}_present"] for feature in schema.features}
    fused = build_layer(FUSIONS, fusion, units=units, name="fusion")(encoded, present=present)
    narrow = (
        keras.layers.Dense(latent_dim, name="code")
        if kl_weight is None
        else GaussianLatent(latent_dim, kl_weight, name="code")
    )
    vector = narrow(fused)
    outputs = {}
    for feature in schema.features:
        head = f"head_{feature.name}"
        if feature.kind == "image":
            outputs[feature.name] = ImageReconstructionHead(feature.size, filters, name=head)(vector)
        else:
            hidden = keras.layers.Dense(units, activation="relu", name=f"decode_{feature.name}")(vector)
            outputs[feature.name] = BagOfWordsHead(len(feature.vocabulary), name=head)(hidden)
    return keras.Model(inputs, outputs, name=name)
