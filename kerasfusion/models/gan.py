"""A generator that draws what a text says, and the discriminator that it learns from."""

import keras
from keras import ops
from keras.layers import Conv2D, Dense, SpectralNormalization

from kerasfusion.encoders import TEXT_ENCODERS
from kerasfusion.layers import ImageDecoder
from kerasfusion.models.inputs import build_layer, make_inputs


def generator(
    schema, text_encoder="gru", noise_dim=32, units=64, filters=(64, 32, 16), initial_brightness=0.5, name=None
):
    """A text and noise into an image (text-conditional GAN, arXiv 1605.05396).

    Args:
        schema: A `kf.Schema` with one text and one image; its tasks do not matter.
        text_encoder: A name in `kf.encoders.TEXT_ENCODERS`, or `{"name": ..., **arguments}`.
        noise_dim: Width of the noise, which stands for all that the text does not say.
        units: Width of the text encoder.
        filters: See `ImageDecoder`.
        initial_brightness: See `ImageDecoder`.
        name: Name of the model.

    Returns:
        keras.Model: dict of the text, int32 `(B, L)`, and `noise`, float32 `(B, noise_dim)` of the standard normal
        distribution -> `{image: float32 (B, H, W, 3)}`, pixels in 0..1.

    Raises:
        ValueError: an unknown name, or a schema with other features.

    Example:

    ```python
    draw = kf.models.generator(schema)
    pixels = draw({"text": ids, "noise": keras.random.normal((len(ids), 32))})["image"]
    ```
    """
    inputs, text, image = _text_and_image(schema)
    said = _said(text_encoder, text, units, inputs)
    inputs = {text.name: inputs[text.name], "noise": keras.Input((noise_dim,), name="noise")}
    vector = ops.concatenate([said, inputs["noise"]], axis=-1)
    logits = ImageDecoder(image.size, filters, initial_brightness, name="decoder")(vector)
    pixels = keras.layers.Activation("sigmoid", dtype="float32", name="pixels")(logits)
    return keras.Model(inputs, {image.name: pixels}, name=name)


def discriminator(schema, text_encoder="gru", units=128, filters=(16, 32, 64), scale=5.0, name=None):
    """How real an image looks, and how well it fits a text.

    The score is `s (w · h(x) + e(t) · h(x))`: the text is projected onto the image's features (arXiv 1802.05637).
    No layer can stretch anything (spectral normalization, arXiv 1802.05957), which keeps what the generator learns
    from finite.

    Args:
        schema: As for `generator`.
        text_encoder: As for `generator`; its weights are its own.
        units: Width of text and image.
        filters: Channels of the convolutions, each of which halves the image.
        scale: `s`, how fast the score may change with the image. The less, the coarser is what it learns to see;
            the more, the sooner it is so sure that nothing is left to learn from it.
        name: Name of the model.

    Returns:
        keras.Model: dict of the text, int32 `(B, L)`, and the image, float32 `(B, H, W, 3)` in 0..1 -> float32
        `(B, 1)`.

    Raises:
        ValueError: an unknown name, or a schema with other features.

    Example:

    ```python
    score = kf.models.discriminator(schema)
    score({"text": ids, "image": pixels})  # (B, 1)
    ```
    """
    inputs, text, image = _text_and_image(schema)
    pixels = keras.Input((*image.size, 3), name=image.name)
    x = 2.0 * pixels - 1.0
    for i, channels in enumerate(filters):
        convolution = SpectralNormalization(Conv2D(channels, 4, 2, "same"), name=f"conv_{i}")
        x = ops.leaky_relu(convolution(x), 0.2)
    features = SpectralNormalization(Dense(units), name="features")(keras.layers.Flatten()(x))
    features = ops.leaky_relu(features, 0.2)
    said = _said(text_encoder, text, units, inputs)
    said = SpectralNormalization(Dense(units), name="projection")(said)
    looks = SpectralNormalization(Dense(1), name="looks")(features)
    score = scale * (looks + ops.sum(features * said, axis=-1, keepdims=True))
    return keras.Model({text.name: inputs[text.name], image.name: pixels}, score, name=name)


def _text_and_image(schema):
    """The inputs of a schema, its text and its image."""
    kinds = [feature.kind for feature in schema.features]
    if sorted(kinds) != ["image", "text"]:
        raise ValueError(f"An image drawn from words needs a schema with one text and one image, not {kinds}.")
    (text,), (image,) = schema.of_kind("text"), schema.of_kind("image")
    return make_inputs(schema), text, image


def _said(wanted, text, units, inputs):
    """The text as a vector, float `(B, units)`, as large as noise: beside much larger noise it would go unheard."""
    vocabulary = {"vocabulary": text.vocabulary, "vocabulary_size": text.vocabulary_size}
    encoder = build_layer(TEXT_ENCODERS, wanted, units=units, **vocabulary, name=f"encode_{text.name}")
    return keras.layers.LayerNormalization(name="said")(encoder(inputs[text.name])["pooled"])
