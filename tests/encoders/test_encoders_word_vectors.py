"""Pretrained word vectors: read from a file, used by an encoder, needed by no saved model."""

import keras
import numpy as np
import pytest

import kerasfusion as kf
from kerasfusion.encoders import TextEncoder, load_word_vectors
from kerasfusion.models import unimodal

VOCABULARY = ("cat", "unheard", "dog")


@pytest.fixture
def vectors_file(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("dog 1 2 3\nnew york 9 9 9\ncat 4 5.5 -6e-1\ndog 7 7 7\nhouse 0 0 0\n\n", encoding="utf-8")
    return path


def test_vectors_are_found_by_word(vectors_file):
    vectors, found = load_word_vectors(vectors_file, VOCABULARY)
    assert vectors.dtype == "float32"
    np.testing.assert_allclose(vectors, [[4, 5.5, -0.6], [0, 0, 0], [1, 2, 3]])
    np.testing.assert_array_equal(found, [True, False, True])


def test_a_first_line_of_sizes_and_words_of_two_parts_are_read(tmp_path):
    path = tmp_path / "vectors.vec"
    path.write_text("2 2\ncat 1 2 \nnew york 3 4\n", encoding="utf-8")
    vectors, found = load_word_vectors(path, ("new york", "cat"))
    np.testing.assert_array_equal(vectors, [[3, 4], [1, 2]])
    assert found.all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("dog 1 2\ncat 1\n", r"line 2: expected a word and 2 numbers, not 'cat 1\\n'"),
        ("dog 1 2\ncat 1 x\n", "line 2: the word 'cat' is not followed by numbers"),
        ("dog 1 2\ncat 1 nan\n", "line 2: the vector of 'cat' is not finite"),
        ("dog\ncat\n", "line 1: expected a word and its numbers"),
        ("fish 1 2\n", "has none of the 3 words"),
        ("", "has none of the 3 words"),
    ],
)
def test_a_bad_line_is_named(tmp_path, content, message):
    path = tmp_path / "vectors.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        load_word_vectors(path, VOCABULARY)
    assert "vectors.txt" in str(caught.value)


class Words(TextEncoder):
    """The word vectors themselves."""

    def build_encoder(self, embedded_shape):
        pass

    def encode(self, embedded, mask, training):
        return embedded, embedded[:, 0]


def test_an_encoder_starts_from_the_file(vectors_file):
    layer = Words(7, units=8, pretrained_embeddings=vectors_file, vocabulary=VOCABULARY)
    out = np.array(layer(np.array([[4, 6, 5, 0]]))["sequence"])[0]
    assert out.shape == (4, 3) and layer.words_found == (2, 3)
    np.testing.assert_allclose(out[:2], [[4, 5.5, -0.6], [1, 2, 3]], atol=1e-6)
    assert np.abs(out[2]).min() > 0


def test_words_without_a_vector_have_the_spread_of_the_others(vectors_file):
    layer = Words(2003, units=8, pretrained_embeddings=vectors_file, vocabulary=VOCABULARY)
    layer.build((None, 4))
    embeddings = np.array(layer.embedding.embeddings)
    spread = np.std([[4, 5.5, -0.6], [1, 2, 3]])
    assert embeddings[:2000].std() == pytest.approx(spread, rel=0.05)


def test_what_cannot_be_is_refused(vectors_file):
    with pytest.raises(ValueError, match=r"needs the vocabulary of the 7 token ids, and was given none"):
        Words(7, units=8, pretrained_embeddings=vectors_file)
    with pytest.raises(ValueError, match="was given one of 3 words"):
        Words(2, units=8, pretrained_embeddings=vectors_file, vocabulary=VOCABULARY)
    with pytest.raises(ValueError, match="has vectors of 3 numbers, and embedding_dim is 4"):
        Words(7, units=8, embedding_dim=4, pretrained_embeddings=vectors_file, vocabulary=VOCABULARY)


@pytest.mark.parametrize("trainable_embeddings", [True, False])
def test_a_model_keeps_its_vectors_without_the_file(trainable_embeddings, tiny_schema, rows_for, tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("a 1 2 3\nc 4 5 6\n", encoding="utf-8")
    schema = tiny_schema.only("text")
    text = {"name": "average", "trainable_embeddings": trainable_embeddings}
    model = kf.create_model("text_only", schema, text_encoder=text, units=4, pretrained_embeddings=str(path))
    encoder = model.get_layer("encode_text")
    assert encoder.words_found == (2, 9)
    assert (encoder.embedding.embeddings.path in {w.path for w in model.trainable_weights}) == trainable_embeddings
    encoder.embedding.embeddings.assign_add(np.ones(encoder.embedding.embeddings.shape))
    batch = rows_for(schema, 3)
    expected = np.array(model(batch)["label"])
    model.save(tmp_path / "model.keras")
    # The baseline of a model that was read back begins from the file, as that model did.
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    fresh = unimodal(loaded, schema, "text").get_layer("encode_text").embedding.embeddings
    np.testing.assert_allclose(np.array(fresh)[[4, 6]], [[1, 2, 3], [4, 5, 6]])
    path.unlink()
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.array(loaded(batch)["label"]), expected)
    assert loaded.get_layer("encode_text").get_config() == encoder.get_config()
    assert len(loaded.trainable_weights) == len(model.trainable_weights)


def test_lines_without_end_are_not_read_to_their_end(tmp_path):
    file = tmp_path / "vectors.txt"
    with file.open("wb") as handle:
        handle.truncate(2**33)  # 8 GiB of zero bytes on one line, none of which are on disk
    with pytest.raises(ValueError, match=r"vectors\.txt, line 1 has more than 1,048,576 characters"):
        load_word_vectors(file, ["red"])
    file.write_text("red" + " 1" * 20_000)
    with pytest.raises(ValueError, match=r"line 1 has 20,000 numbers; at most 8,192 are read"):
        load_word_vectors(file, ["red"])
