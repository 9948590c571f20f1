"""Small models around every layer and loss of the neutral floor, to run on several Keras backends.

Run as a script it writes each model's outputs on the current backend: `python tests/backend_cases.py outputs.npz`.
"""

import functools
import sys

import keras
import numpy as np
from keras import ops

from kerasfusion import decoders, encoders, fusion, heads, layers, losses, metrics

ROWS, UNITS, WORDS, LENGTH = 4, 6, 11, 5
RANDOM = np.random.default_rng(0)
TEXT = np.array([[4, 5, 6, 7, 8], [9, 10, 1, 0, 0], [4, 0, 0, 0, 0], [5, 5, 6, 0, 0]], "int32")
PIXELS = RANDOM.integers(0, 256, (ROWS, 32, 32, 3)).astype("uint8")
NUMBERS = RANDOM.normal(size=(ROWS, 3)).astype("float32")
VECTOR = RANDOM.normal(size=(ROWS, UNITS)).astype("float32")
SEQUENCE = RANDOM.normal(size=(ROWS, 9, 7)).astype("float32")
MASK = np.arange(9) < np.array([[9], [5], [1], [7]])
POOLED = RANDOM.normal(size=(ROWS, 7)).astype("float32")
# Boxes with the id of a category; zeros for none.
CATEGORIZED = np.array(
    [[[0, 0, 0.5, 0.5, 1], [0.2, 0.1, 0.9, 1, 2]], [[0.1, 0.6, 0.3, 0.8, 0], [0] * 5]] * 2, "float32"
)
IDS = np.array([[2, 4, 5, 6, 7], [2, 10, 1, 9, 0], [2, 8, 8, 0, 0], [2, 4, 0, 0, 0]], "int32")
PAIRS = np.array([[1, 0, -1, 0], [0, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 1]], "int32")

SMALL = {
    "bottleneck": {"num_heads": 2},
    "co_attention": {"num_heads": 2},
    "cross_attention": {"num_heads": 2},
    "efficientnet_b0": {"fine_tune": "none"},
    "efficientnet_lite0": {"weights": None},
    "mfh": {"order": 2},
    "mobilenet_v2": {"alpha": 0.35, "fine_tune": "none"},
    "perceiver": {"num_heads": 2},
    "bert": {"hidden_dim": 8, "num_heads": 2, "num_layers": 1, "intermediate_dim": 16, "max_length": 16},
    "block": {"chunks": 2},
    "residual_cnn": {"filters": (4, 6), "num_attention_blocks": 1, "num_heads": 2, "coordinates": True},
    "resnet50": {"fine_tune": "none"},
    "small_cnn": {"filters": (4, 6)},
    "text_cnn": {"filters": 4},
    "token_transformer": {"num_heads": 2},
    "transformer": {"num_heads": 2, "num_layers": 1},
    "vgg16": {"fine_tune": "none"},
    "vit": {"num_heads": 2, "num_layers": 1},
}
# They need KerasHub and a preset, or a package of weights; `minilm` is `bert` with such.
PRETRAINED = {"clip", "keras_hub", "minilm"}


def symbols(values):
    """`keras.Input`s for a structure of arrays."""
    if isinstance(values, dict):
        # Keras wants the inputs of a dict to have its keys as names.
        return {
            key: keras.Input(value.shape[1:], dtype=str(value.dtype), name=key)
            if isinstance(value, np.ndarray)
            else keras.tree.map_structure(lambda one: keras.Input(one.shape[1:], dtype=str(one.dtype)), value)
            for key, value in values.items()
        }
    return keras.tree.map_structure(lambda one: keras.Input(one.shape[1:], dtype=str(one.dtype)), values)


def case(call, inputs, loss="mse", labels=None, measured=()):
    """A compiled model `call(inputs)` with seeded weights, its inputs and its labels."""
    given = symbols(inputs)
    model = keras.Model(given, call(given))
    random = np.random.default_rng(1)
    for weight in model.weights:
        # Variances and integer tables stay as they are.
        if weight.name != "moving_variance" and "float" in weight.dtype and "seed" not in weight.path:
            weight.assign(random.normal(size=weight.shape).astype("float32") * 0.2)
    if labels is None:
        labels = np.full((ROWS, *model.output.shape[1:]), 0.5, "float32")
    model.compile("sgd", loss=loss, metrics=list(measured))
    return model, inputs, labels


def pooled(layer):
    return lambda given: layer(given)["pooled"]


