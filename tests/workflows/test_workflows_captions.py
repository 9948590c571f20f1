"""Captions from the table to the run, its page and its export."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from tables import caption_table

import kerasfusion as kf
from kerasfusion import cli
from kerasfusion.evaluation.captions import generate_captions
from kerasfusion.serving import CApiSession

SMALL = {"image_encoder": {"name": "small_cnn", "filters": (8,)}, "units": 16, "dropout": 0.0}
CONFIG = kf.training.TrainingConfig(epochs=12, patience=None, batch_size=16, learning_rate=2e-2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("captions")
    split = ["train", "train", "test", "validation"] * 15
    caption_table(folder).assign(split=np.repeat(split, 2)).to_csv(folder / "captions.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def data(folder):
    return kf.data.load(folder / "captions.csv", image="photo", label="caption", problem_type="captioning")


@pytest.fixture(scope="module")
def run(folder, data):
    return kf.train(data, None, folder / "run", CONFIG, **SMALL)


@pytest.mark.slow
def test_a_run_writes_what_it_learned(folder, run):
    assert run.config["model"] == run.metrics["model"] == "caption_attend"
    history = pd.read_csv(run.path / "history.csv")
    assert history["epoch"].tolist() == list(range(1, CONFIG.epochs + 1))
    assert history["loss"].iloc[-1] < history["loss"].iloc[0] / 2 and history["val_accuracy"].iloc[-1] > 0.6
    assert {p.name for p in run.path.iterdir()} >= {"schema.json", "config.json", "model.keras", "history.csv"}
    figures = {"learning_curves.png", "comparison.png", "examples.png", "looked_at.png"}
    assert {p.name for p in (run.path / "figures").iterdir()} == figures
    found = json.loads((run.path / "metrics.json").read_text())["tasks"]["caption"]
    assert found == json.loads(json.dumps(run.metrics["tasks"]["caption"]))
    assert set(found["scores"]) > {"majority", "nearest neighbor"}
    assert found["verdict"].startswith("caption: caption_attend CIDEr ")
    # One of few sentences, and mostly the right one: crimson for a red sky, and what is below.
    test = kf.workflows.load_run_data(run).splits["test"]
    written = run.predict([{"photo": photo} for photo in test.frame["photo"]], folder)["caption"].tolist()
    own = [said.rsplit(" ", 1)[0] for said in test.frame["caption"]]
    assert np.mean([one.rsplit(" ", 1)[0] == said for one, said in zip(written, own, strict=True)]) > 0.5
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert written[0] in page and "nearest neighbor" in page and "BLEU" in page
    assert "late average" not in page and "Confusion" not in page


@pytest.mark.slow
def test_another_table_is_scored_and_captioned_alike(run, tmp_path):
    table = caption_table(tmp_path, images=8, seed=1)
    table.to_csv(tmp_path / "other.csv", index=False)
    reports, _ = kf.evaluate(run, tmp_path / "other.csv", page=tmp_path / "page.html")
    assert len(reports["caption"].rows) == 8 and len(reports["caption"].references[0]) == 2
    found = run.predict([{"photo": "photos/0.png"}, {"photo": "gone.png"}], tmp_path)
    assert found["caption"][0] == next(iter(reports["caption"].captions.values()))[0]
    assert found["image_ok"].tolist() == [True, False]
    arguments = ["predict", run.path, tmp_path / "other.csv", "--output", tmp_path / "said.csv"]
    said = CliRunner().invoke(cli.app, [str(a) for a in arguments], env={"COLUMNS": "200"})
    assert said.exit_code == 0, said.output
    assert pd.read_csv(tmp_path / "said.csv")["predicted_caption"][0] == found["caption"][0]


@pytest.mark.slow
def test_the_export_is_verified_and_says_the_same(folder, run, tmp_path):
    version = kf.export(run, tmp_path / "served")
    report = kf.verify(version)
    assert report.ok, report
    test = kf.workflows.load_run_data(run).splits["test"].take(range(4))
    with CApiSession(version) as session:
        found = session.run(
            "serving_default", {"image_bytes": [(folder / p).read_bytes() for p in test.frame["photo"]]}
        )
    assert [caption.decode() for caption in found["caption"]] == generate_captions(run.model, test)


def test_what_is_for_labels_is_refused(data, tmp_path):
    run = kf.training.Run(tmp_path, data.schema, None, {}, {})
    for job, ask in {
        "compare": lambda: kf.compare(data),
        "tune": lambda: kf.tune(data),
        "robustness": lambda: kf.robustness(run),
    }.items():
        with pytest.raises(ValueError, match=f"{job} is for labels, and these are captions"):
            ask()
    with pytest.raises(ValueError, match="image_only is a model for label, and the data is for captioning"):
        kf.create_model("image_only", data.schema)
    with pytest.raises(ValueError, match="caption_lstm reads no text, so pretrained_embeddings would have no effect"):
        kf.train(data, "caption_lstm", tmp_path / "run", pretrained_embeddings="glove.txt")


def test_what_scores_is_asked_for_before_the_training(data, tmp_path, monkeypatch):
    def missing():
        raise ImportError("pip install 'kerasfusion[caption]'")

    monkeypatch.setattr("kerasfusion.evaluation.caption_scores.require_scorers", missing)
    with pytest.raises(ImportError, match="caption"):
        kf.train(data, "caption_lstm", tmp_path / "run")
    assert not (tmp_path / "run").exists()
