"""The command line on a tiny table, from training to a verified export, as a user types it."""

import dataclasses
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from tables import color_table

import kerasfusion as kf
from kerasfusion import cli


def run(*arguments):
    return CliRunner().invoke(cli.app, [str(a) for a in arguments], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    """A folder with pets.csv, and the run and export made from it by the command line."""
    folder = tmp_path_factory.mktemp("pets")
    color_table(folder, rows=90).drop(columns="tags").to_csv(folder / "pets.csv", index=False)
    arguments = ["--image", "photo", "--text", "description", "--label", "fits", "--model", "classifier_text_cnn"]
    trained = run("train", folder / "pets.csv", *arguments, "--epochs", 2, "--output-dir", folder / "run")
    assert trained.exit_code == 0, trained.output
    return folder, trained.output


def test_training_prints_what_it_inferred_and_what_it_found(pets):
    folder, output = pets
    for said in ("--image-size", "16 x 16", "--sequence-length", "fits (binary)", "classifier_text_cnn", "text only"):
        assert said in output
    assert {p.name for p in (folder / "run").iterdir()} >= {
        "schema.json",
        "config.json",
        "model.keras",
        "history.csv",
        "metrics.json",
        "figures",
        "baselines",
    }
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    scores = metrics["tasks"]["label"]["scores"]
    assert next(iter(scores)) == "classifier_text_cnn"
    names = {"text only", "image only", "late average", "majority", "text lookup", "bag of words + linear model"}
    assert names <= set(scores)
    assert {p.name for p in (folder / "run/figures").iterdir()} == {
        "comparison.png",
        "confusion.png",
        "examples.png",
        "learning_curves.png",
        "looked_at.png",
        "reliability.png",
    }
    page = (folder / "run/report.html").read_text(encoding="utf-8")
    assert page.count("What the model looked at") == 1 and "Not shown:" not in page


def test_probabilities_are_calibrated_on_the_validation_split(pets):
    folder, output = pets
    loaded = kf.load(folder / "run")
    temperature = kf.models.get_heads(loaded.model)["label"].temperature
    assert temperature != 1 and f"temperature of label's probabilities: {temperature:.3g}" in output
    splits = kf.workflows.load_run_data(loaded).splits
    assert kf.evaluation.calibrate(loaded.model, splits["validation"])["label"] == pytest.approx(temperature)
    found = json.loads((folder / "run" / "metrics.json").read_text())["tasks"]["label"]["calibration"]
    assert found["temperature"] == temperature and found["rows"] == len(splits["test"])
    # What `predict` says of the class it decides for is the confidence that was measured.
    test = splits["test"].frame
    said = loaded.predict(test.assign(photo=[str(folder / photo) for photo in test["photo"]]), folder)
    right = (said["label"].to_numpy() == test["fits"].to_numpy()).mean()
    bins = [part for part in found["after"]["bins"] if part["count"]]
    mean = sum(part["count"] * part["confidence"] for part in bins) / len(test)
    assert said["label_probability"].mean() == pytest.approx(mean, abs=1e-5)
    assert sum(part["count"] * part["accuracy"] for part in bins) / len(test) == pytest.approx(right)


@pytest.mark.slow
def test_robustness_of_the_test_split_and_of_a_table(pets):
    folder, _ = pets
    done = run("robustness", folder / "run", "--num-severities", 2)
    assert done.exit_code == 0 and "words masked" in done.output and "late average" in done.output
    out = folder / "run" / "robustness"
    assert {p.name for p in out.iterdir()} == {"curves.csv", "summary.csv", "robustness.png", "report.html"}
    curves = pd.read_csv(out / "curves.csv")
    assert curves["model"].unique().tolist() == ["classifier_text_cnn", "image only", "text only", "late average"]
    scores = json.loads((folder / "run" / "metrics.json").read_text())["tasks"]["label"]["scores"]
    for line in curves[curves["degree"] == 0].itertuples():
        assert line.value == pytest.approx(scores[line.model]["value"]) and line.n == scores[line.model]["n"]
    pd.read_csv(folder / "pets.csv").head(8).to_csv(folder / "few.csv", index=False)
    # A run without baselines.
    alone = dataclasses.replace(kf.load(folder / "run"), path=folder / "few")
    found = kf.robustness(alone, folder / "few.csv", output_dir=folder / "few", num_severities=2)
    assert (found.curves["n"] == 8).all() and found.summary["effective"].isna().all()
    assert "few.csv" in (folder / "few" / "report.html").read_text()


@pytest.fixture(scope="module")
def exported(pets):
    """The folder of the run's export, which was exported to once before."""
    base = pets[0] / "saved_models" / "pets"
    (base / "1").mkdir(parents=True)
    exported = run("export", pets[0] / "run", base)
    assert exported.exit_code == 0, exported.output
    return base


def test_export_verifies_and_numbers_its_versions(exported, tmp_path):
    assert (exported / "2" / "saved_model.pb").exists()
    assert sorted(p.name for p in exported.iterdir()) == ["1", "2"]
    verified = run("verify", exported)
    assert verified.exit_code == 0 and "2: verified" in verified.output
    shutil.copytree(exported, tmp_path / "broken")
    (tmp_path / "broken" / "2" / "variables" / "variables.index").unlink()
    assert run("verify", tmp_path / "broken").exit_code == 1


def test_the_export_answers_like_the_run(pets, exported):
    folder, _ = pets
    loaded = kf.load(folder / "run")
    rows = pd.read_csv(folder / "pets.csv").head(5)
    rows["photo"] = [str(folder / p) for p in rows["photo"]]
    expected = loaded.predict(rows)
    with kf.serving.CApiSession(exported / "2") as session:
        answers = session.run(
            "serving_default",
            {
                "text": [t.encode() for t in rows["description"]],
                "image_bytes": [Path(p).read_bytes() for p in rows["photo"]],
            },
        )
    assert [label.decode() for label in answers["label"]] == expected["label"].tolist()
    np.testing.assert_allclose(answers["probabilities"].max(axis=1), expected["label_probability"], atol=1e-5)
    assert answers["image_ok"].all()


def test_predict_one_row_and_a_table(pets):
    folder, _ = pets
    one = run("predict", folder / "run", "--image", folder / "photos/0.png", "--text", "this is a red thing")
    assert one.exit_code == 0 and "label_probability" in one.output
    out = folder / "predicted.csv"
    assert run("predict", folder / "run", folder / "pets.csv", "--output", out).exit_code == 0
    predicted = pd.read_csv(out)
    assert len(predicted) == 90 and set(predicted["label"]) <= {"yes", "no"} and predicted["image_ok"].all()


def test_evaluate_another_table(pets):
    folder, _ = pets
    frame = pd.read_csv(folder / "pets.csv")
    frame.head(30).to_csv(folder / "test.csv", index=False)
    evaluated = run("evaluate", folder / "run", folder / "test.csv")
    assert evaluated.exit_code == 0 and "classifier_text_cnn" in evaluated.output
    reports, _ = kf.evaluate(folder / "run", folder / "test.csv")
    own = kf.load(folder / "run").predict(folder / "test.csv")["label"]
    assert reports["label"].scores["classifier_text_cnn"].value == pytest.approx(
        (own == frame["fits"].head(30)).mean()
    )


def test_images_outside_of_the_table_s_folder(pets):
    folder, _ = pets
    (folder / "below").mkdir()
    frame = pd.read_csv(folder / "pets.csv").head(30)
    frame.assign(photo="../" + frame["photo"]).to_csv(folder / "below/test.csv", index=False)
    for command in (("evaluate",), ("predict", "--output", folder / "below/out.csv")):
        line = (command[0], folder / "run", folder / "below/test.csv", *command[1:])
        refused = run(*line)
        assert isinstance(refused.exception, kf.data.DataError) and "--allow-external-paths" in str(refused.exception)
        allowed = run(*line, "--allow-external-paths")
        assert allowed.exit_code == 0, allowed.output
    assert pd.read_csv(folder / "below/out.csv")["image_ok"].all()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "{f}/none.csv"], "none.csv"),
        (["train", "{f}/pets.csv", "--label", "fitz"], "fits"),
        (
            ["train", "{f}/pets.csv", "--label", "fits", "--model", "clasifier_gated", "--output-dir", "{f}/x"],
            "classifier_gated",
        ),
        (
            ["train", "{f}/pets.csv", "--label", "fits", "--text", "description", "--output-dir", "{f}/run"],
            "--overwrite",
        ),
        (["predict", "{f}/run"], "--image"),
        (["export", "{f}/photos", "{f}/y"], "holds no trained model"),
        (["evaluate", "{f}/run", "{f}/photos.csv"], "photos.csv"),
        (["verify", "{f}/photos"], "photos"),
    ],
)
def test_mistakes_end_in_one_clear_message(pets, arguments, said, capfd, monkeypatch):
    folder, _ = pets
    monkeypatch.setattr(sys, "argv", ["kerasfusion", *(a.format(f=folder) for a in arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    captured = capfd.readouterr()
    assert ended.value.code == 2
    assert captured.err.startswith("Error:") and said in captured.err and "Traceback" not in captured.err


def test_help_does_not_wait_for_tensorflow():
    code = "import sys; from kerasfusion import cli; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    times = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "kerasfusion.cli", "--help"], check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    # Half a second on a quiet machine; this bound would still catch an import of TensorFlow (3 s and more).
    assert min(times) < 1.5


def test_list():
    assert "vqa_film" in run("list", "*film*").output and "classifier_sum" not in run("list", "*film*").output
    assert run("list", "nothing*").exit_code == 2


@pytest.mark.slow
def test_several_tasks_and_numbers_end_to_end(tmp_path):
    frame = color_table(tmp_path, rows=60)
    frame.attrs.update(folder=str(tmp_path))
    data = kf.data.load(
        frame, image="photo", text="description", numeric="age", label=["color", "tags", "shade", "fits"]
    )
    config = kf.training.TrainingConfig(epochs=1, batch_size=16)
    trained = kf.train(data, "classifier_concat", tmp_path / "run", config, units=8)
    assert {t: next(iter(r["scores"].values()))["name"] for t, r in trained.metrics["tasks"].items()} == {
        "color": "accuracy",
        "tags": "f1_micro",
        "shade": "mae",
        "fits": "accuracy",
    }
    assert {"numeric only", "late average"} <= set(trained.metrics["tasks"]["tags"]["scores"])
    report = kf.verify(kf.export(trained, tmp_path / "export"))
    assert report.ok, str(report)
