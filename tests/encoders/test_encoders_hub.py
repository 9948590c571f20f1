"""A KerasHub backbone behind our own vocabulary's ids, on a tiny BERT made on the spot."""

import importlib.util
import sys

import keras
import numpy as np
import pytest
from bert import bert_preset

import kerasfusion as kf
from kerasfusion.encoders import KerasHubTextEncoder
from kerasfusion.encoders.text.hub import piece_table
from kerasfusion.models import image_major, unimodal
from kerasfusion.schema import Feature, Schema, Task

WORDS = ("cat", "playing", "dog", "zebra", "playful")
#         0        1        2        3        4         5      6       7        8      9
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cat", "play", "##ing", "dog", "##ful"]
# Of ids 0 to 8: padding, unknown, start, end, and the five words.
TABLE = [[-1, -1], [1, -1], [-1, -1], [-1, -1], [5, -1], [6, 7], [8, -1], [1, -1], [6, 9]]
IDS = np.array([[4, 5, 8, 6, 0, 0], [1, 0, 0, 0, 0, 0], [0] * 6], "int32")

missing = importlib.util.find_spec("keras_hub") is None


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(ImportError, match=r"pip install 'kerasfusion\[hub\]'"):
        KerasHubTextEncoder(9, 4, preset="bert_tiny_en_uncased", vocabulary=WORDS)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="fine_tune must be 'none' or 'all', not 'some'"):
        KerasHubTextEncoder(9, 4, preset="x", vocabulary=WORDS, fine_tune="some")
    with pytest.raises(ValueError, match="vocabulary is needed"):
        KerasHubTextEncoder(9, 4, preset="x")
    with pytest.raises(ValueError, match="object does not cut words"):
        piece_table(object(), WORDS)


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    return bert_preset(tmp_path_factory.mktemp("presets") / "bert", PIECES)


def make(preset, **changes):
    return KerasHubTextEncoder(9, 4, preset=preset, vocabulary=WORDS, **changes)


def numbers(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor), dtype="float32")


@pytest.mark.hub
@pytest.mark.skipif(missing, reason="needs keras-hub")
class TestBackbone:
    def test_words_become_the_backbones_pieces(self, preset):
        layer = make(preset)
        out = layer(IDS)
        np.testing.assert_array_equal(layer.table, TABLE)
        assert layer.ends == (2, 3, 0)
        tokens = np.array([[2, 5, 6, 7, 6, 9, 8, 3], [2, 1, 3, 0, 0, 0, 0, 0], [2, 3, 0, 0, 0, 0, 0, 0]])
        hidden = numbers(
            layer.backbone(
                {"token_ids": tokens, "padding_mask": (tokens != 0) * 1, "segment_ids": np.zeros_like(tokens)}
            )["sequence_output"]
        )
        kernel = numbers(layer.projection.kernel)
        first = [[1, 2, 4, 6], [1], []]
        for row, places in enumerate(first):
            count = (tokens[row] != 0).sum()
            np.testing.assert_allclose(
                numbers(out["pooled"])[row], hidden[row, :count].mean(axis=0) @ kernel, atol=1e-5
            )
            np.testing.assert_allclose(
                numbers(out["sequence"])[row, : len(places)], hidden[row, places] @ kernel, atol=1e-5
            )
            assert not numbers(out["sequence"])[row, len(places) :].any()
        np.testing.assert_array_equal(numbers(out["mask"]), IDS != 0)

    def test_a_text_of_too_many_pieces_ends_early(self, preset):
        # 16 places, two of them for start and end: seven words of two pieces.
        out = make(preset)(np.full((1, 12), 5, "int32"))
        np.testing.assert_array_equal(numbers(out["mask"])[0], [1] * 7 + [0] * 5)
        longer = make(preset)(np.full((1, 14), 5, "int32"))
        np.testing.assert_array_equal(numbers(longer["mask"])[0], [1] * 7 + [0] * 7)

    def test_more_padding_changes_nothing(self, preset):
        layer = make(preset)
        short, long = layer(IDS), layer(np.pad(IDS, ((0, 0), (0, 2))))
        np.testing.assert_allclose(numbers(long["pooled"]), numbers(short["pooled"]), atol=1e-5)
        np.testing.assert_allclose(numbers(long["sequence"])[:, :6], numbers(short["sequence"]), atol=1e-5)

    def test_frozen_or_trained(self, preset):
        frozen, trained = make(preset), make(preset, fine_tune="all")
        for layer in (frozen, trained):
            layer(IDS)
        assert len(frozen.trainable_weights) == 2 and len(trained.trainable_weights) > 20
        assert not {"table"} & {weight.name for weight in trained.trainable_weights}
        np.testing.assert_array_equal(frozen(IDS, training=True)["pooled"], frozen(IDS)["pooled"])
        assert np.abs(numbers(trained(IDS, training=True)["pooled"]) - numbers(trained(IDS)["pooled"])).max() > 0

    def test_a_model_learns_saves_loads_and_starts_again(self, preset, tmp_path):
        schema = Schema(
            (
                Feature("text", "text", ("words",), length=6, vocabulary=WORDS),
                Feature("image", "image", ("photo",), size=(16, 16)),
            ),
            (Task("label", "multiclass", "kind", classes=("a", "b")),),
        )
        text = {"name": "keras_hub", "preset": str(preset), "fine_tune": "all"}
        model = kf.models.fusion_model(schema, text, {"name": "small_cnn", "filters": (4,)}, "gated", units=4)
        pixels = np.zeros((3, 16, 16, 3), "uint8")
        present = np.ones(3, bool)
        batch = {"text": IDS, "image": pixels, "text_present": present, "image_present": present}
        backbone = model.get_layer("encode_text").backbone
        begin = [np.array(weight) for weight in backbone.weights]
        model.compile("adam", {"label": keras.losses.SparseCategoricalCrossentropy(from_logits=True)})
        model.fit(batch, {"label": np.array([0, 1, 0])}, verbose=0)
        assert any((np.array(weight) != before).any() for weight, before in zip(backbone.weights, begin, strict=True))
        expected = numbers(model(batch)["label"])
        twin = image_major(model)
        several = {
            "text": IDS[None],
            "text_present": present[None],
            "image": pixels[:1],
            "image_present": present[:1],
        }
        np.testing.assert_allclose(numbers(twin(several)["label"])[0], expected, atol=1e-5)
        model.save(tmp_path / "model.keras")
        moved = preset.rename(preset.with_name("moved"))
        try:
            loaded = keras.saving.load_model(tmp_path / "model.keras")
        finally:
            moved.rename(preset)
        np.testing.assert_allclose(numbers(loaded(batch)["label"]), expected, atol=1e-6)
        again = unimodal(loaded, schema, "text").get_layer("encode_text").backbone
        for weight, before in zip(again.weights, begin, strict=True):
            np.testing.assert_array_equal(weight, before)
