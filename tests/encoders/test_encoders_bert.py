"""BERT on a tiny architecture: the contract, what learns, features, saving, and folders in Hugging Face form."""

import json

import keras
import numpy as np
import pytest

import kerasfusion as kf
from kerasfusion.encoders import BertEncoder, MiniLMEncoder
from kerasfusion.models import fusion_model
from kerasfusion.pretrained import bert_folder, read_bert_config, read_vocabulary

IDS = np.array([[2, 4, 5, 6, 3, 0], [2, 8, 3, 0, 0, 0], [0] * 6, [2, 7, 4, 5, 6, 3]], "int32")
TINY = {"hidden_dim": 8, "num_layers": 3, "num_heads": 2, "intermediate_dim": 16, "max_length": 10}
PIECES = ("cat", "##s", "dog", "红", "a")


def numbers(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor), dtype="float32")


def tiny(units=5, **changes):
    encoder = BertEncoder(len(PIECES) + 4, units, **{**TINY, **changes})
    encoder(IDS)
    return encoder


def test_without_a_dense_layer_pooled_is_the_mean_of_length_one():
    encoder = tiny(None)
    out = encoder(IDS)
    states = numbers(out["sequence"])
    assert states.shape == (4, 6, 8)
    mean = np.array([row[mask].mean(axis=0) for row, mask in zip(states, IDS != 0, strict=True) if mask.any()])
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    np.testing.assert_allclose(numbers(out["pooled"])[[0, 1, 3]], mean, atol=1e-5)
    # No text: zeros, not a division by zero.
    np.testing.assert_array_equal(numbers(out["pooled"])[2], np.zeros(8))


def test_one_block_by_hand():
    encoder = tiny(None, num_layers=1)
    (block,) = encoder.blocks
    for weight in encoder.weights:
        weight.assign(np.random.default_rng(len(weight.path)).normal(size=weight.shape) * 0.5)

    def norm(x, layer):
        x = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-12)
        return x * numbers(layer.gamma) + numbers(layer.beta)

    def dense(x, layer):
        return x @ numbers(layer.kernel) + numbers(layer.bias)

    def gelu(x):
        return numbers(keras.activations.gelu(x))

    ids = IDS[0, :5]
    x = norm(
        numbers(encoder.embedding.embeddings)[ids] + numbers(encoder.positions.embeddings)[:5], encoder.embedding_norm
    )
    parts = block.parts()
    heads = []
    for head in (slice(0, 4), slice(4, 8)):
        query, key, value = (dense(x, parts[name])[:, head] for name in ("query", "key", "value"))
        scores = query @ key.T / 2.0
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        heads.append(weights / weights.sum(axis=1, keepdims=True) @ value)
    x = norm(x + dense(np.concatenate(heads, axis=1), parts["output"]), parts["attention_norm"])
    x = norm(x + dense(gelu(dense(x, parts["expand"])), parts["contract"]), parts["norm"])
    np.testing.assert_allclose(numbers(encoder(IDS)["sequence"])[0, :5], x, atol=1e-4)


@pytest.mark.parametrize("fine_tune, learning", [("none", 0), ("last_blocks", 2), ("all", 3)])
@pytest.mark.parametrize("global_pool", [False, True])
def test_features_are_the_frozen_half(fine_tune, learning, global_pool):
    encoder = tiny(fine_tune=fine_tune, global_pool=global_pool)
    assert sum(bool(block.trainable_weights) for block in encoder.blocks) == learning
    assert bool(encoder.embedding.trainable_weights) == (fine_tune == "all")
    assert (encoder.frozen_backbone is None) == (fine_tune == "all")
    out, entered = encoder(IDS), encoder({"features": encoder.features(IDS)})
    for name in ("sequence", "pooled", "mask"):
        np.testing.assert_allclose(numbers(entered[name]), numbers(out[name]), atol=1e-5)


def test_a_saved_model_needs_no_weights_and_keeps_what_learns(tiny_schema, tmp_path):
    text = {"name": "bert", **TINY, "fine_tune": "last_blocks"}
    model = fusion_model(tiny_schema, text_encoder=text, image_encoder="small_cnn", units=4)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    batch = {
        "text": IDS,
        "text_present": IDS.any(axis=1),
        "image": np.zeros((4, 16, 16, 3), "uint8"),
        "image_present": np.ones(4, bool),
    }
    np.testing.assert_allclose(numbers(loaded(batch)["label"]), numbers(model(batch)["label"]), atol=1e-5)
    assert [w.path for w in loaded.trainable_weights] == [w.path for w in model.trainable_weights]
    assert "text" in loaded.cacheable()


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="fine_tune must be one of none, last_blocks, all, not 'some'"):
        tiny(fine_tune="some")
    with pytest.raises(ValueError, match=r"texts of 6 tokens; it takes 5.*--sequence-length 5"):
        tiny(max_length=5)
    with pytest.raises(ValueError, match="a width of 8 cannot be shared out among 3 heads"):
        tiny(num_heads=3)


