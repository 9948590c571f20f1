"""Pretrained word vectors and image networks from the command line to the model."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from tables import color_table

import kerasfusion as kf
from kerasfusion import cli
from kerasfusion.evaluation.results import read_results


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pets")
    color_table(folder, rows=30).drop(columns="tags").to_csv(folder / "pets.csv", index=False)
    return folder / "pets.csv"


def test_the_options_are_settings_of_the_model(pets, monkeypatch):
    given = []
    monkeypatch.setattr(
        cli.train, "train_and_show", lambda data, model, out, config, **options: given.append((model, options))
    )
    arguments = ["train", str(pets), "--image", "photo", "--text", "description", "--label", "fits"]
    for more in (
        [],
        ["--model", "text_only", "--pretrained-embeddings", "glove.txt"],
        ["--model", "classifier_mobilenet", "--image-weights", "imagenet"],
    ):
        answer = CliRunner().invoke(cli.app, [*arguments, *more])
        assert answer.exit_code == 0, answer.output
    (_, without), (_, words), (model, looks) = given
    assert not {"pretrained_embeddings", "image_weights"} & set(without)
    assert words["pretrained_embeddings"] == "glove.txt" and "image_weights" not in words
    assert model == "classifier_mobilenet" and looks["image_weights"] == "imagenet"


def test_a_runs_scores_join_those_of_others(pets, tmp_path, monkeypatch):
    def metrics(value):
        score = {"name": "accuracy", "value": value, "low": 0.1, "high": 0.9, "n": 3}
        tasks = {"fits": {"type": "binary", "scores": {"text_only": score}, "by_kind": {}}}
        return {"model": "text_only", "parameters": 7, "train_seconds": {"text_only": 1.5}, "tasks": tasks}

    file = tmp_path / "figures.csv"
    columns = ["--image", "photo", "--text", "description", "--label", "fits"]
    for name, value in (("text_only", 0.25), ("image_only", 0.5), ("text_only", 0.75)):
        run = SimpleNamespace(config={"model": name}, metrics=metrics(value))
        monkeypatch.setattr(cli.train, "train_and_show", lambda *given, run=run, **options: run)
        answer = CliRunner().invoke(cli.app, ["train", str(pets), *columns, "--results", str(file)])
        assert answer.exit_code == 0, answer.output
    # Another model's rows stay, the same model's are replaced.
    rows = [(row["experiment"], row["metric"], float(row["value"])) for row in read_results(file)]
    assert rows == [
        (f"{name}, pets.csv", metric, value)
        for name, accuracy in (("image_only", 0.5), ("text_only", 0.75))
        for metric, value in (("accuracy", accuracy), ("training seconds", 1.5), ("parameters", 7))
    ]


@pytest.mark.parametrize(
    "model, pretrained, message",
    [
        (
            "image_only",
            {"pretrained_embeddings": "glove.txt"},
            "image_only reads no text, so pretrained_embeddings would have no effect",
        ),
        (
            "text_only",
            {"image_weights": "imagenet"},
            "text_only reads no image, so image_weights would have no effect",
        ),
        (
            "classifier_gated",
            {"image_weights": "imagenet"},
            r"there are none for residual_cnn, but for .*mobilenet_v2.* such as classifier_mobilenet",
        ),
        (
            "classifier_mobilenet",
            {"image_weights": "none.h5"},
            r"must be None, 'imagenet' or a file; there is no none",
        ),
    ],
)
def test_where_they_have_no_place(pets, tmp_path, model, pretrained, message):
    data = kf.data.load(pets, image="photo", text="description", label="fits")
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        kf.train(data, model=model, output_dir=tmp_path / "run", **pretrained)
    assert not (tmp_path / "run" / "model.keras").exists()


def test_every_kind_of_model_starts_from_them(schema_for, tmp_path):
    schema = schema_for("dual_gru_mobilenet")
    words = schema.of_kind("text")[0].vocabulary
    (tmp_path / "vectors.txt").write_text("".join(f"{word} 1 2 3 4\n" for word in words))
    network = keras.applications.MobileNetV2(alpha=0.35, include_top=False, weights=None, input_shape=(32, 32, 3))
    network.save_weights(tmp_path / "look.weights.h5")
    model = kf.create_model(
        "dual_gru_mobilenet",
        schema,
        text_encoder={"name": "average", "embedding_dim": 4},
        units=4,
        pretrained_embeddings=str(tmp_path / "vectors.txt"),
        image_weights=str(tmp_path / "look.weights.h5"),
    )
    ours = [weight for weight in model.get_layer("encode_image").weights if weight.path.endswith("Conv1/kernel")]
    np.testing.assert_array_equal(ours[0], network.get_layer("Conv1").kernel)
    assert not ours[0].trainable
    (table,) = (weight for weight in model.get_layer("encode_text").weights if "embeddings" in weight.path)
    np.testing.assert_array_equal(np.array(table)[-1], [1, 2, 3, 4])
