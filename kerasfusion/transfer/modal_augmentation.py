"""Modal augmentation: add predicted tags to the text, or impute the embedding of a missing modality."""

import dataclasses

import numpy as np
from sklearn.linear_model import Ridge

from kerasfusion.layers import FrozenModel, ModalityImputer, TagTokenAppender
from kerasfusion.models import FusionModel, TagReadingModel, copy_weights, make_inputs, rebuild
from kerasfusion.preprocessing.text import tokenize
from kerasfusion.schema import SPECIAL_TOKENS
from kerasfusion.transfer.features import extract_features


def append_tags(tagger, tags, schema, build, max_tags=8):
    """Build a model that appends the predicted tags of an image to its text.

    The tagger is a frozen part of the model. Tags are tokens of the vocabulary of the text, so they share their
    embeddings with its words, and an image without a text still has tokens.

    Args:
        tagger: A trained plain model that takes a single image.
        tags: `Task` of the tagger, of type multilabel or multiclass.
        schema: `Schema` of the rows, with the same image and exactly one text.
        build: Function from a `Schema` to a `FusionModel`. The text of that schema is longer, and its vocabulary
            includes the words of all tags.
        max_tags: int, maximum number of tags, most likely first. A multiclass tagger adds one. Defaults to `8`.

    Returns:
        keras.Model with the inputs of `schema`, untrained except for the tagger. It trains, saves and exports like
        any other model.

    Raises:
        ValueError: If the tagger does not fit the rows, the task has another type, or the schema has not exactly one
            text.

    Example:

    ```python
    tagger = kf.train(tagged, model="image_only", output_dir="runs/tagger")
    model = kf.transfer.append_tags(
        tagger.model, tagger.schema["tags"], data.schema, lambda schema: kf.create_model("classifier_gated", schema)
    )
    kf.training.fit(model, data.splits["train"], data.splits["validation"], config, "runs/reader")
    ```
    """
    image = _check_tagger(tagger, tags, schema)
    (text,) = schema.of_kind("text")
    words = [[word.decode() for word in name] for name in tokenize(tags.classes).to_list()]
    new = dict.fromkeys(word for name in words for word in name if word not in text.vocabulary)
    vocabulary = (*text.vocabulary, *new)
    place = {word: i + len(SPECIAL_TOKENS) for i, word in enumerate(vocabulary)}
    longest = max(map(len, words))
    ids = [[*(place[word] for word in name), *[0] * (longest - len(name))] for name in words]
    writer = TagTokenAppender(ids, max_tags, tags.one_class, name="tags_as_words")

    longer = dataclasses.replace(text, vocabulary=vocabulary, length=text.length + writer.max_tags * longest)
    features = tuple(longer if feature is text else feature for feature in schema.features)
    reader = build(dataclasses.replace(schema, features=features))
    if type(reader) is not FusionModel:
        raise ValueError(f"append_tags: build must return a FusionModel. Received: {type(reader).__name__}")
    inputs = {name: tensor for name, tensor in make_inputs(schema).items() if name in {*reader.input, *tagger.input}}
    model = TagReadingModel.from_config(
        {
            **reader.get_config(),
            "inputs": inputs,
            "name": f"{reader.name}_reading_tags",
            "tagger": FrozenModel(rebuild(tagger), name="tagger"),
            "appender": writer,
            "image": image.name,
            "text": text.name,
            "tags": tags.name,
        }
    )
    copy_weights(reader, model)
    return model


def impute_modality(model, examples, missing, given, alpha=1.0):
    """Impute the embedding of a missing feature from that of another feature.

    By default, a fusion replaces a missing feature with a learned constant vector. This function fits a ridge
    regression from one encoder's output to the other's on rows that have both; labels are not needed.

    Args:
        model: A trained plain model that fuses pooled encoder outputs. It is unchanged.
        examples: `Examples`. Rows with both features are used.
        missing: Name of the feature to impute, such as `"image"`.
        given: Name of the feature to predict it from, such as `"text"`.
        alpha: float, regularization of the ridge regression. Defaults to `1.0`.

    Returns:
        keras.Model with the same inputs. Its outputs change only for rows that have `given` but not `missing`.

    Raises:
        ValueError: If there is no such feature, the fusion reads tokens or grid cells instead of pooled vectors, or
            no row has both.

    Example:

    ```python
    filled = kf.transfer.impute_modality(run.model, data.splits["train"], missing="image", given="text")
    filled = kf.transfer.impute_modality(filled, data.splits["train"], missing="text", given="image")
    ```
    """
    names = [feature.name for feature in examples.schema.features if feature.name in model.input]
    for name in (missing, given):
        if name not in names or missing == given:
            raise ValueError(
                f"impute_modality: missing and given must be two of {', '.join(names)}. Received: "
                f"missing={missing!r}, given={given!r}"
            )
    fusion = model.fusion if isinstance(model, FusionModel) else None
    if fusion is None or fusion.read[missing] != "pooled":
        raise ValueError(f"impute_modality: {model.name} has no fusion of pooled vectors for {missing!r}.")
    both = np.flatnonzero(examples.present[missing] & examples.present[given])
    if not len(both):
        raise ValueError(f"impute_modality: no row has both {missing} and {given}.")
    rows = examples.take(both)
    # Encode without the missing feature: with `append_tags`, the text includes tags of the image.
    x = extract_features(model, model.encoders[given].name, rows.without(missing))
    ridge = Ridge(alpha).fit(x, extract_features(model, model.encoders[missing].name, rows))

    predict, config = ModalityImputer(name=f"fill_in_{missing}"), model.get_config()
    config["imputers"] = [*config["imputers"], [missing, given, predict]]
    filled = type(model).from_config({**config, "name": f"{model.name}_filling_in_{missing}"})
    copy_weights(model, filled)
    predict.set_weights([ridge.coef_.T, ridge.intercept_])
    return filled


def _check_tagger(tagger, tags, schema):
    """Validate a tagger and return the image feature."""
    if not tags.has_probabilities or tags.outputs != tags.class_count or tags.name not in tagger.output:
        raise ValueError(
            f"append_tags: tags must be a multilabel or multiclass task of {tagger.name}, whose outputs are "
            f"{', '.join(tagger.output)}. Received: {tags.name!r} of type {tags.type}"
        )
    if len(schema.of_kind("text")) != 1:
        raise ValueError(f"append_tags: schema must have one text. Received: {len(schema.of_kind('text'))} texts")
    names = [name for name in tagger.input if not name.endswith("_present")]
    found = [feature for feature in schema.of_kind("image") if [feature.name] == names]
    if not found or tuple(tagger.input[names[0]].shape[1:3]) != found[0].size:
        takes = " and ".join(f"{name} {tuple(tagger.input[name].shape[1:])}" for name in names)
        images = ", ".join(f"{f.name} {(*f.size, 3)}" for f in schema.of_kind("image"))
        raise ValueError(
            f"append_tags: {tagger.name} takes {takes}, but the images of the rows are {images or 'none'}. Train a "
            "tagger on a single image of the same size."
        )
    return found[0]
