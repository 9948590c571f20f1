"""What a captioner writes about images, and what it looked at."""

import functools

import keras
import tensorflow as tf

from kerasfusion.data.pipeline import BatchedDataset
from kerasfusion.decoders import beam_search, sample
from kerasfusion.encoders.features import FEATURES
from kerasfusion.models import as_captioner
from kerasfusion.preprocessing.detokenize import drawn, words_of
from kerasfusion.preprocessing.text import join_words

BATCH_SIZE = 64
STRATEGIES = ("greedy", "beam", "sample")


def generate_captions(
    model, examples, strategy="greedy", beams=3, length_penalty=0.7, temperature=1.0, top_k=0, top_p=1.0, seed=0
):
    """Let a captioner write.

    Args:
        model: What `kf.models.captioner` made.
        examples: `Examples`, perhaps from `frozen_features`; each row gets a caption of its own.
        strategy: `"greedy"`, the likeliest word each time; `"beam"`; or `"sample"`, words drawn by chance.
        beams: Of a beam search: texts kept side by side.
        length_penalty: Of a beam search: see `kf.decoders.beam_search`.
        temperature: Of samples: below 1 likely words become likelier still.
        top_k: Of samples: only so many of the likeliest words; 0 takes all.
        top_p: Of samples: only the likeliest words that make up this probability together (arXiv 1904.09751).
        seed: Of samples.

    Returns:
        list of str `(n,)`.

    Raises:
        ValueError: an unknown strategy, or a model that writes no captions.

    Example:

    ```python
    captions = generate_captions(run.model, data.splits["test"].take(range(8)), "beam")
    ```
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"There is no strategy {strategy!r}; choose one of {', '.join(STRATEGIES)}.")
    model = as_captioner(model)

    def write(context, number):
        if strategy == "beam":
            return beam_search(model.decoder, model.head, context, beams=beams, length_penalty=length_penalty)[0]
        if strategy == "greedy":
            return sample(model.decoder, model.head, context)[0]
        rows = tf.shape(context["pooled"])[0]
        choice = drawn(rows, temperature, top_k, top_p, seeds=seed + BATCH_SIZE * number + tf.range(rows))
        return sample(model.decoder, model.head, context, choose=choice)[0]

    captions = []
    for ids in _over(model, examples, write):
        captions += [text.decode() for text in join_words(words_of(ids, examples.schema[model.task])).numpy()]
    return captions


def attention_maps(model, examples):
    """What a captioner looked at for each word that it wrote, greedily.

    Args:
        model: What `kf.models.captioner` made, with a decoder that attends.
        examples: `Examples` of few rows.

    Returns:
        list of `(words, maps)` per row: list of str `(t,)`, float32 `(t, h, w)`, each map summing to 1 or, where it
        looked at a text as well, to less.

    Raises:
        ValueError: the decoder attends to nothing, or the image's cells make no grid.
    """
    model = as_captioner(model)
    if not hasattr(model.decoder, "attention"):
        raise ValueError(f"{model.decoder.name} sees the image as one vector: there is no attention to show.")
    (image,) = examples.schema.of_kind("image")
    height, width = _cells(model.encoders[image.name], image)
    before = sum(FEATURES[f.kind].tokens(f) for f in examples.schema.features if f.name < image.name)

    def look(context, _):
        told, _ = sample(model.decoder, model.head, context)
        start = tf.fill((tf.shape(told)[0], 1), 2)
        return told, model.decoder.attention(context, tf.concat([start, told[:, :-1]], axis=1))

    found = []
    for told, looked in _over(model, examples, look):
        for words, maps in zip(words_of(told, examples.schema[model.task]).numpy(), looked.numpy(), strict=True):
            count = sum(word != b"" for word in words)
            cells = maps[:count, before : before + height * width].reshape(-1, height, width)
            found.append(([word.decode() for word in words[:count]], cells))
    return found


def _cells(encoder, image):
    """Height and width of the grid that an encoder makes of its images."""
    return encoder.compute_output_spec(keras.KerasTensor((1, *image.size, 3), "uint8"))["grid"].shape[1:3]


def _over(model, examples, function):
    """`function(context, number)` of each batch of rows."""
    # Or what `frozen_features` put in the place of pixels.
    names = {f"{name}{end}" for name in set(model.input) - {model.task} for end in ("", "_features")}
    batches = BatchedDataset(examples, BATCH_SIZE).dataset().map(lambda x, *_: {n: x[n] for n in names & x.keys()})

    def encode_and_call(x, number):
        return function(model.encode_context(x), number)

    # Of functions that come from one place in the code TensorFlow warns, as if one were traced again and again; a
    # partial comes from nowhere.
    run = tf.function(functools.partial(encode_and_call), reduce_retracing=True)
    return [run(x, tf.constant(number)) for number, x in enumerate(batches)]
