"""The export of a dual encoder: embeddings, candidate labels and the search of a gallery, in TensorFlow's C API."""

import numpy as np
import pytest
from png import png_bytes

import kerasfusion as kf
from kerasfusion.schema import Feature, Schema, Task
from kerasfusion.serving import CApiSession
from kerasfusion.serving.exporting import export_model
from kerasfusion.serving.gallery import Gallery
from kerasfusion.serving.json_tensors import read_inputs
from kerasfusion.serving.metadata import read_metadata
from kerasfusion.serving.reference import too_close

SCHEMA = Schema(
    features=(
        Feature("text", "text", ("caption",), length=6, vocabulary=tuple("abcdefghi")),
        Feature("image", "image", ("photo",), size=(16, 16)),
    ),
    tasks=(Task("match", "retrieval", "photo"),),
)
TEXTS = [b"a b c", b"d", b"", b"g h i a"]
IMAGES = [png_bytes(seed) for seed in range(3)] + [b"no image"]


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """An export with a gallery of 5 random directions, and these."""
    model = kf.models.dual_encoder(SCHEMA, "average", {"name": "small_cnn", "filters": (4,)}, units=8, loss="siglip")
    gallery = np.random.default_rng(0).normal(size=(5, 8)).astype("float32")
    gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)
    found = Gallery([f"é{i}.png" for i in range(5)], gallery, k=3)
    examples = {"text": TEXTS, "image_bytes": IMAGES}
    version = export_model(model, SCHEMA, tmp_path_factory.mktemp("exports") / "dual", examples, gallery=found)
    assert read_metadata(version)["gallery"] == {"images": 5, "k": 3}
    with CApiSession(version) as session:
        yield session, gallery


@pytest.fixture(scope="module")
def embedded(session):
    session, _ = session
    return {
        "text": session.run("embed_text", {"text": TEXTS})["embedding"],
        "image": session.run("embed_image", {"image_bytes": IMAGES}),
    }


def test_embeddings_have_length_1_and_give_the_similarity(session, embedded):
    texts, images = embedded["text"], embedded["image"]["embedding"]
    assert texts.shape == images.shape == (4, 8) and texts.dtype == images.dtype == np.float32
    there = [*texts[[0, 1, 3]], *images[:3]]
    np.testing.assert_allclose(np.linalg.norm(there, axis=1), 1, atol=1e-5)
    assert embedded["image"]["image_ok"].tolist() == [True, True, True, False]
    found = session[0].run("serving_default", {"text": TEXTS, "image_bytes": IMAGES})
    assert set(found) == {"similarity", "image_ok"}
    np.testing.assert_allclose(found["similarity"], (texts * images).sum(axis=1), atol=1e-5)


def test_a_search_gives_the_nearest(session, embedded):
    session, gallery = session
    scores = embedded["text"] @ gallery.T
    order = np.argsort(-scores, axis=1)[:, :3]
    found = session.run("search", {"text": TEXTS})
    assert [[name.decode() for name in row] for row in found["ids"]] == [[f"é{i}.png" for i in row] for row in order]
    np.testing.assert_allclose(found["scores"], np.take_along_axis(scores, order, axis=1), atol=1e-5)


def test_a_image_that_cannot_be_read_finds_nothing(session, embedded):
    session, gallery = session
    found = session.run("search_by_image", {"image_bytes": IMAGES})
    assert found["ids"][3].tolist() == [b""] * 3 and found["scores"][3].tolist() == [0] * 3
    nearest = (embedded["image"]["embedding"] @ gallery.T).argmax(axis=1)
    assert found["ids"][:3, 0].tolist() == [f"é{i}.png".encode() for i in nearest[:3]]


def test_zero_shot_chooses_among_the_labels_of_each_row(session, embedded):
    labels = np.array([["a b c", "d", ""], ["d", "g h i a", "a b c"], ["", "", ""]], object)
    found = session[0].run("zero_shot", {"image_bytes": IMAGES[:3], "labels": labels})
    images = embedded["image"]["embedding"]
    for row, words in enumerate(([0, 1], [1, 3, 0])):
        cosines = embedded["text"][words] @ images[row]
        np.testing.assert_allclose(found["scores"][row, : len(words)], cosines, atol=1e-5)
        # SigmoidContrastiveLoss's scale starts at 10; its bias is the same for all labels.
        weights = np.exp(10 * cosines)
        np.testing.assert_allclose(found["probabilities"][row, : len(words)], weights / weights.sum(), atol=1e-4)
        assert found["label"][row].decode() == labels[row, cosines.argmax()]
    # A label without a word is never chosen, unless there is no other.
    assert (found["scores"][0, 2], found["probabilities"][0, 2]) == (-1, 0) and found["label"][2] == b""


def test_zero_shot_takes_rest_rows(session):
    specs = session[0].signatures["zero_shot"]["inputs"]
    image = {"image_bytes": {"b64": "AAAA"}}
    rows = [{**image, "labels": ["a", "b c"]}, {**image, "labels": ["", "d"]}]
    given, _ = read_inputs({"instances": rows}, specs)
    assert given["labels"].tolist() == [[b"a", b"b c"], [b"", b"d"]]


def test_a_gallery_needs_images():
    for ids, k in (([], 3), (["a"], 0)):
        with pytest.raises(ValueError, match="at least 1 image and k at least 1"):
            Gallery(ids, np.zeros((len(ids), 2), "float32"), k)
    assert Gallery(["a"], np.ones((1, 2), "float32"), 10).k == 1


def test_names_as_near_as_the_tolerance_are_not_told_apart():
    found = too_close({"ids": None, "scores": np.array([[0.9, 0.5, 0.499995], [0.9, 0.8, 0.7]])}, {}, 1e-5)
    assert found["ids"].tolist() == [[False, True, True], [False, False, False]]
