"""Pretrained word vectors from the command line to the model."""

import pytest
from click.testing import CliRunner
from tables import color_table

import kerasfusion as kf
from kerasfusion import cli


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pets")
    color_table(folder, rows=30).drop(columns="tags").to_csv(folder / "pets.csv", index=False)
    return folder / "pets.csv"


def test_the_flag_is_a_setting_of_the_model(pets, monkeypatch):
    given = []
    monkeypatch.setattr(cli, "_train", lambda data, model, out, recipe, **options: given.append((model, options)))
    arguments = ["train", str(pets), "--image", "photo", "--text", "description", "--label", "fits"]
    for more in ([], ["--model", "text_only", "--word-vectors", "glove.txt"]):
        answer = CliRunner().invoke(cli.app, [*arguments, *more])
        assert answer.exit_code == 0, answer.output
    (_, without), (model, options) = given
    assert "word_vectors" not in without
    assert model == "text_only" and options["word_vectors"] == "glove.txt"


def test_a_model_without_text_refuses_them(pets, tmp_path):
    data = kf.data.load(pets, image="photo", text="description", label="fits")
    with pytest.raises(ValueError, match="image_only reads no text, so word_vectors would have no effect"):
        kf.train(data, model="image_only", out=tmp_path / "run", word_vectors="glove.txt")
    assert not (tmp_path / "run").exists()
