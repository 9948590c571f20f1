"""An image, and a text where there is one, put into words."""

import functools

import keras

from kerasfusion.decoders import DECODERS
from kerasfusion.heads import CaptionHead, SentenceEmbeddingHead
from kerasfusion.models.encoded_model import EncodedModel
from kerasfusion.models.heads import get_heads
from kerasfusion.models.inputs import build_layer, make_encoders, make_inputs
from kerasfusion.models.joint_encoder import JointEncoder
from kerasfusion.models.parts import LazyParts, make_part, symbolic_inputs


@keras.saving.register_keras_serializable("kerasfusion")
class Captioner(EncodedModel):
    """A functional model of an encoder per feature, a joint encoder over all tokens, and a caption decoder.

    Args:
        inputs: dict name -> `keras.Input` (or `{"shape", "dtype"}`): every feature, its `<feature>_present`, and the
            caption's ids int32 `(B, T)`, named as its task.
        encoders: dict feature -> encoder layer.
        context: The `JointEncoder`.
        decoder: A `kf.decoders` layer.
        heads: dict task -> head: a `CaptionHead`, and heads that take the mean of all tokens.
        task: Name of the caption's task.
        name: Name of the model.

    A part may also be a function without arguments that makes the layer. It is called just before the layer is.

    Call arguments:
        inputs: dict of tensors, as named by `inputs`; the caption is the start and the tokens so far.

    Returns:
        dict task -> float32 logits, of the caption `(B, T, V)`.

    Attributes:
        encoders, context, decoder, heads, task: The parts.

    Example:

    ```python
    model = kf.models.captioner(schema, image_encoder="small_cnn")
    context = model.encode_context({"image": pixels, "image_present": present})
    ids, log_probability = kf.decoders.greedy(model.decoder, model.head, context)
    ```
    """

    def __init__(self, inputs, encoders, context, decoder, heads, task, name=None):
        # Layers
        self.start(encoders=LazyParts(encoders), heads=LazyParts(heads), task=task)

        # Functional model
        inputs = symbolic_inputs(inputs)
        encoded = self.encode(inputs)
        self.start(context=make_part(context))
        joined = self.fuse(encoded, self.presence(inputs))
        self.start(decoder=make_part(decoder))
        outputs = self.predict_heads(joined, inputs[task])
        self.finish(inputs, outputs, name, ("encoders", "context", "decoder", "heads", "task"))

    @property
    def head(self):
        """The `CaptionHead`."""
        return self.heads[self.task]

    def encode_context(self, inputs):
        """Return what the decoder takes, of the inputs without the caption: dict of float and bool tensors."""
        return self.fuse(self.encode(inputs), self.presence(inputs))

    def fuse(self, encoded, present):
        """Return the joint encoder's output: dict `sequence` `(B, n, d)`, `mask` `(B, n)`, `pooled` `(B, d)`."""
        return self.context(encoded, present=present)

    def predict_heads(self, representation, ids):
        """Logits of the next tokens, and of the other tasks.

        Args:
            representation: What `fuse` gave.
            ids: int32 `(B, T)`, or `(B, K, T)` for K captions of each row.

        Returns:
            dict task -> float32 logits.
        """
        told = self.decoder(representation, ids)
        return {
            task: self.heads[task](told if task == self.task else representation["pooled"]) for task in self.heads
        }

    def predict_encoded(self, encoded, inputs):
        return self.predict_heads(self.fuse(encoded, self.presence(inputs)), inputs[self.task])

    def get_config(self):
        parts = {name: getattr(self, name) for name in ("encoders", "context", "decoder", "heads", "task")}
        return self.parts_config(**parts)


def captioner(
    schema,
    text_encoder="transformer",
    image_encoder="residual_cnn",
    decoder="transformer",
    num_layers=0,
    units=256,
    dropout=0.0,
    label_smoothing=0.0,
    context_distance="cosine",
    learn_loss_weights=False,
    pretrained_embeddings=None,
    image_weights=None,
    name=None,
):
    """Encoders, what all their tokens make of one another, and a decoder that writes.

    Args:
        schema: A `kf.Schema` with one task of type `"captioning"`, and perhaps one of type `"embedding_regression"`,
            as `kf.workflows.add_caption_embeddings` makes: the mean of all tokens is then taught to be near to what a
            reference
            means (the context term of the fused loss).
        text_encoder: A name in `kf.encoders.TEXT_ENCODERS`, or `{"name": ..., **arguments}`.
        image_encoder: A name in `kf.encoders.IMAGE_ENCODERS`, or `{"name": ..., **arguments}`.
        decoder: A name in `kf.decoders.DECODERS`, or `{"name": ..., **arguments}`.
        num_layers: Blocks in which the tokens of image and text look at one another before the decoder looks at them.
        units: Width of everything, unless its own arguments say otherwise.
        dropout: Dropout rate on the tokens and in the decoder.
        label_smoothing: See `CaptionCrossentropy`.
        context_distance: See `EmbeddingDistance`.
        learn_loss_weights: Learn how the losses of caption and vector are weighed, see `UncertaintyWeighted`.
        pretrained_embeddings: File that the text encoder's embedding starts from, see `fusion_model`.
        image_weights: What the image encoder's network starts from, see `fusion_model`.
        name: Name of the model.

    Returns:
        Captioner: dict of inputs (see `make_inputs`) and `caption`, int32 `(B, T)`, the start and the words so far
        -> dict task -> float32 logits, of the caption `(B, T, V)`.

    Raises:
        ValueError: an unknown name, or a schema with other tasks.

    Example:

    ```python
    model = kf.models.captioner(schema, image_encoder="small_cnn", decoder="attention_lstm", units=128)
    ```
    """
    captions = schema.of_type("captioning")
    others = set(schema.tasks) - set(schema.of_type("captioning", "embedding_regression"))
    if len(captions) != 1 or others:
        raise ValueError(
            f"captioner needs one task of type captioning, and beside it only embedding_regression; the schema has "
            f"{[t.type for t in schema.tasks]}."
        )
    (task,) = captions
    # The last of a caption's ids is never read, only told.
    inputs = {**make_inputs(schema), task.name: keras.Input((task.length - 1,), dtype="int32", name=task.name)}
    settings = {"vocabulary_size": task.vocabulary_size, "units": units, "dropout": dropout}

    def make_head(each):
        settings = {"learn_loss_weight": learn_loss_weights, "name": f"head_{each.name}"}
        if each is task:
            return CaptionHead(each.outputs, label_smoothing, **settings)
        return SentenceEmbeddingHead(each.outputs, context_distance, **settings)

    return Captioner(
        inputs,
        make_encoders(schema, text_encoder, image_encoder, units, pretrained_embeddings, image_weights),
        lambda: JointEncoder(units, num_layers=num_layers, dropout=dropout, name="context"),
        lambda: build_layer(DECODERS, decoder, **settings, name="decoder"),
        {each.name: functools.partial(make_head, each) for each in schema.tasks},
        task.name,
        name=name,
    )


def as_captioner(model):
    """The model itself, where it writes captions.

    Raises:
        ValueError: it does not.
    """
    if not isinstance(model, Captioner):
        heads = ", ".join(head.name for head in get_heads(model).values())
        raise ValueError(f"{model.name} writes no captions: its heads are {heads}.")
    return model
