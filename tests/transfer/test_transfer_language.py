"""A captioner's decoder learns sentences without images, and keeps what it learned."""

import dataclasses
import importlib.util

import keras
import numpy as np
import pytest
from bert import bert_preset
from tables import caption_table

import kerasfusion as kf
from kerasfusion.decoders import DECODERS
from kerasfusion.models import captioner, fusion_model
from kerasfusion.schema import Feature, Schema, Task
from kerasfusion.transfer import (
    extend_vocabulary,
    init_embeddings_from_bert,
    language_model,
    pretrain_decoder,
    transfer_weights,
)

SMALL = {"image_encoder": {"name": "small_cnn", "filters": (4,)}, "units": 8}
WORDS = ("a", "dog", "cat", "runs", "sleeps")


@pytest.fixture
def schema():
    image = Feature("image", "image", ("photo",), size=(16, 16))
    return Schema((image,), (Task("caption", "captioning", "said", vocabulary=WORDS, length=6),))


@pytest.mark.parametrize(
    "decoder", [pytest.param(name, marks=[] if name == "attention_lstm" else [pytest.mark.slow]) for name in DECODERS]
)
def test_nothing_to_look_at(schema, rows_for, decoder):
    model = captioner(schema, decoder=decoder, **SMALL)
    batch = rows_for(schema, 3)
    before = np.array(model(batch)["caption"])
    language = language_model(model)
    found = np.array(language({"caption": batch["caption"]})["caption"])
    # The same as the decoder says of a longer context without anything in it.
    context = {"pooled": np.zeros((3, 8)), "sequence": np.zeros((3, 5, 8)), "mask": np.ones((3, 5), bool)}
    told = model.get_layer("decoder")(
        {name: part.astype("float32") for name, part in context.items()}, batch["caption"]
    )
    np.testing.assert_allclose(found, model.get_layer("head_caption")(told), rtol=1e-4, atol=1e-5)
    # A captioner as before, with the same weights and no other.
    np.testing.assert_array_equal(model(batch)["caption"], before)
    own = {id(weight) for name in ("decoder", "head_caption") for weight in model.get_layer(name).weights}
    assert {id(weight) for weight in language.weights} == own
    assert type(model).from_config(model.get_config()).count_params() == model.count_params()