def fused(name):
    text = {"sequence": SEQUENCE[:, :5, :4], "pooled": VECTOR, "mask": MASK[:, :5]}
    image = {"grid": SEQUENCE.reshape(ROWS, 3, 3, 7), "sequence": SEQUENCE, "pooled": POOLED}
    present = {"text": np.array([True, True, False, True]), "image": np.array([True, False, True, True])}
    layer = {**fusion.FUSIONS, "grounding": fusion.GroundingFusion}[name](UNITS, **SMALL.get(name, {}))
    inputs = {"inputs": {"text": text, "image": image}, "present": present}
    return case(lambda given: layer(given["inputs"], present=given["present"]), inputs)


def decoded(name):
    layer = decoders.DECODERS[name](WORDS, UNITS, **SMALL.get(name, {}))
    inputs = {"context": {"sequence": SEQUENCE, "mask": MASK, "pooled": POOLED}, "ids": IDS}
    return case(lambda given: layer(given["context"], given["ids"]), inputs)


def headed(head, labels):
    return case(head, VECTOR, head.loss(), labels, head.metrics_for())


def lossy(loss, labels, *shape):
    """The loss on the output of a dense layer, shaped."""
    dense = keras.layers.Dense(int(np.prod(shape)))
    return case(lambda given: ops.reshape(dense(given), (-1, *shape)), VECTOR, loss, labels)


