"""CLIP's two branches from KerasHub, on a tiny one made on the spot."""

import importlib.util
import sys

import keras
import numpy as np
import pytest
from tables import caption_table

import kerasfusion as kf
from kerasfusion.encoders import CLIPImageEncoder, CLIPTextEncoder
from kerasfusion.models import dual_encoder, get_tower
from kerasfusion.models.inputs import rebuild_encoder
from kerasfusion.schema import Schema, Task

WORDS = ("cat", "cats", "dog", "x")
# CLIP marks the ends of words. "x" has no piece here, and stands for nothing: the true one knows every byte.
PIECES = ["c", "a", "t", "d", "o", "g", "s", "t</w>", "s</w>", "g</w>", "ca", "cat</w>", "cat", "do", "dog</w>"]
MERGES = ["c a", "ca t</w>", "ca t", "d o", "do g</w>"]
START, END = len(PIECES), len(PIECES) + 1
IDS = np.array([[4, 5, 6, 0, 0], [6, 1, 4, 0, 0], [0] * 5], "int32")
# The unknown word in the second row is left out.
TOKENS = [[START, 11, 12, 8, 14, END], [START, 14, 11, END], [START, END]]

needs_hub = pytest.mark.skipif(importlib.util.find_spec("keras_hub") is None, reason="needs keras-hub")


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    for make in (lambda: CLIPImageEncoder(None, "clip"), lambda: CLIPTextEncoder(8, None, "clip", vocabulary=WORDS)):
        with pytest.raises(ImportError, match=r"pip install 'kerasfusion\[hub\]'"):
            make()


def test_what_cannot_be_is_refused(tiny_schema):
    for make in (CLIPImageEncoder, lambda *a, **k: CLIPTextEncoder(8, *a, vocabulary=WORDS, **k)):
        with pytest.raises(ValueError, match="fine_tune must be 'none' or 'projection' or 'all', not 'some'"):
            make(None, "clip", fine_tune="some")
    schema = Schema(tiny_schema.features, (Task("match", "retrieval", "photo"),))
    text, image = {"name": "average", "units": 6}, {"name": "small_cnn", "filters": (4,), "units": 8}
    with pytest.raises(ValueError, match=r"or units; not \{'text': 6, 'image': 8\}"):
        dual_encoder(schema, text, image, units=None)


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    import keras_hub

    sizes = {"hidden_dim": 6, "num_layers": 1, "num_heads": 2, "intermediate_dim": 8}
    vision = keras_hub.models.CLIPVisionEncoder(patch_size=8, image_shape=(16, 16, 3), **sizes)
    text = keras_hub.models.CLIPTextEncoder(len(PIECES) + 2, embedding_dim=6, max_sequence_length=12, **sizes)
    clip = keras_hub.models.CLIPBackbone(vision, text, projection_dim=4)
    for i, weight in enumerate(clip.weights):
        places = np.arange(5)[None] if weight.name == "position_ids" else None
        weight.assign(np.random.default_rng(i).normal(0, 0.5, weight.shape) if places is None else places)
    folder = tmp_path_factory.mktemp("presets") / "clip"
    clip.save_to_preset(folder)
    vocabulary = {piece: i for i, piece in enumerate([*PIECES, "<|startoftext|>", "<|endoftext|>"])}
    keras_hub.models.CLIPTokenizer(vocabulary=vocabulary, merges=MERGES).save_to_preset(folder)
    return folder


@pytest.fixture(scope="module")
def clip(preset):
    import keras_hub

    return keras_hub.models.Backbone.from_preset(str(preset))


def numbers(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor), dtype="float32")