def test_words_of_captions_go_by_their_names(schema):
    (task,) = schema.tasks
    other = Schema(schema.features, (dataclasses.replace(task, vocabulary=("cat", "bird", "a")),))
    parent, model = (captioner(each, **SMALL) for each in (schema, other))
    found = transfer_weights(model, parent, other, schema).set_index("weight")
    places = [0, 1, 2, 3, 4 + WORDS.index("cat"), 4 + WORDS.index("a")]
    for layer, name, axis in (("decoder", "embedding/embeddings", 0), ("head_caption", "logits/kernel", 1)):
        old, new = (
            next(w for w in one.get_layer(layer).weights if w.path.endswith(name)).numpy() for one in (parent, model)
        )
        np.testing.assert_array_equal(new.take([0, 1, 2, 3, 4, 6], axis), old.take(places, axis))
        assert found.loc[f"{layer}/{name}", ["status", "share"]].tolist() == ["resized", 6 / 7]
    rest = found.drop(["decoder/embedding/embeddings", "head_caption/logits/kernel", "head_caption/logits/bias"])
    assert set(rest["status"]) == {"copied"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("captions")
    table = caption_table(folder, 12)
    table["split"] = ["train"] * 16 + ["validation"] * 4 + ["test"] * 4
    table.attrs.update(folder=str(folder))
    return kf.data.load(
        table,
        image="photo",
        label="caption",
        problem_type="captioning",
        split="split",
        image_size=16,
        sequence_length=5,
    )


def test_sentences_bring_their_words(data):
    known = set(data.schema["caption"].vocabulary)
    more, sentences = extend_vocabulary(data, ["a dog over there", "a dog that runs and runs and runs"])
    task = more.schema["caption"]
    assert set(task.vocabulary) == known | {"a", "dog", "that", "runs", "and"} and task.length == 7
    assert more.splits["test"].schema is more.schema

    def words(ids):
        return [("", "?", "<", ">", *task.vocabulary)[i] for i in ids]

    assert words(sentences.labels["caption"][0]) == ["<", "a", "dog", "over", "there", ">", ""]
    # Too long: without an end.
    assert words(sentences.labels["caption"][1]) == ["<", "a", "dog", "that", "runs", "and", "runs"]
    np.testing.assert_array_equal(sentences.weights["caption"], [1, 1])
    said = more.splits["test"].frame["caption"].iloc[0]
    assert words(more.splits["test"].labels["caption"][0])[1:4] == said.split()[:3]
    few, _ = extend_vocabulary(data, ["over over over"], max_tokens=1)
    assert few.schema["caption"].vocabulary == ("over",)
    with pytest.raises(ValueError, match="there are no sentences"):
        extend_vocabulary(data, [])
    numbers = dataclasses.replace(data, schema=Schema(data.schema.features, (Task("label", "regression", "n"),)))
    with pytest.raises(ValueError, match=r"there are no captions; the tasks are \['regression'\]"):
        extend_vocabulary(numbers, ["a"])


@pytest.mark.slow
def test_the_decoder_learns_alone(data, tmp_path):
    data, sentences = extend_vocabulary(data, ["a dog runs"] * 24)
    model = captioner(data.schema, **SMALL)
    before = {weight.path: np.array(weight) for weight in model.weights}
    config = kf.training.TrainingConfig(epochs=3, batch_size=4, learning_rate=0.05, patience=None)
    cost = pretrain_decoder(model, sentences, sentences.take(np.arange(8)), config, tmp_path / "language")
    assert cost["history"][-1]["val_loss"] < 0.2
    changed = {w.path for w in model.weights if not np.array_equal(w, before[w.path])}
    assert {path.split("/")[0] for path in changed} == {"decoder", "head_caption"}
    # How it looks at images is learned from images; no more than weight decay touched it.
    for weight in model.get_layer("decoder").weights:
        if "context_in/" in weight.path or "context_out/" in weight.path:
            np.testing.assert_allclose(weight, before[weight.path], rtol=1e-3)
    again = keras.saving.load_model(tmp_path / "language" / "model.keras")
    assert set(again.input) == {"image", "image_present", "caption"}
    for ours, theirs in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_what_has_no_decoder(tiny_schema):
    with pytest.raises(ValueError, match="writes no captions"):
        language_model(fusion_model(tiny_schema, text_encoder="average", **SMALL))


@pytest.mark.hub
@pytest.mark.skipif(importlib.util.find_spec("keras_hub") is None, reason="needs keras-hub")
@pytest.mark.parametrize("width", [6, 12])
def test_word_vectors_of_a_bert(schema, tmp_path, width):
    import keras_hub

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "run", "##s", "sleep"]
    preset = bert_preset(tmp_path / "bert", pieces, width)
    model = captioner(schema, decoder="gru", **SMALL)
    table = model.get_layer("decoder").embedding.embeddings
    before = np.array(table)
    # Of "a dog cat runs sleeps" BERT lacks the cat.
    assert init_embeddings_from_bert(model, schema, preset) == 4
    after = np.array(table)
    np.testing.assert_array_equal(after[[0, 1, 2, 3, 6]], before[[0, 1, 2, 3, 6]])
    own = np.array(keras_hub.models.Backbone.from_preset(str(preset)).token_embedding.embeddings)
    expected = np.stack([own[5], own[6], (own[7] + own[8]) / 2, (own[9] + own[8]) / 2])
    found = after[[4, 5, 7, 8]]
    if width == 6:
        np.testing.assert_array_equal(found[:, 6:], before[[4, 5, 7, 8], 6:])
        np.testing.assert_allclose(found[:, :6], expected / np.linalg.norm(expected, axis=1).mean(), rtol=1e-5)
    else:
        # Four words have three directions: turned, moved and scaled, they lie to one another as they did.
        distances = [[np.linalg.norm(a - b) for a in part for b in part] for part in (expected, found[:, :4])]
        shares = np.array(distances[1])[1:4] / np.array(distances[0])[1:4]
        np.testing.assert_allclose(shares, shares[0], rtol=1e-4)
    with pytest.raises(ValueError, match="has none of the 1 words"):
        other = Schema(schema.features, (dataclasses.replace(schema["caption"], vocabulary=("zebra",)),))
        init_embeddings_from_bert(captioner(other, decoder="gru", **SMALL), other, preset)
