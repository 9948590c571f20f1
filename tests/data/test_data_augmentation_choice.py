import dataclasses

import numpy as np
import pytest
from tables import color_table

import kerasfusion as kf
from kerasfusion.data import BatchedDataset, choose_augmentation
from kerasfusion.preprocessing import Augmentation


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    frame = color_table(folder, rows=60)
    frame["description"] = [f"a thing in room {i}" for i in range(60)]
    frame["place"] = [("hall", "attic")[i % 2] for i in range(60)]
    frame["photo"] = frame["photo"].iloc[np.arange(60) // 3].to_numpy()  # three rows share an image
    frame.attrs.update(folder=str(folder))
    return frame


@pytest.fixture(scope="module")
def train(frame):
    return kf.data.load(frame, image="photo", text="description", label="place").splits["train"]


def said(frame, texts, **roles):
    roles = {"image": "photo", "text": "description", "label": "place", **roles}
    return choose_augmentation(kf.data.load(frame.assign(description=texts), **roles).splits["train"])


@pytest.mark.parametrize(
    ("word", "flip", "color"),
    [
        ("hall", True, True),
        ("left", False, True),
        ("LEFTMOST", False, True),
        ("bereft", True, True),
        ("western", False, True),
        ("links", False, True),
        ("a link", True, True),
        ("à gauche", False, True),
        ("izquierda", False, True),
        ("слева", False, True),
        ("在左边", False, True),
        ("右の", False, True),
        ("what is written", False, True),
        ("red", True, False),
        ("hundred", True, True),
        ("Grey", True, False),
        ("colours", True, False),
        ("rote", True, False),
        ("rotates", True, True),
        ("hello", True, True),
        ("hellen", True, False),
        ("красный", True, False),
        ("红色", True, False),
        ("the blue one on the right", False, False),
    ],
)
def test_words_decide(train, word, flip, color):
    train = train.take(np.arange(20))
    train.frame["description"] = ["nothing"] * 19 + [f"it is {word} there"]
    augmentation, reason = choose_augmentation(train)
    assert augmentation == Augmentation("light", flip, color)
    assert ("1 of 20 texts (text)" in reason) == (not (flip and color))


def test_the_most_frequent_word_is_named(frame):
    texts = [f"{('left', 'right', 'right')[i % 3]} of {i}" for i in range(60)]
    augmentation, reason = said(frame, texts)
    assert reason == (
        "no mirroring: 48 of 48 texts (text) have words like 'right'; other light: no text or class names a color"
    )
    assert not augmentation.flip


@pytest.mark.parametrize(
    ("label", "values", "reason"),
    [
        ("place", ["left lung", "liver"], "no mirroring: the class 'left lung' of 'label'"),
        ("place", list("bd"), "no mirroring: the classes of 'label' are single characters"),
        ("place", ["navy blue", "other"], "no other light: the class 'navy blue' of 'label'"),
        ("age", None, "no mirroring: 'label' is a number, which may change with it; no other light: 'label' is a n"),
        ("age", None, "; images are shifted all the same: leave augmentation out if 'label' is a position in them"),
    ],
)
def test_labels_decide(frame, label, values, reason):
    if values:
        frame = frame.assign(place=[values[i % 2] for i in range(60)])
    found = said(frame, frame["description"], label=label)[1]
    assert reason in found
    assert ("position" in found) == (label == "age")


def images(batches, epoch=0):
    """Entry -> its image, read in the order of the epoch's batches."""
    batches.epoch = epoch
    order = batches.order(epoch)
    found = {}
    for (x, *_), entries in zip(batches.dataset(), order[batches.first_step :], strict=True):
        assert x["image"].dtype == np.uint8
        found.update(zip(entries[entries >= 0].tolist(), x["image"].numpy(), strict=True))
    return found


@pytest.mark.parametrize("image_major", [False, True])
def test_every_epoch_has_its_own_images_and_can_be_repeated(train, image_major):
    batches, same, another = (
        BatchedDataset(train, 8, image_major, shuffle=True, seed=seed, augment=Augmentation("strong"))
        for seed in (3, 3, 4)
    )
    first, second, again, other = images(batches), images(batches, 1), images(same), images(another)
    assert len(first) == len(batches.entries)
    for entry, image in first.items():
        np.testing.assert_array_equal(image, again[entry])
    assert np.mean([(first[entry] != second[entry]).any() for entry in first]) > 0.9
    assert np.mean([(first[entry] != other[entry]).any() for entry in first]) > 0.9
    # Entered in its middle, the rest of the epoch is the same.
    batches.first_step = 2
    rest = images(batches)
    assert 0 < len(rest) < len(first)
    for entry, image in rest.items():
        np.testing.assert_array_equal(image, first[entry])


def test_rows_keep_their_texts_and_labels(train):
    plain, changed = (BatchedDataset(train, 8, shuffle=True, augment=a) for a in (None, Augmentation()))
    for (x, y, w), (x2, y2, w2) in zip(plain.dataset(), changed.dataset(), strict=True):
        np.testing.assert_array_equal(x["text"], x2["text"])
        np.testing.assert_array_equal(y["label"], y2["label"])
        np.testing.assert_array_equal(w["label"], w2["label"])
        assert x["image"].shape == x2["image"].shape and (x["image"] != x2["image"]).numpy().any()


def test_a_missing_image_stays_zeros(train):
    train = train.take(np.arange(12))
    train.arrays["image"][4] = -1
    ((x, _, _),) = BatchedDataset(train, 12, augment=Augmentation("strong")).dataset()
    assert x["image_present"].numpy().tolist() == [i != 4 for i in range(12)]
    assert not x["image"][4].numpy().any() and x["image"][5].numpy().any()


@pytest.mark.parametrize(("word", "flips"), [("left", False), ("there", True)])
def test_no_image_is_mirrored_where_a_text_has_a_side(train, word, flips):
    """Images that are white on their left half: over 10 epochs the left half stays the lighter one."""
    train = train.take(np.arange(24))
    train.frame["description"] = f"a thing {word}"
    half = np.zeros((16, 16, 3), np.uint8)
    half[:, :8] = 255

    class Bank:
        def fetch(self, index):
            return np.repeat(half[None], 24, axis=0), np.ones(24, bool)

    train = dataclasses.replace(train, banks={"image": Bank()})
    augmentation, _ = choose_augmentation(train, "strong")
    batches = BatchedDataset(train, 24, augment=augmentation)
    mirrored = []
    for epoch in range(10):
        found = np.stack(list(images(batches, epoch).values())).astype(float)
        left, right = np.split(found.mean(axis=(1, 3)), 2, axis=1)
        mirrored += (left.mean(axis=1) < right.mean(axis=1)).tolist()
    assert np.mean(mirrored) == (0 if not flips else pytest.approx(0.5, abs=0.15))


def test_without_images_there_is_nothing_to_augment(frame):
    data = kf.data.load(frame, image=[], text="description", label="place")
    with pytest.raises(ValueError, match="no images to augment"):
        choose_augmentation(data.splits["train"])


def test_fit_augments_the_training_batches_alone(frame, tmp_path, monkeypatch):
    """By the texts of all features, also for a model without images."""
    data = kf.data.load(
        frame.assign(description=[f"left of room {i}" for i in range(60)]),
        image="photo",
        text="description",
        label="place",
    )
    seen = {}
    own = BatchedDataset.__init__

    def watched(self, *args, **options):
        own(self, *args, **options)
        seen[self.shuffle] = self.augment

    monkeypatch.setattr(BatchedDataset, "__init__", watched)
    model = kf.create_model("text_only", data.schema, units=4)
    config = kf.training.TrainingConfig(epochs=1, augmentation="strong")
    kf.training.fit(model, data.splits["train"], data.splits["validation"], config, tmp_path)
    assert seen == {True: Augmentation("strong", flip=False), False: None}
    with pytest.raises(ValueError, match="augmentation must be None or one of light, strong"):
        kf.training.TrainingConfig(augmentation="wild")
