"""What a teacher says reaches its student, row by row, and nothing of the teacher stays."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from tables import color_table

import kerasfusion as kf
from kerasfusion.layers import BilinearKnowledge
from kerasfusion.losses import DistillationLoss
from kerasfusion.models import fusion_model, image_major
from kerasfusion.transfer import distill, feature_extractor
from kerasfusion.transfer.distillation import FEATURES

IMAGE = {"name": "small_cnn", "filters": (4,)}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("colors")
    table = color_table(folder)[["photo", "description", "color"]]
    # The text says which color the image has.
    table["description"] = "a " + table["color"] + " thing"
    table["split"] = ["train"] * 40 + ["validation"] * 10 + ["test"] * 10
    table.attrs.update(folder=str(folder))
    return kf.data.load(table, image="photo", text="description", label="color", split="split", image_size=16)


def network(schema, **changes):
    return fusion_model(schema, **{"text_encoder": "average", "image_encoder": IMAGE, "units": 8, **changes})


def outputs(model, examples):
    """What it gives for all rows, without the cost of `predict`."""
    features = [feature for feature in examples.schema.features if feature.name in model.input]
    examples = examples.with_features(kf.Schema(features, examples.schema.tasks))
    (x, *_) = next(iter(kf.data.BatchedDataset(examples, len(examples)).dataset()))
    return {task: np.array(found) for task, found in model(x).items()}


def test_soft_targets_by_hand():
    teacher, student = np.array([[2.0, 0.0], [0.0, 0.0]]), np.array([[0.0, 2.0], [0.0, 0.0]])
    p = np.exp([1.0, 0.0]) / np.exp([1.0, 0.0]).sum()
    expected = 4 * (p[0] * np.log(p[0] / p[1]) + p[1] * np.log(p[1] / p[0]))
    np.testing.assert_allclose(DistillationLoss(2.0, reduction=None)(teacher, student), [expected, 0.0], rtol=1e-5)
    loss = DistillationLoss(2.0)
    np.testing.assert_allclose(loss(teacher, student, np.array([1.0, 0.0])), expected, rtol=1e-5)
    # A tag by itself: 2 is a choice of two with these odds. Of several tags it is the mean.
    for tags in (1, 2, 20):
        pairs = np.zeros((1, tags)), np.zeros((1, tags))
        pairs[0][0, 0], pairs[1][0, 0] = 2.0, -2.0
        np.testing.assert_allclose(
            DistillationLoss(2.0, mutually_exclusive=False)(*pairs), expected / tags, rtol=1e-5
        )
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert (again.temperature, again.mutually_exclusive) == (2.0, True)
    with pytest.raises(ValueError, match="above 0, not 0"):
        DistillationLoss(0)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_a_teacher_weighs_what_labels_weigh(kind):
    """A teacher that is as sure as labels are gives their gradient at T = 1, whatever the number of classes."""
    random = np.random.default_rng(0)
    count = 1 if kind == "binary" else 20
    student = keras.Variable(random.normal(size=(8, count)).astype("float32"))
    if kind == "multiclass":
        labels = random.integers(0, count, 8)
        sure = 40.0 * np.eye(count)[labels]
        head = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    else:
        labels = random.integers(0, 2, (8, count)).astype("float32")
        sure = 40.0 * (2 * labels - 1)
        head = keras.losses.BinaryCrossentropy(from_logits=True)
    gradients = []
    for loss, target in ((head, labels), (DistillationLoss(1.0, mutually_exclusive=kind == "multiclass"), sure)):
        with tf.GradientTape() as tape:
            cost = loss(target, student)
        gradients.append(tape.gradient(cost, student.value))
    np.testing.assert_allclose(*gradients, atol=1e-6)


def test_an_image_only_student_learns_without_labels_from_a_teacher_that_reads(data, tmp_path):
    train, validation, test = (data.splits[name] for name in ("train", "validation", "test"))
    teacher = network(data.schema.only("text"))
    # It knows the three sentences by heart.
    sentences = outputs(feature_extractor(teacher, "fusion"), train)["features"]
    kernel = np.linalg.pinv(sentences) @ (4 * np.eye(3)[train.labels["label"]] - 1)
    teacher.get_layer("head_label").set_weights([kernel, np.zeros(3)])
    # No row has a label, so all that the student can know comes from the teacher.
    splits = [dataclasses.replace(s, weights={"label": 0 * s.weights["label"]}) for s in (train, validation)]
    student = network(data.schema.only("image"))
    paths = [weight.path for weight in student.weights]
    twin, splits = distill(student, teacher, splits, features=("encode_image", "fusion"))
    said = outputs(teacher, train)["label"]
    np.testing.assert_allclose(splits[0].labels["label_by_teacher"], said, atol=1e-5)
    np.testing.assert_array_equal(said.argmax(axis=1), train.labels["label"])
    np.testing.assert_allclose(splits[0].labels[FEATURES], sentences, atol=1e-5)
    assert {task.name: task.weight for task in splits[0].schema.tasks} == {
        "label": 0.5,
        "label_by_teacher": 0.5,
        FEATURES: 0.5,
    }
    before = outputs(student, test)["label"].argmax(axis=1) == test.labels["label"]
    config = kf.training.TrainingConfig(epochs=4, batch_size=2, learning_rate=0.03, patience=None)
    cost = kf.training.fit(twin, *splits, config, tmp_path / "student")
    after = outputs(student, test)["label"].argmax(axis=1) == test.labels["label"]
    assert before.mean() < 0.8 and after.mean() == 1.0
    first, last = cost["history"][0], cost["history"][-1]
    assert last["label_by_teacher_loss"] < 0.2 * first["label_by_teacher_loss"]
    assert last[f"{FEATURES}_loss"] < first[f"{FEATURES}_loss"]
    # An ordinary model.
    assert [weight.path for weight in student.weights] == paths and set(student.output) == {"label"}
    student.save(tmp_path / "student.keras")
    again = keras.saving.load_model(tmp_path / "student.keras")
    np.testing.assert_array_equal(outputs(again, test)["label"], outputs(student, test)["label"])


def test_batches_of_images_with_several_texts(data):
    """The twin of the twin: rows of one image each, and those with their images kept together."""
    student, teacher = network(data.schema), network(data.schema)
    twin, (rows,) = distill(student, teacher, [data.splits["test"]])
    assert sorted(twin.heads) == ["label", "label_by_teacher"]
    one = next(iter(kf.data.BatchedDataset(rows, 10).dataset()))
    together = next(iter(kf.data.BatchedDataset(rows, 10, image_major=True).dataset()))
    assert together[1]["label_by_teacher"].shape == (10, 1, 3)
    np.testing.assert_array_equal(together[1]["label_by_teacher"][:, 0], one[1]["label_by_teacher"])
    np.testing.assert_allclose(
        image_major(twin)(together[0])["label_by_teacher"][:, 0], student(one[0])["label"], rtol=1e-5, atol=1e-6
    )


def test_classes_go_by_their_names(data):
    other = dataclasses.replace(data.schema["label"], classes=data.schema["label"].classes[::-1])
    schema = kf.Schema(data.schema.features, (other,))
    teacher = network(schema)
    _, (rows,) = distill(network(data.schema), teacher, [data.splits["test"]], schema)
    said = outputs(teacher, data.splits["test"])["label"]
    np.testing.assert_allclose(rows.labels["label_by_teacher"], said[:, ::-1], atol=1e-5)


def test_what_cannot_be_distilled(data):
    student, splits = network(data.schema), [data.splits["test"]]
    label = data.schema["label"]

    def refused(match, teacher_schema, rows=splits, **options):
        with pytest.raises(ValueError, match=match):
            distill(student, network(teacher_schema), rows, teacher_schema, **options)

    def schema(**changes):
        return kf.Schema(data.schema.features, (dataclasses.replace(label, **changes),))

    refused(
        r"'label' \(multiclass\) of the teacher differs .* Classes that only the student has: \['red'\]; "
        r"only the teacher: \['pink'\]",
        schema(classes=("blue", "green", "pink")),
    )
    refused(
        r"with the tasks other \(multiclass\) shares no task with a student of label \(multiclass\)",
        schema(name="other"),
    )
    refused(
        r"needs 'text' \(text\), which the rows lack",
        data.schema,
        [splits[0].with_features(data.schema.only("image"))],
    )
    refused(r"alpha must be in \(0, 1\]. Received: alpha=0", data.schema, alpha=0)
    refused("has no layer 'fusoin'. Did you mean 'fusion'", data.schema, features=("fusion", "fusoin"))


def test_bilinear_knowledge_by_hand():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(3, 4)).astype("float32"), random.normal(size=(5, 2)).astype("float32")
    layer = BilinearKnowledge(6, hidden_dim=7)
    assert layer([x, y]).shape == (3, 5)
    f, g, h_x, h_y, bias, out = weights = [random.normal(size=w.shape) for w in layer.get_weights()]
    layer.set_weights(weights)
    expected = [
        [(x[i] @ f) @ (y[j] @ g) + np.tanh(x[i] @ h_x + y[j] @ h_y + bias) @ out[:, 0] for j in range(5)]
        for i in range(3)
    ]
    np.testing.assert_allclose(layer([x, y]), expected, rtol=1e-4, atol=1e-5)
    again = BilinearKnowledge.from_config(layer.get_config())
    again.build([(None, 4), (None, 2)])
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again([x, y]), layer([x, y]))
    plain = BilinearKnowledge(6, hidden_dim=0)
    assert [len(w.shape) for w in plain.weights] == [] and plain([x, y]).shape == (3, 5) and len(plain.weights) == 2
