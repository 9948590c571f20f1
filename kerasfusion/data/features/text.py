"""Columns of text, each a feature of token ids."""

import dataclasses

import numpy as np
import pandas as pd

from kerasfusion.data.errors import DataError, place
from kerasfusion.data.features.base import FeatureColumns
from kerasfusion.data.features.image import NUMERIC, image_reason
from kerasfusion.data.labels import is_list, is_value, value_name
from kerasfusion.data.settings import Setting
from kerasfusion.data.summaries import describe_texts
from kerasfusion.data.table import is_missing, stripped
from kerasfusion.preprocessing.segmentation import learn_segmented_vocabulary
from kerasfusion.preprocessing.text import learn_vocabulary, text_vectorizer
from kerasfusion.pretrained import bert_folder, read_vocabulary
from kerasfusion.schema import Feature

TEXT_NAMES = ("text", "question", "caption", "description", "sentence", "review", "title")
# Texts longer than this many words are cut unless asked.
LONGEST_INFERRED_TEXT = 128
# And where there is nothing else than text, whose models are cheap.
LONGEST_TEXT_ALONE = 512
# Tokens of a text that are counted: as many as a BERT takes.
LONGEST_COUNTED = 512
# Values of `load(tokenizer=)` whose tokens are words of the training texts.
TOKENIZERS_OF_WORDS = ("words", "jieba")
# How UTF-8 looks once it was read as Windows-1252 and saved again: "Ã¼" for "ü", "â€™" for an apostrophe.
_GARBLED = "[ÃÂ][\u0080-\u00bf]|â€"


class TextColumns(FeatureColumns):
    """int32 `(n, L)` token ids, 0 behind the last."""

    hashed = (("text", "arrays"),)
    identifies = True
    sentences = True

    def find(self, frame, free):
        best, best_score, reason = None, 0.0, ""
        stats = {c: s for c in free if (s := _text_stats(frame[c])) and not image_reason(frame[c])}
        named = [c for c in stats if c.lower() in TEXT_NAMES]
        # Codes and names of one word are no text, unless the column's name says so.
        for column in named or [c for c in stats if stats[c][0] > 1.5]:
            words, distinct = stats[column]
            # Long and varied: a licence notice is long but always the same, an identifier varied but one word.
            score = words * np.log2(distinct)
            if score > best_score:
                best, best_score = column, score
                reason = f"inferred: {words:.1f} words on average, {distinct:,} distinct"
        return ((best,), reason) if best else ((), "none: no column of sentences")

    def check(self, frame, column):
        check_text(frame, column)

    def clean(self, frame, column):
        frame = frame.copy(deep=False)
        frame[column] = stripped(frame[column])
        check_text(frame, column)
        texts = frame[column].map(value_name, na_action="ignore")
        # Without a single text it would be a column of numbers.
        return texts if texts.notna().any() else texts.astype(object)

    def notes(self, frame, column, places=None):
        texts = frame[column].dropna()
        same = len(texts) == len(frame) and texts.nunique() == 1
        notes = [f"Every row has the same text (column {column!r}): nothing can be learnt from it."] if same else []
        return notes + garbled_notes(texts, column)

    def fit(self, frame, columns, name, limits, files=None):
        (column,) = columns
        if limits["tokenizer"] not in TOKENIZERS_OF_WORDS:
            return _fit_pieces(frame[column], Feature(name, "text", columns), limits)
        learned, settings = learn_words(frame[column], column, limits)
        return Feature(name, "text", columns, **learned), settings

    def encode(self, frame, feature, stored=None):
        # Every distinct text is tokenised once: questions repeat by the thousand.
        codes, distinct = pd.factorize(frame[feature.columns[0]].fillna("").astype(str))
        ids = text_vectorizer(feature)(np.asarray(distinct, object)).numpy().astype("int32")[codes]
        return ids, (ids != 0).any(axis=1)

    def raw_inputs(self, feature, examples):
        return {feature.name: [text.encode() for text in examples.raw(feature)]}

    def words(self, feature, examples):
        return examples.raw(feature)

    def profile(self, feature, splits, sizes=None):
        texts = {name: split.raw(feature) for name, split in splits.items()}
        ids = {name: split.arrays[feature.name] for name, split in splits.items()}
        counted = _count_pieces(feature) if feature.tokenizer != "words" else None
        return {feature.name: describe_texts(texts, ids, len(feature.vocabulary), feature.length, counted)}

    def lacking(self, feature, examples):
        return examples.frame[feature.columns[0]].isna().to_numpy()

    def cells(self, feature, examples):
        return [examples.raw(feature)]


