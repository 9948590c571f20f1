"""The inputs that a schema asks for, and the encoder each of them enters."""

import functools

import keras

from kerasfusion.encoders import IMAGE_ENCODERS, ApplicationEncoder
from kerasfusion.encoders.features import FEATURES
from kerasfusion.layers import LinearPath, NGramLinear

# Every n-gram of a batch takes so many numbers of memory.
MOST_LINEAR_OUTPUTS = 500


def make_inputs(schema):
    """Symbolic inputs for a schema, named and typed as the pipeline feeds them.

    Args:
        schema: A `kf.Schema`.

    Returns:
        dict: for each feature `<name>` (text int32 `(B, L)`, image uint8 `(B, H, W, 3)`, numbers float32 `(B, n)`)
        and `<name>_present` bool `(B,)`.
    """
    inputs = {}
    for feature in schema.features:
        present = f"{feature.name}_present"
        inputs[feature.name] = keras.Input(feature.input_shape, dtype=feature.traits.dtype, name=feature.name)
        inputs[present] = keras.Input((), dtype="bool", name=present)
    return inputs


def make_encoders(
    schema,
    text_encoder,
    image_encoder,
    units,
    pretrained_embeddings=None,
    image_weights=None,
    signal_encoder=None,
    video_encoder=None,
):
    """An encoder for each feature, made when it is asked for (see `FusionModel`).

    Args:
        schema: A `kf.Schema`.
        text_encoder: `{"name": one of TEXT_ENCODERS, **its arguments}`, a name, or None where there is no text.
        image_encoder: The same for images.
        units: Width of every encoder's output unless its own arguments say otherwise.
        pretrained_embeddings: File that the text encoder's embedding starts from, if not None.
        image_weights: `"imagenet"` or a file that the image encoder's network starts from, if not None.
        signal_encoder: As `text_encoder`, one of SIGNAL_ENCODERS; None takes the default.
        video_encoder: The same, one of VIDEO_ENCODERS.

    Returns:
        dict feature -> function without arguments that makes the encoder.

    Raises:
        ValueError: an unknown encoder name (when the encoder is made), or `image_weights` for an encoder that there
            are none for.
    """
    if pretrained_embeddings is not None:
        text_encoder = {**as_config(text_encoder), "pretrained_embeddings": pretrained_embeddings}
    if image_weights is not None:
        image_encoder = {**as_config(image_encoder), "weights": image_weights}
        able = [name for name, kind in IMAGE_ENCODERS.items() if issubclass(kind, ApplicationEncoder)]
        if image_encoder["name"] not in able:
            raise ValueError(
                f"image_weights: there are none for {image_encoder['name']}, but for {', '.join(able)}. Choose a "
                "model that looks by one of these, such as classifier_mobilenet, or give another image_encoder."
            )

    wanted = {"text": text_encoder, "image": image_encoder}
    optional = {"signal": signal_encoder, "video": video_encoder}
    wanted |= {kind: encoder for kind, encoder in optional.items() if encoder is not None}

    def make(feature):
        kind = FEATURES[feature.kind]
        encoder, arguments = wanted.get(feature.kind, kind.default), kind.arguments(feature)
        return build_layer(kind.family, encoder, units=units, **arguments, name=f"encode_{feature.name}")

    return {feature.name: functools.partial(make, feature) for feature in schema.features}


def make_wide(schema, max_n):
    """The wide path of each text feature: function without arguments that makes a `NGramLinear` for all tasks.

    None where a task is a box: which words say where is no linear matter.
    """
    if any(task.is_box for task in schema.tasks):
        return None
    units = sum(1 if task.link == "cumulative" else task.outputs for task in schema.tasks)
    # AdamW updates every row in every step.
    buckets = 2**18 if units <= 4 else 2**16 if units <= 16 else 2**14
    return {
        feature.name: functools.partial(
            NGramLinear, units, _ngram_length(feature, max_n), buckets, name=f"wide_{feature.name}"
        )
        for feature in schema.of_kind("text")
    }


def make_linear(schema, max_n):
    """Function without arguments that makes a `LinearPath` for the tasks whose answers can be averaged.

    None where there are no such tasks, or more than `MOST_LINEAR_OUTPUTS` classes.
    """
    outputs = {
        task.name: task.outputs for task in schema.tasks if task.link in ("softmax", "sigmoid") or task.is_number
    }
    texts = schema.of_kind("text")
    length = max((_ngram_length(feature, max_n) for feature in texts), default=max_n)
    names = [feature.name for feature in texts]
    width = sum(outputs.values())
    if not 0 < width <= MOST_LINEAR_OUTPUTS:
        return None
    buckets = 2**18 if width <= 2 else 2**16 if width <= 8 else 2**14 if width <= 32 else 2**12
    described = [feature.name for feature in schema.features if FEATURES[feature.kind].described]
    categories = {f.name: [len(found) for found in f.category_names] for f in schema.of_kind("categorical")}
    return functools.partial(LinearPath, outputs, names, length, buckets, described, categories, name="linear")


def _ngram_length(feature, max_n):
    """Twice as many tokens where most tokens are single characters, as in Chinese texts."""
    return max_n * (2 if sum(len(word) == 1 for word in feature.vocabulary) > len(feature.vocabulary) / 2 else 1)


def rebuild_encoder(branch, feature):
    """A new encoder with the settings of `branch`, that starts as it did: at random or from its pretrained file."""
    settings = branch.get_config()
    # Of a loaded encoder, in place of the pretrained network that it is to start from.
    settings.pop("backbone_config", None)
    settings |= FEATURES[feature.kind].rebuilt(feature)
    # Not `from_config`, which reads no file: it is for encoders whose weights are loaded.
    return type(branch)(**settings)


def as_config(wanted):
    """A new `{"name": ..., **arguments}` from that or from a name alone."""
    return {"name": wanted} if isinstance(wanted, str) else dict(wanted)


def build_layer(family, wanted, *, name, **defaults):
    """Make the layer that `wanted` names in `family`: a registered name, or `{"name": ..., **arguments}`."""
    wanted = as_config(wanted)
    kind = wanted.pop("name")
    if kind not in family:
        raise ValueError(f"{name}: there is no {kind!r}; choose one of {sorted(family)}.")
    return family[kind](**{**defaults, **wanted}, name=name)
