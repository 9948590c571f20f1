"""Read the texts of a loaded data set by another tokenizer."""

import dataclasses

from kerasfusion.data.features import FEATURES


def retokenize(data, tokenizer, sequence_length=None):
    """Encode the texts of a data set again, as `load(tokenizer=…)` would have; images and splits stay as they are.

    Args:
        data: What `kf.data.load` returned.
        tokenizer: As for `load`: `"words"`, `"jieba"`, `"minilm"` or a folder in Hugging Face form.
        sequence_length: Optional int, tokens kept of a text. Defaults to those of the longest training text, at most
            128.

    Returns:
        Data

    Raises:
        DataError: The folder has no WordPiece vocabulary.
        ImportError: The package with the vocabulary is not installed.

    Example:

    ```python
    model = kf.create_model("classifier_sum", kf.data.retokenize(data, "minilm").schema, text_encoder="minilm")
    ```
    """
    arguments = {**data.arguments, "tokenizer": tokenizer, "sequence_length": sequence_length}
    limits = {"max_tokens": 10_000, **arguments}
    texts = FEATURES["text"]
    features, settings = [], {}
    for feature in data.schema.features:
        if feature.kind == "text":
            frame = data.splits["train"].frame
            feature, learned = texts.fit(frame, feature.columns, feature.name, limits)
            settings |= {setting.name: setting for setting in learned}
        features.append(feature)
    schema = dataclasses.replace(data.schema, features=features)
    splits = {name: _encoded(split, schema, texts) for name, split in data.splits.items()}
    settings = [settings.get(setting.name, setting) for setting in data.settings]
    return dataclasses.replace(data, schema=schema, splits=splits, settings=settings, arguments=arguments)


def _encoded(split, schema, texts):
    arrays, present = dict(split.arrays), dict(split.present)
    for feature in schema.of_kind("text"):
        arrays[feature.name], present[feature.name] = texts.encode(split.frame, feature)
    return dataclasses.replace(split, schema=schema, arrays=arrays, present=present)
