"""Image and text into one code, and both of them out of it again."""

import functools

import keras

from kerasfusion.fusion import FUSIONS
from kerasfusion.heads import BagOfWordsHead, ImageReconstructionHead
from kerasfusion.layers import GaussianLatent, TokenDropout
from kerasfusion.models.inputs import build_layer, make_encoders, make_inputs
from kerasfusion.models.parts import LazyParts, PartsModel, make_part, symbolic_inputs


@keras.saving.register_keras_serializable("kerasfusion")
class Autoencoder(PartsModel):
    """A functional model of an encoder per feature, one code, and a decoder per feature.

    Args:
        inputs: dict name -> `keras.Input` (or `{"shape", "dtype"}`): every feature and its `<feature>_present`.
        encoders: dict feature -> encoder layer.
        fusion: A `kf.fusion` layer.
        code: Layer from the fused representation to the code.
        hidden: dict feature -> layer between the code and the feature's head, where there is one.
        heads: dict feature -> head that gives the feature back.
        noise: dict feature -> list of layers that disturb what the encoder takes, in training alone.
        name: Name of the model.

    A part (of `noise`, none) may also be a function without arguments that makes the layer. It is called just before
    the layer is.

    Call arguments:
        inputs: dict of tensors, as named by `inputs`.

    Returns:
        dict feature -> float32 logits.

    Attributes:
        encoders, fusion, code, hidden, heads, noise: The parts.

    Example:

    ```python
    code = model.encode(batch)  # (B, d)
    pixels = keras.ops.sigmoid(model.decode(code)["image"])
    ```
    """

    def __init__(self, inputs, encoders, fusion, code, hidden, heads, noise=None, name=None):
        # Layers
        self.start(encoders=LazyParts(encoders), hidden=LazyParts(hidden), heads=LazyParts(heads))
        self.start(noise=dict(noise or {}))

        # Functional model
        inputs = symbolic_inputs(inputs)
        encoded = self.encode_features(inputs)
        self.start(fusion=make_part(fusion))
        fused = self.fusion(encoded, present=self.presence(inputs))
        self.start(code=make_part(code))
        outputs = self.decode(self.code(fused))
        self.finish(inputs, outputs, name, ("encoders", "fusion", "code", "hidden", "heads", "noise"))

    def encode(self, inputs):
        """Return the code of whatever is there, float `(B, d)`."""
        return self.code(self.fusion(self.encode_features(inputs), present=self.presence(inputs)))

    def encode_features(self, inputs):
        """Return dict feature -> encoder output, of disturbed inputs in training."""
        given = {name: inputs[name] for name in self.encoders}
        for name, layers in self.noise.items():
            for layer in layers:
                given[name] = layer(given[name])
        return {name: self.encoders[name](given[name]) for name in self.encoders}

    def presence(self, inputs):
        """Return dict feature -> bool `(B,)`, whether a row has the feature."""
        return {name: inputs[f"{name}_present"] for name in self.encoders}

    def decode(self, code):
        """Return dict feature -> float32 logits of what a code stands for."""
        decoded = {}
        for name in self.heads:
            hidden = self.hidden[name](code) if name in self.hidden else code
            decoded[name] = self.heads[name](hidden)
        return decoded

    def get_config(self):
        parts = {name: getattr(self, name) for name in ("encoders", "fusion", "code", "hidden", "heads", "noise")}
        return self.parts_config(**parts)


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
        Autoencoder: dict of inputs (see `make_inputs`) -> dict feature -> float32 logits, of an image's pixels
        `(B, H, W, 3)`, of a text's words `(B, V)`. Its `encode` gives the code, float `(B, latent_dim)`.

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
    noise = {}
    for feature in schema.features if noise_stddev else ():
        layer = f"noise_{feature.name}"
        if feature.kind == "image":
            scales = (keras.layers.Rescaling(1 / 255), keras.layers.Rescaling(255.0))
            noise[feature.name] = [scales[0], keras.layers.GaussianNoise(noise_stddev, name=layer), scales[1]]
        else:
            noise[feature.name] = [TokenDropout(noise_stddev, name=layer)]

    def make_code():
        if kl_weight is None:
            return keras.layers.Dense(latent_dim, name="code")
        return GaussianLatent(latent_dim, kl_weight, name="code")

    def make_head(feature):
        name = f"head_{feature.name}"
        if feature.kind == "image":
            return ImageReconstructionHead(feature.size, filters, name=name)
        return BagOfWordsHead(len(feature.vocabulary), name=name)

    def make_hidden(feature):
        return keras.layers.Dense(units, activation="relu", name=f"decode_{feature.name}")

    return Autoencoder(
        make_inputs(schema),
        make_encoders(schema, text_encoder, image_encoder, units),
        lambda: build_layer(FUSIONS, fusion, units=units, name="fusion"),
        make_code,
        {f.name: functools.partial(make_hidden, f) for f in schema.of_kind("text")},
        {f.name: functools.partial(make_head, f) for f in schema.features},
        noise=noise,
        name=name,
    )