def contrastive(name):
    """All pairs of two dense layers' outputs, scored by the head."""
    head = heads.ContrastiveHead(name)
    image, text = keras.layers.Dense(3), keras.layers.Dense(3)
    head.build({"image": (None, 3), "text": (None, 3)})

    class Scores(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.head = head

        def call(self, images, texts):
            return self.head.scores(ops.normalize(images, axis=-1), ops.normalize(texts, axis=-1))

    inputs = {"image": VECTOR, "text": POOLED}
    scores = Scores()
    return case(
        lambda given: scores(image(given["image"]), text(given["text"])),
        inputs,
        head.loss(),
        PAIRS,
        head.metrics_for(),
    )


def layered(layer, *inputs):
    return case(lambda given: layer(*given), list(inputs))


def _fitted_linear_path(given):
    layer = layers.LinearPath(
        {"label": 2}, ("text",), buckets=64, described=["size"], categories={"make": [WORDS] * 5}
    )
    inputs = {"text": {"ids": given[0]}, "image": {"features": given[1]}}
    inputs |= {"size": {"statistics": given[1]}, "make": {"categories": given[0]}}
    found = layer(inputs, present={"text": given[2]})
    for weight in layer.weights:
        weight.assign(np.linspace(0.5, 1.5, int(np.prod(weight.shape))).reshape(weight.shape))
    return keras.layers.Dense(2)(found)


def _cases():
    """Name -> function that makes the case."""
    yes = np.array([True, False, True, True])
    labels = np.array([0, 1, 2, 1], "int32")
    hot = np.eye(3, dtype="float32")[labels]
    unit = np.asarray(VECTOR / np.linalg.norm(VECTOR, axis=1, keepdims=True))
    image = PIXELS[:, :8, :8]
    found = {}
    found["fusion grounding"] = functools.partial(fused, "grounding")
    for name in sorted(fusion.FUSIONS):
        found[f"fusion {name}"] = functools.partial(fused, name)
    for name in sorted(set(encoders.TEXT_ENCODERS) - PRETRAINED):
        found[f"text encoder {name}"] = lambda name=name: case(
            pooled(encoders.TEXT_ENCODERS[name](WORDS, UNITS, **SMALL.get(name, {}))), TEXT
        )
    for name in sorted(set(encoders.IMAGE_ENCODERS) - PRETRAINED):
        found[f"image encoder {name}"] = lambda name=name: case(
            pooled(encoders.IMAGE_ENCODERS[name](UNITS, **SMALL.get(name, {}))), PIXELS
        )
    found["encoder NumericEncoder"] = lambda: case(
        pooled(encoders.NumericEncoder(UNITS, mean=(0, 1, 2), std=(1, 0, 2))), NUMBERS
    )
    found["encoder CategoricalEncoder"] = lambda: case(
        pooled(encoders.CategoricalEncoder(UNITS, sizes=(4, 3))), np.array([[2, 1], [0, 2], [3, 0], [1, 1]], "int32")
    )
    found["encoder BoxEncoder"] = lambda: case(
        lambda given: encoders.BoxEncoder(UNITS, categories=3)(given[0], grid=given[1], grid_present=given[2])[
            "pooled"
        ],
        [CATEGORIZED, SEQUENCE.reshape(ROWS, 3, 3, 7), yes],
    )
    series = np.random.default_rng(0).normal(size=(4, 12, 2)).astype("float32")
    series[1, 8:], series[2, 3, 0] = np.nan, np.nan
    heads_of = {"transformer": {"num_heads": 2}}
    for name in sorted(encoders.SIGNAL_ENCODERS):
        found[f"encoder signal {name}"] = lambda name=name: case(
            pooled(encoders.SIGNAL_ENCODERS[name](UNITS, mean=(0, 1), std=(1, 2), **heads_of.get(name, {}))), series
        )
    sounds = np.random.default_rng(1).normal(size=(4, 400, 1)).astype("float32")
    found["encoder signal cnn, layer LogMelSpectrogram"] = lambda: case(
        pooled(encoders.SignalCNN(UNITS, mean=(0,), std=(1,), rate=8000, num_mels=8)), sounds
    )
    frames = np.random.default_rng(2).integers(0, 256, (ROWS, 3, 16, 16, 3)).astype("uint8")
    for name in sorted(encoders.VIDEO_ENCODERS):
        found[f"encoder video {name}"] = lambda name=name: case(
            pooled(encoders.VIDEO_ENCODERS[name](UNITS, **heads_of.get(name, {}))), frames
        )
    for name in sorted(decoders.DECODERS):
        found[f"decoder {name}"] = functools.partial(decoded, name)

    found["head BinaryHead"] = lambda: headed(heads.BinaryHead(), yes.astype("float32"))
    found["head MulticlassHead"] = lambda: headed(heads.MulticlassHead(3), labels)
    found["head MultiLabelHead"] = lambda: headed(heads.MultiLabelHead(3), hot)
    found["head OrdinalHead"] = lambda: headed(heads.OrdinalHead(3), labels)
    found["head RegressionHead"] = lambda: headed(heads.RegressionHead(1.0, 2.0), VECTOR[:, 0])
    boxes = np.tile(np.array([0.1, 0.2, 0.6, 0.9], "float32"), (ROWS, 1))
    found["head BoxHead"] = lambda: headed(heads.BoxHead((3, 3)), boxes)
    objects = np.tile(np.array([[0.1, 0.2, 0.6, 0.9, 1.0]], "float32"), (ROWS, 1, 1))
    cells = SEQUENCE.reshape(ROWS, 3, 3, 7)
    found["head DetectionHead"] = lambda: case(
        (head := heads.DetectionHead(2, hidden_dim=4)), cells, head.loss(), objects
    )
    found["head SentenceEmbeddingHead"] = lambda: headed(
        heads.SentenceEmbeddingHead(UNITS, learn_loss_weight=True), unit
    )
    found["head BagOfWordsHead"] = lambda: headed(heads.BagOfWordsHead(WORDS - 4), TEXT)
    found["head CaptionHead"] = lambda: case(
        (head := heads.CaptionHead(WORDS, 0.1, learn_loss_weight=True)), SEQUENCE[:, :5], head.loss(), TEXT
    )
    found["head ImageReconstructionHead"] = lambda: headed(
        heads.ImageReconstructionHead((8, 8), filters=(4, 4)), image
    )
    for name in heads.contrastive.MATCH_LOSSES:
        found[f"head ContrastiveHead {name}"] = functools.partial(contrastive, name)

    found["loss BagOfWordsCrossentropy"] = lambda: lossy(losses.BagOfWordsCrossentropy(), TEXT, WORDS - 4)
    found["loss BPRLoss"] = lambda: lossy(losses.BPRLoss(), PAIRS, ROWS)
    found["loss CaptionCrossentropy"] = lambda: lossy(losses.CaptionCrossentropy(0.1), TEXT, LENGTH, WORDS)
    found["loss CumulativeLinkLoss"] = lambda: lossy(losses.CumulativeLinkLoss(), labels, 2)
    found["loss SmoothedCrossentropy"] = lambda: lossy(losses.SmoothedCrossentropy(), labels, 3)
    found["loss DistillationLoss"] = lambda: lossy(losses.DistillationLoss(2.0), POOLED, 7)
    found["loss DistillationLoss, tags"] = lambda: lossy(
        losses.DistillationLoss(2.0, mutually_exclusive=False), POOLED, 7
    )
    found["loss EmbeddingDistance"] = lambda: lossy(losses.EmbeddingDistance("squared"), unit, UNITS)
    found["loss InfoNCELoss"] = lambda: lossy(losses.InfoNCELoss(), PAIRS, ROWS)
    found["loss MarginContrastiveLoss"] = lambda: lossy(losses.MarginContrastiveLoss(), PAIRS, ROWS)
    found["loss PixelMeanSquaredError"] = lambda: lossy(losses.PixelMeanSquaredError(), image, 8, 8, 3)
    found["loss SampledSoftmaxLoss"] = lambda: lossy(losses.SampledSoftmaxLoss(), PAIRS, ROWS)
    found["loss ScaledSquaredError"] = lambda: lossy(losses.ScaledSquaredError(2.0), VECTOR[:, 0], 1)
    found["loss SigmoidContrastiveLoss"] = lambda: lossy(losses.SigmoidContrastiveLoss(), PAIRS, ROWS)
    for mining in ("all", "semi_hard", "hard"):
        found[f"loss TripletLoss, {mining}"] = lambda mining=mining: lossy(
            losses.TripletLoss(mining=mining), PAIRS, ROWS
        )
    found["loss UncertaintyWeighted"] = lambda: lossy(
        losses.UncertaintyWeighted(losses.EmbeddingDistance(), 0.5), unit, UNITS
    )
    for function in (losses.discriminator_hinge, losses.gaussian_kl):
        found[f"loss {function.__name__}"] = lambda function=function: lossy(function, VECTOR, UNITS)
    found["loss generator_hinge"] = lambda: lossy(lambda _, fake: losses.generator_hinge(fake), VECTOR[:, :1], 1)
    found["metric InBatchRecall"] = lambda: case(
        keras.layers.Dense(ROWS), VECTOR, losses.InfoNCELoss(), PAIRS, [metrics.InBatchRecall()]
    )
    for metric in (metrics.OrdinalMeanAbsoluteError(), metrics.QuadraticWeightedKappa(3)):
        found[f"metric {type(metric).__name__}"] = lambda metric=metric: case(
            keras.layers.Dense(2), VECTOR, losses.CumulativeLinkLoss(), labels, [metric]
        )
    found["metric TokenAccuracy"] = lambda: case(
        keras.layers.Dense(WORDS), SEQUENCE[:, :5], losses.CaptionCrossentropy(), TEXT, [metrics.TokenAccuracy()]
    )

    found["layer Adapter"] = lambda: layered(layers.Adapter(3), VECTOR)
    found["layer BilinearKnowledge"] = lambda: case(
        layers.BilinearKnowledge(3), [VECTOR, POOLED], labels=np.zeros((ROWS, ROWS), "float32")
    )
    found["layer GaussianLatent"] = lambda: layered(layers.GaussianLatent(3, seed=0), VECTOR)
    edges = [[0, 0], [0, 1], [2, 1], [3, 3]]
    found["layer GraphPropagation"] = lambda: case(
        lambda given: keras.layers.Dense(2)(layers.GraphPropagation(ROWS, ROWS, edges)(*given)[0]), [VECTOR, VECTOR]
    )
    found["layer ImageDecoder"] = lambda: layered(layers.ImageDecoder((8, 8), filters=(4, 4)), VECTOR)
    found["layer ModalityImputer"] = lambda: case(
        lambda given: layers.ModalityImputer()(*given)[0], [VECTOR, POOLED, yes, ~yes]
    )
    found["layer RegionPooling"] = lambda: case(
        lambda given: keras.layers.Dense(2)(layers.RegionPooling()(*given)),
        [SEQUENCE.reshape(ROWS, 3, 3, 7), CATEGORIZED[..., :4]],
    )
    found["layer TagTokenAppender"] = lambda: case(
        lambda given: keras.layers.Embedding(WORDS, 3)(
            layers.TagTokenAppender([[7, 0], [8, 9], [5, 0]], max_tags=2)(*given)
        ),
        [TEXT, VECTOR[:, :3], yes],
    )
    found["layer NGramLinear"] = lambda: case(layers.NGramLinear(3, buckets=64), TEXT)
    found["layer LinearPath"] = lambda: case(_fitted_linear_path, [TEXT, VECTOR, yes])
    found["layer TemporalStatistics"] = lambda: case(
        lambda given: keras.layers.Dense(2)(layers.TemporalStatistics()(given)), SEQUENCE
    )
    found["layer TokenDropout"] = lambda: case(
        lambda given: keras.layers.Embedding(WORDS, 3)(layers.TokenDropout(0.5, seed=0)(given)), TEXT
    )
    found["layer TransformerBlock"] = lambda: case(
        lambda given: layers.TransformerBlock(2)(given[0], given[1], attended=given[2]),
        [VECTOR[:, None], SEQUENCE, MASK],
    )
    found["layer append_coordinates"] = lambda: case(
        lambda given: keras.layers.Dense(2)(keras.layers.Lambda(layers.append_coordinates)(given)),
        SEQUENCE.reshape(ROWS, 3, 3, 7),
    )
    return found


CASES = _cases()


def run(made):
    """A case's outputs, and its loss before the one training step that follows."""
    model, inputs, labels = made
    predicted = model.predict(inputs, batch_size=ROWS, verbose=0)
    return predicted, model.fit(inputs, labels, batch_size=ROWS, shuffle=False, verbose=0).history["loss"][0]


if __name__ == "__main__":
    written = {}
    for name, make in CASES.items():
        written[f"{name}/output"], written[f"{name}/loss"] = run(make())
    np.savez(sys.argv[1], **written)
