"""An image, and a text where there is one, put into words."""

import keras

from kerasfusion.decoders import DECODERS
from kerasfusion.heads import CaptionHead, SentenceEmbeddingHead
from kerasfusion.models.heads import get_heads
from kerasfusion.models.inputs import build_layer, encode, make_inputs
from kerasfusion.models.joint_encoder import JointEncoder


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
        keras.Model: dict of inputs (see `make_inputs`) and `caption`, int32 `(B, T)`, the start and the words so far
        -> dict task -> float32 logits, of the caption `(B, T, V)`.

    Raises:
        ValueError: an unknown name, or a schema with other tasks.

    Example:

    ```python
    model = kf.models.captioner(schema, image_encoder="small_cnn", decoder="attention_lstm", units=128)
    ```
    """
    captions = [task for task in schema.tasks if task.type == "captioning"]
    others = [task for task in schema.tasks if task.type not in ("captioning", "embedding_regression")]
    if len(captions) != 1 or others:
        raise ValueError(
            f"captioner needs one task of kind caption, with vectors at most; the schema has "
            f"{[t.type for t in schema.tasks]}."
        )
    (task,) = captions
    inputs = make_inputs(schema)
    encoded = encode(schema, inputs, text_encoder, image_encoder, units, pretrained_embeddings, image_weights)
    present = {feature.name: inputs[f"{feature.name}_present"] for feature in schema.features}
    context = JointEncoder(units, num_layers=num_layers, dropout=dropout, name="context")(encoded, present=present)
    # The last of a caption's ids is never read, only told.
    inputs[task.name] = keras.Input((task.length - 1,), dtype="int32", name=task.name)
    settings = {"vocabulary_size": task.vocabulary_size, "units": units, "dropout": dropout}
    told = build_layer(DECODERS, decoder, **settings, name="decoder")(context, inputs[task.name])
    outputs = {}
    for each in schema.tasks:
        settings = {"learn_loss_weight": learn_loss_weights, "name": f"head_{each.name}"}
        if each is task:
            outputs[each.name] = CaptionHead(each.outputs, label_smoothing, **settings)(told)
        else:
            outputs[each.name] = SentenceEmbeddingHead(each.outputs, context_distance, **settings)(context["pooled"])
    return keras.Model(inputs, outputs, name=name)


class CaptionerParts:
    """The pieces of a captioner that make words one after the other.

    Args:
        model: What `captioner` made.

    Attributes:
        task: Name of the caption.
        encode: keras.Model, dict of the inputs without the caption -> dict, the context that the decoder takes.
        decoder: The `Decoder`.
        head: The `CaptionHead`.

    Raises:
        ValueError: the model writes no captions.
    """

    def __init__(self, model):
        heads = get_heads(model)
        captions = [task for task, head in heads.items() if isinstance(head, CaptionHead)]
        if not captions:
            raise ValueError(f"{model.name} writes no captions: its heads are {[h.name for h in heads.values()]}.")
        (self.task,) = captions
        self.head = heads[self.task]
        self.decoder = model.get_layer("decoder")
        inputs = {name: tensor for name, tensor in model.input.items() if name != self.task}
        context = self.decoder._inbound_nodes[0].arguments.args[0]
        self.encode = keras.Model(inputs, context, name=f"{model.name}_context")
