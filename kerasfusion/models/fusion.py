import functools

import keras
from keras import ops

from kerasfusion.fusion import FUSIONS
from kerasfusion.heads import build_head
from kerasfusion.models.encoded_model import EncodedModel
from kerasfusion.models.inputs import build_layer, make_encoders, make_inputs, make_linear, make_wide
from kerasfusion.models.parts import LazyParts, make_part, symbolic_inputs

PARTS = ("encoders", "fusion", "hidden", "heads", "imputers", "wide", "linear")


@keras.saving.register_keras_serializable("kerasfusion")
class FusionModel(EncodedModel):
    """A functional model of an encoder per feature, one fusion and a head per task.

    `predict_heads(fuse(encode(inputs), present))` is the plain call. It is a functional model like any other: dict
    in, dict out, `compile`, `fit`, `save`.

    Args:
        inputs: dict name -> `keras.Input` (or `{"shape", "dtype"}`), such as from `make_inputs`: every feature and
            its `<feature>_present`.
        encoders: dict feature -> encoder layer.
        fusion: A `kf.fusion` layer. None, for one feature alone, takes the encoder's pooled vector as it is.
        heads: dict task -> head.
        hidden: Layers between the fusion and the heads.
        imputers: List of `(missing, given, ModalityImputer)`: where `missing` is not there, its pooled vector is
            predicted from that of `given` before the fusion.
        wide: dict text feature -> `NGramLinear` with as many outputs as all heads have logits. They are added to the
            heads' logits.
        linear: `LinearPath` whose predictions are mixed with the heads', by shares that it holds. It reads the token
            ids of texts, the features of frozen encoders with `global_pool`, categories, and what other encoders
            `describe`; without any of these there is none.
        name: Name of the model.

    A part may also be a function without arguments that makes the layer. It is called just before the layer is.

    Call arguments:
        inputs: dict of tensors, as named by `inputs`.

    Returns:
        dict task -> float32 logits `(B, C)`.

    Attributes:
        encoders, fusion, heads, hidden, imputers, wide, linear: The parts.

    Example:

    ```python
    model = kf.models.FusionModel(
        kf.models.make_inputs(schema),
        encoders={
            "text": kf.encoders.GRUEncoder(schema["text"].vocabulary_size, 64),
            "image": kf.encoders.SmallCNN(64),
        },
        fusion=kf.fusion.GatedFusion(64),
        heads={"label": kf.heads.build_head(schema["label"])},
    )
    encoded = model.encode(batch)
    logits = model.predict_heads(model.fuse(encoded, model.presence(batch)))["label"]  # (B, C)
    ```
    """

    def __init__(self, inputs, encoders, fusion, heads, hidden=(), imputers=(), wide=None, linear=None, name=None):
        # Layers
        self.start(encoders=LazyParts(encoders), heads=LazyParts(heads), hidden=list(hidden))
        self.start(wide=LazyParts(wide or {}))
        self.start(imputers=[tuple(imputer) for imputer in imputers], linear=make_part(linear))

        # Functional model
        inputs = symbolic_inputs(inputs)
        encoded = self.encode(inputs)
        if self.linear is not None and not self._linear_inputs(encoded):
            self.start(linear=None)
        self.start(fusion=make_part(fusion))
        outputs = self.predict_heads(self.fuse(encoded, self.presence(inputs)))
        self.finish(inputs, outputs, name, PARTS)

    def encode(self, inputs, encoded=None):
        found = super().encode(inputs, encoded)
        for name in self.wide:
            if name in inputs and "wide" not in found[name]:
                found[name] = {**found[name], "wide": self.wide[name](inputs[name])}
        if self.linear is not None:
            for key, names in (("ids", self.linear.texts), ("categories", self.linear.categories)):
                for name in names:
                    if name in inputs and key not in found[name]:
                        found[name] = {**found[name], key: inputs[name]}
            for name in self.linear.described:
                if name in inputs and "statistics" not in found[name]:
                    found[name] = {**found[name], "statistics": self.encoders[name].describe(inputs[name])}
        return found

    def fuse(self, encoded, present):
        """Join encoder outputs.

        Args:
            encoded: dict feature -> encoder output.
            present: dict feature -> bool `(B,)`.

        Returns:
            float `(B, d)`, what the heads take; then the logits of the wide path and what the linear path returns.
        """
        encoded, present = {name: encoded[name] for name in self.encoders}, dict(present)
        beside = []
        if self.wide:
            beside.append(sum(_where(present.get(name), encoded[name]["wide"]) for name in self.wide))
        if self.linear is not None:
            beside.append(self.linear(self._linear_inputs(encoded), present=dict(present)))
        for missing, given, imputer in self.imputers:
            vectors = (encoded[name]["pooled"] for name in (missing, given))
            filled, present[missing] = imputer(*vectors, present[missing], present[given])
            encoded[missing] = {**encoded[missing], "pooled": filled}
        if self.fusion is None:
            (only,) = encoded.values()
            representation = only["pooled"]
        else:
            representation = self.fusion(encoded, present=present)
        for layer in self.hidden:
            representation = layer(representation)
        if not beside:
            return representation
        return ops.concatenate([ops.cast(representation, "float32"), *beside], axis=-1)

    def _linear_inputs(self, encoded):
        """What the linear path reads: dict feature -> dict of what it has."""
        keys = ("ids", "features", "statistics", "categories")
        read = {name: {key: encoded[name][key] for key in keys if key in encoded[name]} for name in self.encoders}
        return {name: given for name, given in read.items() if given}

    def predict_heads(self, representation):
        wide = {task: self.heads[task].dense.units for task in self.heads} if self.wide else {}
        linear = {} if self.linear is None else self.linear.outputs
        widths = [*wide.values(), *linear.values(), *(1 for _ in linear)]
        if not widths:
            return {task: self.heads[task](representation) for task in self.heads}
        columns = _columns(representation, [representation.shape[-1] - sum(widths), *widths])
        deep = next(columns)
        logits = {task: self.heads[task](deep) for task in self.heads}
        for task in wide:
            logits[task] = self.heads[task].add_wide(logits[task], next(columns))
        beside = {task: next(columns) for task in linear}
        for task, its_logits in beside.items():
            share = next(columns)
            both, weights = ops.stack([logits[task], its_logits]), ops.stack([1.0 - share, share])
            logits[task] = self.heads[task].average(both, weights)
        return logits

    def get_config(self):
        return self.parts_config(**{name: getattr(self, name) for name in PARTS})