@pytest.fixture
def folder(tmp_path):
    """A tiny BERT in Hugging Face form, with the names and the prefix of older files."""
    safetensors = pytest.importorskip("safetensors.numpy", reason="needs pip install 'kerasfusion[pretrained]'")
    random = np.random.default_rng(0)
    vocabulary = ["[PAD]", "cat", "##s", "[UNK]", "[CLS]", "[SEP]", "dog", "红", "a", "[MASK]"]
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    config = {"model_type": "bert", "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    config |= {"intermediate_size": 16, "max_position_embeddings": 12, "layer_norm_eps": 1e-12, "hidden_act": "gelu"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    shapes = {
        "embeddings.word_embeddings.weight": (10, 8),
        "embeddings.position_embeddings.weight": (12, 8),
        "embeddings.token_type_embeddings.weight": (2, 8),
        "embeddings.LayerNorm.gamma": (8,),
        "embeddings.LayerNorm.beta": (8,),
        "pooler.dense.weight": (8, 8),
    }
    for block in range(2):
        dense = {f"attention.self.{name}": (8, 8) for name in ("query", "key", "value")}
        dense |= {"attention.output.dense": (8, 8), "intermediate.dense": (16, 8), "output.dense": (8, 16)}
        for name, shape in dense.items():
            shapes[f"encoder.layer.{block}.{name}.weight"] = shape
            shapes[f"encoder.layer.{block}.{name}.bias"] = shape[:1]
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"encoder.layer.{block}.{name}.{end}": (8,) for end in ("gamma", "beta")}
    tensors = {f"bert.{name}": random.normal(size=shape).astype("float16") for name, shape in shapes.items()}
    safetensors.save_file(tensors, tmp_path / "model.safetensors")
    return tmp_path


def test_a_folder_sets_architecture_weights_and_ids(folder):
    pieces, rows, lowercase = read_vocabulary(folder)
    assert pieces == ("cat", "##s", "dog", "红", "a", "[MASK]") and lowercase
    np.testing.assert_array_equal(rows, [0, 3, 4, 5, 1, 2, 6, 7, 8, 9])
    encoder = BertEncoder(10, 4, weights=folder, vocabulary=pieces)
    encoder(IDS)
    assert encoder.get_config()["hidden_dim"] == 8 and len(encoder.blocks) == 2 and encoder.fine_tune == "none"
    from safetensors.numpy import load_file

    stored = load_file(folder / "model.safetensors")
    words = stored["bert.embeddings.word_embeddings.weight"].astype("float32")
    np.testing.assert_array_equal(numbers(encoder.embedding.embeddings), words[rows])
    query = stored["bert.encoder.layer.1.attention.self.query.weight"].astype("float32")
    np.testing.assert_array_equal(numbers(encoder.blocks[1].parts()["query"].kernel), query.T)
    clone = BertEncoder.from_config(encoder.get_config())
    assert clone.get_config() == encoder.get_config()


@pytest.mark.parametrize(
    "entry, value, message",
    [
        ("hidden_size", 16, "config.json does not fit the weights: embeddings.word_embeddings.weight has the shape"),
        ("num_hidden_layers", 3, "config.json asks for encoder.layer.2.attention.self.query.weight"),
        ("num_hidden_layers", 10**9, "config.json asks for encoder.layer.2"),
        ("num_hidden_layers", "two", "num_hidden_layers must be whole numbers from 1"),
        ("intermediate_size", 8, "does not fit the weights: encoder.layer.0.intermediate.dense.weight"),
        ("model_type", "roberta", "model_type is 'roberta'; only 'bert' is supported"),
        ("num_attention_heads", 3, "config.json: hidden_size 8 is not divisible by num_attention_heads 3"),
        ("layer_norm_eps", "small", "config.json: layer_norm_eps must be a number between 0 and 1, not 'small'"),
        ("layer_norm_eps", 0, "config.json: layer_norm_eps must be a number between 0 and 1, not 0"),
        ("hidden_act", "swish", "hidden_act is 'swish'"),
        ("position_embedding_type", "relative_key", "position embeddings are relative_key"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(folder, entry, value, message):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, entry: value}))
    with pytest.raises(ValueError, match=message):
        BertEncoder(10, 4, weights=folder, vocabulary=read_vocabulary(folder)[0])


def test_damaged_folders_are_refused(folder):
    vocabulary = (folder / "vocab.txt").read_text(encoding="utf-8")
    (folder / "vocab.txt").write_text(vocabulary + "\nmore", encoding="utf-8")
    with pytest.raises(ValueError, match=r"vocab.txt has 11 pieces, and model.safetensors embeddings of 10"):
        BertEncoder(11, 4, weights=folder)
    for content, message in ((vocabulary + "\ncat", "'cat' occurs twice"), ("a\nb", r"has no \[PAD\], \[UNK\]")):
        (folder / "vocab.txt").write_text(content, encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            read_vocabulary(folder)
    (folder / "vocab.txt").write_bytes(vocabulary.encode("utf-16"))
    with pytest.raises(ValueError, match=r"vocab.txt is not UTF-8 text: .* Save the vocabulary as UTF-8"):
        read_vocabulary(folder)
    (folder / "vocab.txt").write_text(vocabulary, encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(ValueError, match=r"model.safetensors cannot be read"):
        BertEncoder(10, 4, weights=folder)
    (folder / "config.json").write_text("[]")
    with pytest.raises(ValueError, match="expected an object, not list"):
        read_bert_config(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"no model.safetensors\. Give weights='minilm' or a folder"):
        bert_folder(folder)


@pytest.mark.parametrize(
    "name, values, message",
    [
        ("position_embeddings", np.full((12, 8), np.nan), "position_embeddings.weight in .* not a number"),
        ("token_type_embeddings", np.zeros((0, 8)), "no embedding of a segment"),
    ],
)
def test_weights_without_usable_values_are_refused(folder, name, values, message):
    from safetensors.numpy import load_file, save_file

    stored = load_file(folder / "model.safetensors")
    stored[f"bert.embeddings.{name}.weight"] = values.astype("float32")
    save_file(stored, folder / "model.safetensors")
    with pytest.raises(ValueError, match=message):
        BertEncoder(10, 4, weights=folder)


def test_minilm_is_a_text_encoder_of_the_zoo(tiny_schema):
    text = {"name": "minilm", "weights": None, **TINY}
    model = kf.create_model("classifier_sum", tiny_schema, text_encoder=text)
    assert isinstance(model.encoders["text"], MiniLMEncoder)