def check_text(frame, column):
    """Raise a `DataError` that names the first cell of a text column which holds bytes, a list or another object."""
    series = frame[column]
    if series.dtype != object:
        return
    strange = ~(series.map(is_value).to_numpy(bool) | is_missing(series).to_numpy())
    if strange.any():
        position = np.flatnonzero(strange)[0]
        value = series.iloc[position]
        advice = "Write a string into each cell."
        if isinstance(value, bytes):
            advice = f"Decode it: frame[{column!r}].str.decode('utf-8')."
        elif is_list(value):
            advice = f"Give one row per text: frame.explode({column!r})."
        raise DataError(f"{place(frame, position, column)}: the text is a {type(value).__name__}. {advice}")


def learn_words(texts, column, limits):
    """What a `Feature` or `Task` of words learns of a text column (vocabulary, length, tokenizer), and `Setting`s."""
    most, segmented = limits["max_tokens"], limits["tokenizer"] == "jieba"
    learn, seen = learn_vocabulary, "seen in training"
    if segmented:
        learn, seen = learn_segmented_vocabulary, "segmented by jieba in training"
    vocabulary, lengths = learn(texts.fillna("").astype(str), most)
    kept, why = _kept_length(lengths, limits)
    learned = {"length": kept, "vocabulary": vocabulary, "tokenizer": "longest_match" if segmented else "words"}
    return learned, _settings(column, vocabulary, kept, f"{seen}, at most {most:,}", why)


def _fit_pieces(texts, feature, limits):
    """A text feature with the vocabulary of a WordPiece tokenizer, and its `Setting`s."""
    tokenizer = str(limits["tokenizer"])
    try:
        vocabulary, _, lowercase = read_vocabulary(bert_folder(tokenizer))
    except (ValueError, OSError) as error:
        raise DataError(f"tokenizer: {error}") from error
    feature = dataclasses.replace(
        feature,
        vocabulary=vocabulary,
        tokenizer="wordpiece" if lowercase else "wordpiece_cased",
    )
    lengths = _count_pieces(feature)(texts.fillna("").astype(str))
    kept, why = _kept_length(lengths, limits)
    feature = dataclasses.replace(feature, length=max(kept, 3))
    reasons = f"pieces of {tokenizer}", why
    return feature, _settings(feature.columns[0], vocabulary, feature.length, *reasons, "tokens", "--tokenizer")


def _count_pieces(feature):
    """A function that counts the tokens of texts, start and end included, up to those that a BERT takes."""
    # Of longer texts it is enough to know that they are cut.
    vectorize = text_vectorizer(dataclasses.replace(feature, length=LONGEST_COUNTED))
    return lambda texts: (vectorize(np.asarray(texts, object)).numpy() != 0).sum(axis=1)


def _kept_length(lengths, limits):
    """How much is kept of a text, and why."""
    longest, length = int(lengths.max(initial=1)), limits["sequence_length"]
    most = LONGEST_TEXT_ALONE if limits.get("text_alone") else LONGEST_INFERRED_TEXT
    kept = length or min(max(longest, 1), most)
    why = "given" if length else f"the longest training text has {longest}"
    if longest > kept:
        why += f"; {float((lengths > kept).mean()):.1%} of texts are cut"
    return kept, why


def _settings(column, vocabulary, length, seen, why, unit="words", option="--max-tokens"):
    return [
        Setting(f"vocabulary ({column})", f"{len(vocabulary):,} {unit}", seen, option),
        Setting(f"text length ({column})", f"{length} {unit}", why, "--sequence-length"),
    ]


def garbled_notes(texts, column):
    """Sentences on texts whose characters were lost or read in another encoding."""
    lost = texts.str.contains("\ufffd", regex=False)
    garbled = texts.str.contains(_GARBLED, regex=True)
    notes = []
    for found, what in (
        (lost, "characters that were lost when they were written (\ufffd)"),
        (garbled, "UTF-8 that was read as another encoding and saved again"),
    ):
        if found.any():
            notes.append(
                f"Text {column!r}: {found.sum():,} row(s) hold {what}, such as row "
                f"{texts.index[found.argmax()] + 1}. Export the table again as UTF-8."
            )
    return notes


def _text_stats(series):
    """Mean number of words and number of distinct cells of a column of strings, else None."""
    if series.dtype.kind in NUMERIC:
        return None
    filled = series[~is_missing(series)]
    if filled.empty or pd.api.types.infer_dtype(filled) != "string":
        return None
    counts = filled.value_counts()
    words = pd.Series(counts.index).str.count(r"\S+")
    return float(np.average(words, weights=counts)), len(counts)