def _where(present, logits):
    """The logits `(B, C)` of the rows whose text is present; zero in the others."""
    return logits if present is None else ops.where(present[:, None], logits, 0.0)


def _columns(values, widths):
    """Yield the columns of `values` in groups of these widths."""
    start = 0
    for width in widths:
        yield values[:, start : start + width]
        start += width


def fusion_model(
    schema,
    text_encoder="lstm",
    image_encoder="small_cnn",
    fusion="concat",
    units=128,
    dropout=0.0,
    pretrained_embeddings=None,
    image_weights=None,
    wide=None,
    linear=None,
    label_smoothing=0.0,
    signal_encoder=None,
    video_encoder=None,
    name=None,
):
    """Encoders, one fusion and a head per task, by name, as a `FusionModel`.

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
        wide: Optional int: a linear model of token n-grams beside the network, up to so many tokens each
            (`kf.layers.NGramLinear`; twice as many where tokens are characters), whose logits are added to those of
            the heads.
        linear: Optional int: a linear model of token n-grams, up to so many tokens each, of the features of frozen
            encoders, of numbers, categories and statistics of signals (`kf.layers.LinearPath`). `kf.train` fits it
            after the network, and averages the predictions of both.
        label_smoothing: float in [0, 1), share of a multiclass label that is spread over all classes (arXiv
            1512.00567). Tasks of other types are not affected.
        signal_encoder: A name in `kf.encoders.SIGNAL_ENCODERS`, or `{"name": ..., **arguments}`. None takes
            `"cnn"`.
        video_encoder: A name in `kf.encoders.VIDEO_ENCODERS`, or `{"name": ..., **arguments}`, such as
            `{"name": "gru", "frame_encoder": "residual_cnn"}`. None takes `"gru"`.
        name: Name of the model.

    Returns:
        FusionModel: dict of inputs (see `make_inputs`) -> dict task -> float32 logits.

    Raises:
        ValueError: an unknown name, or a fusion that cannot join what the schema holds.

    Example:

    ```python
    model = kf.models.fusion_model(schema, text_encoder="gru", image_encoder="residual_cnn", fusion="film", units=64)
    logits = model(batch)["label"]  # (B, C)
    ```
    """
    return FusionModel(
        make_inputs(schema),
        make_encoders(
            schema,
            text_encoder,
            image_encoder,
            units,
            pretrained_embeddings,
            image_weights,
            signal_encoder,
            video_encoder,
        ),
        lambda: build_layer(FUSIONS, fusion, units=units, dropout=dropout, name="fusion"),
        {task.name: functools.partial(build_head, task, label_smoothing) for task in schema.tasks},
        wide=make_wide(schema, wide) if wide else None,
        linear=make_linear(schema, linear) if linear else None,
        name=name,
    )
