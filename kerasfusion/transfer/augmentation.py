"""What one modality says, given to another as its input: article 000, sections 1.2 and 2.1."""

import dataclasses

import numpy as np
from sklearn.linear_model import Ridge

from kerasfusion.layers import FrozenModel, ModalityImputer, TagTokenAppender
from kerasfusion.models import FusionModel, TagReadingModel, copy_weights, make_inputs, rebuild
from kerasfusion.preprocessing.text import tokenize
from kerasfusion.schema import SPECIAL_TOKENS
from kerasfusion.transfer.features import extract_features


def append_tags(tagger, tags, schema, build, max_tags=8):
    """A model that reads behind each text what a tagger sees in the image.

    The tagger is part of the model and stays as it is; all else is trained. Tags are words like those of the text:
    the reader knows at once what it has read about them, and an image without a text is no longer without words.

    Args:
        tagger: A trained plain model that takes one image and nothing else.
        tags: Its `Task`, of type multilabel or multiclass.
        schema: The `Schema` of the rows, with that image and one text.
        build: Makes the reader: a function of a `Schema`, whose text is longer and knows the words of all tags.
        max_tags: Write no more tags than this, the likeliest first. Of classes it is always the likeliest one.

    Returns:
        keras.Model: plain, untrained but for the tagger, of the inputs of `schema`. It is trained, saved and exported
        as any other.

    Raises:
        ValueError: a tagger that does not fit the rows, a task of another kind, or a schema without exactly one text.

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
        raise ValueError(f"append_tags: build has to make a FusionModel, not a {type(reader).__name__}.")
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
    """A model that predicts what an encoder would have given of a missing feature, from one that is there.

    Without it a fusion puts the same learned vector in the place of whatever is missing. Here a ridge regression
    from one encoder's vector to the other's is fitted on rows with both, which need no labels.

    Args:
        model: A trained plain model with encoders and a fusion of their vectors; it stays as it is.
        examples: `Examples`; those rows that have both features are used.
        missing: Name of the feature to fill in, such as `"image"`.
        given: Name of the feature that it is predicted from, such as `"text"`.
        alpha: Strength of the ridge.

    Returns:
        keras.Model: plain, with the same inputs and, where the feature is there or the other is not, the same
        outputs.

    Raises:
        ValueError: no such feature, a fusion that reads words or cells instead of vectors, or no row with both.

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
                f"impute_modality: {missing!r} from {given!r} is not possible; there are {', '.join(names)}."
            )
    fusion = model.fusion if isinstance(model, FusionModel) else None
    if fusion is None or fusion.read[missing] != "pooled":
        raise ValueError(f"impute_modality: {model.name} has no fusion that takes {missing!r} as one vector.")
    both = np.flatnonzero(_there(examples, missing) & _there(examples, given))
    if not len(both):
        raise ValueError(f"impute_modality: no row has both {missing} and {given}.")
    rows = examples.take(both)
    # As it is without the other: with `append_tags` a text has words of the image.
    x = extract_features(model, model.encoders[given].name, rows.without(missing))
    ridge = Ridge(alpha).fit(x, extract_features(model, model.encoders[missing].name, rows))

    predict, config = ModalityImputer(name=f"fill_in_{missing}"), model.get_config()
    config["imputers"] = [*config["imputers"], [missing, given, predict]]
    filled = type(model).from_config({**config, "name": f"{model.name}_filling_in_{missing}"})
    copy_weights(model, filled)
    predict.set_weights([ridge.coef_.T, ridge.intercept_])
    return filled


def _check_tagger(tagger, tags, schema):
    """The image's feature."""
    if not tags.has_probabilities or tags.outputs != tags.class_count or tags.name not in tagger.output:
        raise ValueError(
            f"append_tags: {tagger.name} gives {', '.join(tagger.output)}, and {tags.name!r} is of type "
            f"{tags.type}; it takes tags or classes that the tagger gives."
        )
    if len(schema.of_kind("text")) != 1:
        raise ValueError(f"append_tags: the rows have {len(schema.of_kind('text'))} texts; it needs one.")
    names = [name for name in tagger.input if not name.endswith("_present")]
    found = [feature for feature in schema.of_kind("image") if [feature.name] == names]
    if not found or tuple(tagger.input[names[0]].shape[1:3]) != found[0].size:
        takes = " and ".join(f"{name} {tuple(tagger.input[name].shape[1:])}" for name in names)
        images = ", ".join(f"{f.name} {(*f.size, 3)}" for f in schema.of_kind("image"))
        raise ValueError(
            f"append_tags: {tagger.name} takes {takes}, and the images of the rows are {images or 'none'}. "
            "Train a tagger on the image alone, in the same size."
        )
    return found[0]


def _there(examples, name):
    """Whether each row has this feature: bool `(n,)`."""
    if name in examples.images:
        return examples.images[name] >= 0
    if name in examples.text:
        return (examples.text[name] != 0).any(axis=1)
    return examples.numeric_present[name]