@pytest.mark.hub
@needs_hub
class TestClip:
    def test_texts_get_clips_own_embeddings(self, preset, clip):
        layer = CLIPTextEncoder(7, None, preset, vocabulary=WORDS[:3])
        out = layer(IDS)
        assert layer.ends == (START, END, 0)
        for row, tokens in enumerate(TOKENS):
            expected = numbers(clip.get_text_embeddings(np.array([tokens])))
            np.testing.assert_allclose(numbers(out["pooled"])[row], expected[0], atol=1e-5)
        np.testing.assert_array_equal(numbers(out["mask"]), [[1, 1, 1, 0, 0], [1, 0, 1, 0, 0], [0] * 5])
        hidden = numbers(clip.text_encoder({"token_ids": np.array(TOKENS[:1])}))[0] @ numbers(
            clip.text_projection.kernel
        )
        np.testing.assert_allclose(numbers(out["sequence"])[0, :3], hidden[[1, 2, 4]], atol=1e-5)
        assert not numbers(out["sequence"])[0, 3:].any() and not numbers(out["sequence"])[1, 1].any()

    def test_images_get_clips_own_embeddings(self, preset, clip):
        pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3)).astype("uint8")
        mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
        expected = numbers(clip.get_vision_embeddings((pixels / 255 - mean) / std))
        layer = CLIPImageEncoder(None, preset)
        out = layer(pixels)
        np.testing.assert_allclose(numbers(out["pooled"]), expected, atol=1e-5)
        assert out["grid"].shape == (3, 2, 2, 4) and out["sequence"].shape == (3, 4, 4)
        np.testing.assert_allclose(
            numbers(layer({"features": layer.features(pixels)})["grid"]), numbers(out["grid"]), atol=1e-6
        )
        pooled = CLIPImageEncoder(None, preset, global_pool=True)(pixels)
        np.testing.assert_allclose(numbers(pooled["grid"])[:, 0, 0], expected, atol=1e-5)

    @pytest.mark.parametrize(
        "fine_tune, units, trained", [("none", None, 0), ("projection", None, 1), ("none", 5, 2)]
    )
    def test_what_learns(self, preset, fine_tune, units, trained):
        image = CLIPImageEncoder(units, preset, fine_tune)
        text = CLIPTextEncoder(7, units, preset, fine_tune, WORDS[:3])
        pooled = image(np.zeros((1, 16, 16, 3), "uint8"))["pooled"], text(IDS)["pooled"]
        assert [part.shape[-1] for part in pooled] == [units or 4] * 2
        assert [len(layer.trainable_weights) for layer in (image, text)] == [trained] * 2

    def test_of_another_kind_or_size_is_said(self, preset, tmp_path):
        import keras_hub

        with pytest.raises(ValueError, match=r"takes images of 16 x 16 pixels, not 32 x 32: .*--image-size 16"):
            CLIPImageEncoder(None, preset)(np.zeros((1, 32, 32, 3), "uint8"))
        sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 6, "intermediate_dim": 8}
        keras_hub.models.BertBackbone(vocabulary_size=9, max_sequence_length=8, **sizes).save_to_preset(tmp_path)
        with pytest.raises(ValueError, match="is a BertBackbone, and no CLIP"):
            CLIPImageEncoder(None, tmp_path)

    def test_a_table_is_learned_saved_and_searched(self, preset, tmp_path, messages):
        """Two steps by `kf.train` on frozen branches and their last layers, `load`, `index`, `verify`."""
        table = caption_table(tmp_path, images=20)
        # Words of the tiny tokenizer's letters.
        table["caption"] = table["caption"].str.replace("crimson|emerald", "cat", regex=True)
        table["caption"] = table["caption"].str.replace("azure", "cats").str.replace("red|green", "dog", regex=True)
        table.to_csv(tmp_path / "captions.csv", index=False)
        data = kf.data.load(
            tmp_path / "captions.csv", image="photo", text="caption", problem_type="retrieval", image_size=16
        )
        config = kf.training.TrainingConfig(epochs=2, batch_size=64, patience=None)
        run = kf.train(data, "dual_clip", tmp_path / "run", config, preset=str(preset))
        assert any("encode_image: what its frozen layers make of" in line for line in messages)
        starts = [rebuild_encoder(run.model.get_layer(f"encode_{f.name}"), f) for f in data.schema.features]
        for encoder, feature in zip(starts, data.schema.features, strict=True):
            encoder.build((None, feature.length) if feature.kind == "text" else (None, 16, 16, 3))
            found = run.model.get_layer(f"encode_{feature.name}")
            assert np.abs(numbers(found.projection.kernel) - numbers(encoder.projection.kernel)).max() > 1e-4
            for a, b in zip(found.backbone.weights, encoder.backbone.weights, strict=True):
                np.testing.assert_array_equal(numbers(a), numbers(b))
        moved = preset.rename(preset.with_name("moved"))
        try:
            loaded = kf.load(tmp_path / "run")
            version, left_out = kf.export_search_index(loaded, tmp_path / "photos", tmp_path / "served", k=2)
        finally:
            moved.rename(preset)
        report = kf.verify(version)
        assert report.ok and left_out == [], report
        batch = {"text": np.full((2, data.schema["text"].length), 4, "int32"), "text_present": np.ones(2, bool)}
        embeddings = [numbers(get_tower(model, data.schema["text"])(batch)) for model in (run.model, loaded.model)]
        np.testing.assert_allclose(embeddings[0], embeddings[1], atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(embeddings[0], axis=1), 1, atol=1e-5)
