"""Pretrain the decoder of a captioner as a language model, on text without images."""

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
    """Extend the caption vocabulary with the words of sentences, and encode the sentences as rows.

    Args:
        data: `Data` with a captioning task.
        sentences: List of strings, which should not include captions of the test split.
        max_tokens: int, maximum size of the vocabulary: the most frequent words of sentences and training captions.
            Defaults to `10_000`.

    Returns:
        tuple: `Data` with the new vocabulary, and `Examples` of the sentences without images, for `pretrain_decoder`.

    Raises:
        ValueError: If the data has no captions, or there are no sentences.

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
    """Build a causal language model from the decoder of a captioner.

    It shares the decoder and head with the captioner, so training it trains them. The image context is zeros; how to
    use a context is learned later, from images.

    Args:
        captioner: Model from `kf.models.captioner`.

    Returns:
        keras.Model: dict of caption ids, int32 `(B, T)` -> dict of task -> float32 logits `(B, T, V)`.

    Raises:
        ValueError: If the model is not a captioner.

    Example:

    ```python
    logits = kf.transfer.language_model(captioner)({"caption": ids})["caption"]
    ```
    """
    model = as_captioner(captioner)
    told, width = model.input[model.task], model.context.units
    ids = keras.Input(told.shape[1:], dtype=told.dtype, name=model.task)
    # Two cells, because Keras warns about a softmax over one.
    nothing = ops.zeros_like(ids[:, :2], dtype="float32")
    context = {
        "pooled": ops.repeat(nothing[:, :1], width, axis=1),
        "sequence": ops.repeat(nothing[..., None], width, axis=2),
        "mask": ops.equal(nothing, 0),
    }
    outputs = {model.task: model.head(model.decoder(context, ids))}
    return keras.Model({model.task: ids}, outputs, name=f"{captioner.name}_language")


def pretrain_decoder(captioner, train, validation, config, output_dir, verbose=1):
    """Pretrain the decoder and head of a captioner on text without images.

    Afterwards, train the captioner on images with captions as usual; it may need fewer of them. To use the pretrained
    weights in another captioner, also one with another vocabulary, call `kf.transfer.transfer_weights`.

    Args:
        captioner: Model from `kf.models.captioner`. Its decoder and head are trained.
        train: Training `Examples` with captions, such as the sentences from `extend_vocabulary`. Images are ignored.
        validation: Validation `Examples`, which determine the best epoch.
        config: `TrainingConfig`.
        output_dir: Folder for the captioner, `model.keras`, and `history.csv`.
        verbose: Whether to log progress. Defaults to `1`.

    Returns:
        dict, as from `kf.training.fit`.

    Raises:
        ValueError: If the model is not a captioner.

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
    """Initialize the word embeddings of a captioner from a KerasHub BERT (arXiv:1810.04805, extra `[hub]`).

    The layers of a bidirectional encoder do not fit an autoregressive decoder, but its embeddings do. Each word gets
    the mean of the embeddings of its pieces, projected to principal components if BERT is wider than the decoder, and
    rescaled to the norm of the decoder's initial embeddings. Words with a piece unknown to BERT, and the remaining
    dimensions of a wider decoder, keep their initial values. The embeddings stay trainable.

    Args:
        captioner: Model from `kf.models.captioner` for the schema. It is modified.
        schema: `Schema` with the caption vocabulary.
        preset: Name of a KerasHub preset, or a folder written by `save_to_preset` of a backbone and its tokenizer.

    Returns:
        int, number of words that were initialized.

    Raises:
        ImportError: If keras-hub is not installed.
        ValueError: If the model is not a captioner, the tokenizer of the preset splits words differently, or it knows
            none of the words.

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
