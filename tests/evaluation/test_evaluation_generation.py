"""What captioners write and look at, row by row."""

import numpy as np
import pandas as pd
import pytest
from png import png_bytes

import kerasfusion as kf
from kerasfusion.data.pipeline import BatchedDataset
from kerasfusion.decoders import beam_search, sample
from kerasfusion.evaluation import captions as module
from kerasfusion.evaluation.captions import attention_maps, generate_captions

SMALL = {"image_encoder": {"name": "small_cnn", "filters": (4,)}, "units": 8}


@pytest.fixture(scope="module")
def data():
    """Images of noise with sentences of up to five words, and a hint."""
    random = np.random.default_rng(0)
    rows = [
        {
            "photo": png_bytes(number),
            "hint": f"hint {number % 3}",
            "caption": " ".join(random.choice(list("abcdefghij"), 1 + number % 5)),
        }
        for number in range(30)
    ]
    return kf.data.load(
        pd.DataFrame(rows), image="photo", text="hint", label="caption", problem_type="captioning", image_size=16
    )


def captioner(data, decoder, **changes):
    import keras

    keras.utils.set_random_seed(1)
    model = kf.models.captioner(data.schema, "average", decoder=decoder, **{**SMALL, **changes})
    # What it writes is to depend on what it sees.
    for part in (model.head.dense.kernel, model.get_layer("context").projection.kernel):
        part.assign(4 * part)
    return model


@pytest.fixture(scope="module")
def model(data):
    return captioner(data, "gru")


@pytest.fixture(scope="module")
def some(data):
    return data.splits["train"].take(range(6))


def words_of(data, ids):
    vocabulary = ["", "", "", "", *data.schema["caption"].vocabulary]
    return [" ".join(vocabulary[i] for i in row if i > 3) for row in np.asarray(ids)]


@pytest.mark.slow
def test_greedy_and_beam_captions_are_those_of_the_decoder(data, model, some):
    ((x, *_),) = BatchedDataset(some, 6).dataset()
    context = model.encode_context({name: x[name] for name in model.input if name != model.task})
    greedy = generate_captions(model, some)
    assert greedy == words_of(data, sample(model.decoder, model.head, context)[0])
    beam = generate_captions(model, some, "beam", beams=4, length_penalty=2.0)
    found = beam_search(model.decoder, model.head, context, beams=4, length_penalty=2.0)
    assert beam == words_of(data, found[0])
    assert len(set(greedy)) > 1 and beam != greedy and all(greedy + beam)


def test_what_is_drawn_goes_by_the_seed_and_not_by_the_batch(model, some, monkeypatch):
    greedy = generate_captions(model, some)
    drawn = generate_captions(model, some, "sample", seed=5)
    assert generate_captions(model, some, "sample", temperature=0) == greedy != drawn
    assert generate_captions(model, some, "sample", top_k=1, seed=6) == greedy
    monkeypatch.setattr(module, "BATCH_SIZE", 4)
    assert generate_captions(model, some, "sample", seed=5) == drawn


def test_an_unknown_strategy(model, some):
    with pytest.raises(ValueError, match="no strategy 'best'; choose one of greedy, beam, sample"):
        generate_captions(model, some, "best")


@pytest.mark.parametrize("decoder", ["attention_lstm", pytest.param("transformer", marks=pytest.mark.slow)])
def test_maps_of_what_was_looked_at(data, some, decoder):
    model = captioner(data, decoder, image_encoder={"name": "small_cnn", "filters": (4, 5)})
    some = some.take(range(3))
    found = attention_maps(model, some)
    ((x, *_),) = BatchedDataset(some, 3).dataset()
    context = model.encode_context({name: x[name] for name in model.input if name != model.task})
    ids = sample(model.decoder, model.head, context)[0]
    assert [" ".join(words) for words, _ in found] == words_of(data, ids)
    looked = model.decoder.attention(context, np.concatenate([[[2]] * 3, ids[:, :-1]], axis=1))
    cells = model.get_layer("encode_image")(x["image"])["grid"].shape[1:3]
    # In the joint sequence the cells of the image stand where the context says they do.
    start = 0 if next(iter(model.get_layer("context").read)) == "image" else data.schema["text"].length
    for row, (words, maps) in enumerate(found):
        assert maps.shape == (len(words), *cells) and maps.dtype == np.float32
        expected = looked[row, : len(words), start : start + cells[0] * cells[1]]
        np.testing.assert_allclose(maps.reshape(len(words), -1), expected, atol=1e-5)
        assert (maps.sum(axis=(1, 2)) > 0).all() and (maps.sum(axis=(1, 2)) < 1).all()


def test_without_attention_there_are_no_maps(model, some):
    with pytest.raises(ValueError, match="sees the image as one vector"):
        attention_maps(model, some)
