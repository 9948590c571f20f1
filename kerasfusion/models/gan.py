"""A generator that draws what a text says, and the discriminator that it learns from."""

import functools

import keras
from keras import ops
from keras.layers import Conv2D, Dense, SpectralNormalization

from kerasfusion.encoders import TEXT_ENCODERS
from kerasfusion.layers import ImageDecoder
from kerasfusion.models.inputs import build_layer, make_inputs
from kerasfusion.models.parts import PartsModel, make_part, symbolic_inputs


@keras.saving.register_keras_serializable("kerasfusion")
class Generator(PartsModel):
    """A functional model from a text and noise to an image.

    Args:
        inputs: dict name -> `keras.Input` (or `{"shape", "dtype"}`): the text's ids and `noise`.
        text_encoder: A text encoder layer.
        text_norm: Layer that normalizes the text's vector.
        decoder: Layer from a vector to logits of pixels.
        text: Name of the text.
        image: Name of the image.
        name: Name of the model.

    A layer may also be a function without arguments that makes it. It is called just before the layer is.

    Call arguments:
        inputs: dict of tensors, as named by `inputs`.

    Returns:
        `{image: float32 (B, H, W, 3)}`, pixels in 0..1.

    Attributes:
        text_encoder, text_norm, decoder, text, image: The parts.

    Example:

    ```python
    draw = kf.models.generator(schema)
    ```
    """

    def __init__(self, inputs, text_encoder, text_norm, decoder, text, image, name=None):
        # Layers
        self.start(text_encoder=make_part(text_encoder), text=text, image=image)

        # Functional model
        inputs = symbolic_inputs(inputs)
        said = self.text_encoder(inputs[text])["pooled"]
        self.start(text_norm=make_part(text_norm))
        vector = ops.concatenate([self.text_norm(said), inputs["noise"]], axis=-1)
        self.start(decoder=make_part(decoder))
        pixels = keras.layers.Activation("sigmoid", dtype="float32", name="pixels")(self.decoder(vector))
        self.finish(inputs, {image: pixels}, name, ("text_encoder", "text_norm", "decoder"))

    def get_config(self):
        parts = {name: getattr(self, name) for name in ("text_encoder", "text_norm", "decoder", "text", "image")}
        return self.parts_config(**parts)


@keras.saving.register_keras_serializable("kerasfusion")
class Discriminator(PartsModel):
    """A functional model that scores how real an image looks and how well it fits a text, see `discriminator`.

    Args:
        inputs: dict name -> `keras.Input` (or `{"shape", "dtype"}`): the text's ids and the image's pixels in 0..1.
        convolutions: List of layers, each of which halves the image.
        features: Layer from the flattened grid to the image's features.
        text_encoder: A text encoder layer.
        text_norm: Layer that normalizes the text's vector.
        projection: Layer from the text's vector to the width of the features.
        looks: Layer from the features to a score that the text has no part in.
        text: Name of the text.
        image: Name of the image.
        scale: What the score is multiplied by.
        name: Name of the model.

    A layer may also be a function without arguments that makes it. It is called just before the layer is.

    Call arguments:
        inputs: dict of tensors, as named by `inputs`.

    Returns:
        float32 `(B, 1)`.

    Attributes:
        convolutions, features, text_encoder, text_norm, projection, looks, text, image, scale: The parts.

    Example:

    ```python
    score = kf.models.discriminator(schema)
    ```
    """

    def __init__(
        self,
        inputs,
        convolutions,
        features,
        text_encoder,
        text_norm,
        projection,
        looks,
        text,
        image,
        scale,
        name=None,
    ):
        # Layers
        self.start(convolutions=[], text=text, image=image, scale=scale)

        # Functional model
        inputs = symbolic_inputs(inputs)
        x = 2.0 * inputs[image] - 1.0
        for convolution in convolutions:
            self.convolutions.append(make_part(convolution))
            x = ops.leaky_relu(self.convolutions[-1](x), 0.2)
        self.start(features=make_part(features))
        seen = ops.leaky_relu(self.features(keras.layers.Flatten()(x)), 0.2)
        self.start(text_encoder=make_part(text_encoder))
        said = self.text_encoder(inputs[text])["pooled"]
        self.start(text_norm=make_part(text_norm))
        said = self.text_norm(said)
        self.start(projection=make_part(projection))
        said = self.projection(said)
        self.start(looks=make_part(looks))
        score = scale * (self.looks(seen) + ops.sum(seen * said, axis=-1, keepdims=True))
        parts = ("convolutions", "features", "text_encoder", "text_norm", "projection", "looks")
        self.finish(inputs, score, name, parts)

    def get_config(self):
        names = (
            "convolutions",
            "features",
            "text_encoder",
            "text_norm",
            "projection",
            "looks",
            "text",
            "image",
            "scale",
        )
        return self.parts_config(**{name: getattr(self, name) for name in names})


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
        Generator: dict of the text, int32 `(B, L)`, and `noise`, float32 `(B, noise_dim)` of the standard normal
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
    return Generator(
        {text.name: inputs[text.name], "noise": keras.Input((noise_dim,), name="noise")},
        _text_encoder(text_encoder, text, units),
        _text_norm,
        lambda: ImageDecoder(image.size, filters, initial_brightness, name="decoder"),
        text.name,
        image.name,
        name=name,
    )


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
        Discriminator: dict of the text, int32 `(B, L)`, and the image, float32 `(B, H, W, 3)` in 0..1 -> float32
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

    def make_convolution(i):
        return SpectralNormalization(Conv2D(filters[i], 4, 2, "same"), name=f"conv_{i}")

    return Discriminator(
        {text.name: inputs[text.name], image.name: keras.Input((*image.size, 3), name=image.name)},
        [functools.partial(make_convolution, i) for i in range(len(filters))],
        lambda: SpectralNormalization(Dense(units), name="features"),
        _text_encoder(text_encoder, text, units),
        _text_norm,
        lambda: SpectralNormalization(Dense(units), name="projection"),
        lambda: SpectralNormalization(Dense(1), name="looks"),
        text.name,
        image.name,
        scale,
        name=name,
    )


def _text_and_image(schema):
    """The inputs of a schema, its text and its image."""
    kinds = [feature.kind for feature in schema.features]
    if sorted(kinds) != ["image", "text"]:
        raise ValueError(f"An image drawn from words needs a schema with one text and one image, not {kinds}.")
    (text,), (image,) = schema.of_kind("text"), schema.of_kind("image")
    return make_inputs(schema), text, image


def _text_encoder(wanted, text, units):
    """A function that makes the encoder of the text."""
    vocabulary = {"vocabulary": text.vocabulary, "vocabulary_size": text.vocabulary_size}
    return lambda: build_layer(TEXT_ENCODERS, wanted, units=units, **vocabulary, name=f"encode_{text.name}")


def _text_norm():
    """A layer that makes the text's vector as large as noise: beside much larger noise it would go unheard."""
    return keras.layers.LayerNormalization(name="said")
