"""What sentences alone teach: a captioner's decoder as a language model, before it is shown images."""

import dataclasses

import keras
import numpy as np
import pandas as pd
from keras import ops
from sklearn.decomposition import PCA

from kerasfusion.data.captions import encode_captions
from kerasfusion.data.examples import encode_rows
from kerasfusion.encoders.hub import keras_hub
from kerasfusion.encoders.text.hub import piece_table
from kerasfusion.models import as_captioner
from kerasfusion.preprocessing.text import learn_vocabulary
from kerasfusion.schema import Schema
from kerasfusion.training.fit import fit


def extend_vocabulary(data, sentences, max_tokens=10_000):
    """Captions whose vocabulary holds the words of further sentences, and these sentences as rows.

    Args:
        data: `Data` whose task is a caption.
        sentences: Strings. None of them should be a caption of the test split.
        max_tokens: Size limit of the vocabulary: the most frequent words of sentences and training captions.

    Returns:
        tuple: the `Data`, and `Examples` of the sentences without any image, for `pretrain_decoder`.

    Raises:
        ValueError: the data has no captions, or there are no sentences.

    Example:

    ```python
    data, sentences = kf.transfer.extend_vocabulary(data, pathlib.Path("descriptions.txt").read_text().splitlines())
    ```
    """
    captions = data.schema.of_type("captioning")
    if not captions or not len(sentences):
        lacking = "sentences" if captions else f"captions; the tasks are {[task.type for task in data.schema.tasks]}"
        raise ValueError(f"extend_vocabulary: there are no {lacking}.")
    (task,) = captions
    texts = {name: split.frame[task.column].fillna("").astype(str) for name, split in data.splits.items()}
    words, _ = learn_vocabulary([*texts["train"], *sentences], max_tokens)
    task = dataclasses.replace(task, vocabulary=words)
    tasks = [task if each.name == task.name else each for each in data.schema.tasks]
    schema = Schema(data.schema.features, tasks)
    splits = {
        name: dataclasses.replace(
            split, schema=schema, labels={**split.labels, task.name: encode_captions(texts[name], task)}
        )
        for name, split in data.splits.items()
    }
    frame = pd.DataFrame({task.column: np.asarray(sentences, object)})
    return dataclasses.replace(data, schema=schema, splits=splits), encode_rows(frame, Schema((), (task,)), {}, {})


def language_model(captioner):
    """The decoder of a captioner with nothing to look at: a causal language model.

    It has the captioner's own decoder and head, so that training it trains these two; its context are cells of
    zeros. What the decoder does with a context is learned from images.

    Args:
        captioner: What `kf.models.captioner` made; it stays a captioner.

    Returns:
        keras.Model: dict of the caption's ids alone, int32 `(B, T)` -> dict caption -> float32 logits `(B, T, V)`.

    Raises:
        ValueError: the model writes no captions.

    Example:

    ```python
    logits = kf.transfer.language_model(captioner)({"caption": ids})["caption"]
    ```
    """
    model = as_captioner(captioner)
    told, width = model.input[model.task], model.context.units
    ids = keras.Input(told.shape[1:], dtype=told.dtype, name=model.task)
    # Two cells: of a softmax over one Keras warns.
    nothing = ops.zeros_like(ids[:, :2], dtype="float32")
    context = {
        "pooled": ops.repeat(nothing[:, :1], width, axis=1),
        "sequence": ops.repeat(nothing[..., None], width, axis=2),
        "mask": ops.equal(nothing, 0),
    }
    outputs = {model.task: model.head(model.decoder(context, ids))}
    return keras.Model({model.task: ids}, outputs, name=f"{captioner.name}_language")


def pretrain_decoder(captioner, train, validation, config, output_dir, verbose=1):
    """Teach a captioner's decoder sentences, for which no image is needed.

    Then it is trained on images with captions as any other, of which it may need fewer. Another captioner, also
    one with other words, takes what was learned by `kf.transfer.transfer_weights`.

    Args:
        captioner: What `kf.models.captioner` made; its decoder and head are trained.
        train: `Examples` with captions, such as the sentences from `extend_vocabulary`; images are not looked at.
        validation: The same, to choose the best epoch by.
        config: A `TrainingConfig`.
        output_dir: Folder for `model.keras`, the captioner, and `history.csv`.
        verbose: Whether to log progress (0 or False: silent).

    Returns:
        dict: as from `kf.training.fit`.

    Raises:
        ValueError: the model writes no captions.

    Example:

    ```python
    data, sentences = kf.transfer.extend_vocabulary(data, lines)
    captioner = kf.create_model("fusion_transformer", data.schema)
    kf.transfer.pretrain_decoder(captioner, sentences, data.splits["validation"], config, "runs/language")
    kf.training.fit(captioner, data.splits["train"], data.splits["validation"], config, "runs/captioner")
    ```
    """
    language = language_model(captioner)
    (name,) = language.output
    splits = [split.with_features(Schema((), (split.schema[name],))) for split in (train, validation)]
    return fit(language, *splits, config, output_dir, verbose=verbose, checkpoint_model=captioner)


def init_embeddings_from_bert(captioner, schema, preset):
    """Begin a captioner's word vectors with what a BERT of KerasHub (arXiv 1810.04805, extra `[hub]`) holds of words.

    A masked language model reads in both directions, so its layers do not fit a decoder that writes from left to
    right. Its word vectors do: of each word the mean over its pieces, turned to principal components where they are
    wider than the decoder's, and in the mean as long as the decoder's own are at their start. They learn on with the
    rest. Words of which BERT lacks a piece stay as they were, and so do the further places of a wider decoder.

    Args:
        captioner: What `kf.models.captioner` made for the schema; it is changed.
        schema: The `Schema`, whose caption has the words.
        preset: Name of a KerasHub preset, or a folder that `save_to_preset` of a backbone and its tokenizer wrote.

    Returns:
        int: how many of the caption's words were found.

    Raises:
        ImportError: keras-hub is not installed.
        ValueError: the model writes no captions, the preset's tokenizer cuts words in another way, or it knows none.

    Example:

    ```python
    captioner = kf.create_model("caption_attend", data.schema)
    print(kf.transfer.init_embeddings_from_bert(captioner, data.schema, "bert_tiny_en_uncased"))
    ```
    """
    model, hub = as_captioner(captioner), keras_hub()
    words = schema[model.task].vocabulary
    pieces, _ = piece_table(hub.tokenizers.Tokenizer.from_preset(str(preset)), words)
    unknown, pieces = pieces[1, 0], pieces[4:]
    of_pieces = ops.convert_to_numpy(hub.models.Backbone.from_preset(str(preset)).token_embedding.embeddings)
    known = (pieces >= 0).any(axis=1) & (pieces != unknown).all(axis=1)
    if not known.any():
        raise ValueError(f"init_embeddings_from_bert: {preset} has none of the {len(words)} words.")
    there = (pieces[known] >= 0)[..., None]
    vectors = (of_pieces[pieces[known]] * there).sum(axis=1) / there.sum(axis=1)
    table = model.decoder.embedding.embeddings
    if vectors.shape[1] > table.shape[1]:
        vectors = PCA(min(table.shape[1], len(vectors)), random_state=0).fit_transform(vectors)
    values = ops.convert_to_numpy(table).copy()
    values[4:][known, : vectors.shape[1]] = vectors / np.linalg.norm(vectors, axis=1).mean()
    table.assign(values)
    return int(known.sum())
