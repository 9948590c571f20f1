import numpy as np
import pytest
from tables import color_table

import kerasfusion as kf
from kerasfusion.data import BatchedDataset
from kerasfusion.data.pipeline import MOST_TEXTS, _group_by_image


@pytest.fixture
def examples(tmp_path):
    frame = color_table(tmp_path, rows=40)
    # Images with 1, 2, 3 … texts each.
    frame["photo"] = frame["photo"].iloc[[int(np.sqrt(2 * i)) for i in range(40)]].to_numpy()
    frame.attrs.update(folder=str(tmp_path))
    data = kf.data.load(frame, image="photo", text="description", label="fits")
    return data.splits["train"]


def read(batches):
    return [[{k: v.numpy() for k, v in part.items()} for part in batch] for batch in batches.dataset()]


@pytest.mark.parametrize("image_major", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
def test_every_row_comes_once_with_its_own_image(examples, image_major, shuffle):
    seen = []
    for x, y, w in read(BatchedDataset(examples, 8, image_major, shuffle, seed=3)):
        images = x["image"]
        assert images.dtype == np.uint8 and x["text"].dtype == np.int32
        if image_major:
            images = np.repeat(images[:, None], x["text"].shape[1], axis=1)
        real = w["label"] > 0
        assert (x["text_present"] == real).all()
        seen += list(zip(x["text"][real].tolist(), images[real].mean((-3, -2)), y["label"][real], strict=True))
    assert len(seen) == len(examples)
    bank = examples.banks["image"].fetch(examples.arrays["image"])[0].numpy().mean((-3, -2))
    triples = zip(examples.arrays["text"].tolist(), bank, examples.labels["label"], strict=True)
    own = {tuple(text): (image, label) for text, image, label in triples}
    # The test's sentences end in a number, so that no two are equal unless their number is unknown to training.
    for text, image, label in seen:
        if 1 not in text:
            np.testing.assert_allclose(own[tuple(text)][0], image)
            assert own[tuple(text)][1] == label


def test_order_depends_on_seed_and_epoch_alone(examples):
    first, second = (BatchedDataset(examples, 8, True, shuffle=True, seed=1) for _ in range(2))
    assert (first.order(0) == second.order(0)).all()
    assert (first.order(0) != first.order(1)).any()
    assert (first.order(0) != BatchedDataset(examples, 8, True, shuffle=True, seed=2).order(0)).any()
    second.epoch = 1
    assert (next(iter(second.dataset()))[0]["text"].numpy().shape[0]) == (first.order(1)[0] >= 0).sum()


def test_an_epoch_can_be_entered_in_its_middle(examples):
    batches = BatchedDataset(examples, 4, shuffle=True, seed=1)
    batches.epoch = 2
    whole = read(batches)
    batches.first_step = 3
    rest = batches.dataset()
    assert len(whole) == batches.steps and rest.cardinality() == batches.steps - 3
    for (x, y, _), (expected, label, _) in zip(rest, whole[3:], strict=True):
        np.testing.assert_array_equal(x["image"], expected["image"])
        np.testing.assert_array_equal(x["text"], expected["text"])
        np.testing.assert_array_equal(y["label"], label["label"])
    batches.first_step = 0
    assert len(read(batches)) == batches.steps
    batches.first_step = batches.steps
    with pytest.raises(ValueError, match=rf"\[0, {batches.steps}\)"):
        batches.dataset()


def test_keras_fits_the_rest_of_an_epoch_and_then_whole_ones(examples):
    model = kf.create_model("text_only", examples.schema, units=4)
    model.compile("sgd", {"label": "binary_crossentropy"}, steps_per_execution=2)
    examples = examples.with_features(kf.Schema(examples.schema.of_kind("text"), examples.schema.tasks))
    batches = BatchedDataset(examples, 4, shuffle=True)
    batches.first_step = 3
    model.fit(batches.dataset(), initial_epoch=1, epochs=2, shuffle=False, verbose=0)
    assert int(model.optimizer.iterations) == batches.steps - 3
    batches.first_step = 0
    model.fit(batches.dataset(), initial_epoch=2, epochs=4, shuffle=False, verbose=0)
    assert int(model.optimizer.iterations) == 3 * batches.steps - 3


def test_grouping_pads_and_splits_long_groups():
    index = np.array([5, -1, 5, 2, -1] + [7] * (MOST_TEXTS + 2))
    grouped = _group_by_image(index)
    rows = sorted(sorted(row[row >= 0].tolist()) for row in grouped)
    assert rows == [[0, 2], [1], [3], [4], list(range(5, 5 + MOST_TEXTS)), [5 + MOST_TEXTS, 6 + MOST_TEXTS]]


def test_no_rows(examples):
    with pytest.raises(ValueError, match="no rows"):
        BatchedDataset(examples.take(np.array([], int)))


def test_a_missing_image_is_zeros_and_absent(examples):
    examples.arrays["image"][0] = -1
    x, _, _ = read(BatchedDataset(examples, 4))[0]
    assert x["image_present"].tolist() == [False, True, True, True]
    assert not x["image"][0].any() and x["image"][1].any()


def test_images_too_many_for_memory_are_decoded_as_they_come(examples):
    bank = examples.banks["image"]
    small = kf.data.ImageStore([*bank.keys, "/no/such.png"], bank.size, memory_limit=0)
    assert not small.in_memory
    index = np.array([2, -1, 0, len(bank.keys)], "int32")
    pixels, ok = small.fetch(index)
    assert ok.numpy().tolist() == [True, False, True, False]
    np.testing.assert_array_equal(pixels[:3], bank.fetch(index[:3])[0])
