"""A match from the table to the run, its page and its index."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from png import png_bytes
from tables import caption_table

import kerasfusion as kf
from kerasfusion import cli
from kerasfusion.data import DataError
from kerasfusion.serving import CApiSession
from kerasfusion.training import checkpoint

SMALL = {
    "text_encoder": "average",
    "image_encoder": {"name": "small_cnn", "filters": (8,), "flatten": True},
    "units": 16,
}
CONFIG = kf.training.TrainingConfig(epochs=12, patience=None, batch_size=16, learning_rate=1e-2)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The table's folder, and a run that was interrupted after two epochs and gone on with."""
    folder = tmp_path_factory.mktemp("captions")
    split = ["train", "train", "test", "validation"] * 15
    caption_table(folder).assign(split=np.repeat(split, 2)).to_csv(folder / "captions.csv", index=False)
    data = kf.data.load(folder / "captions.csv", image="photo", text="caption", problem_type="retrieval")
    before = checkpoint.Checkpoint.on_epoch_end

    def pressing(self, epoch, logs=None):
        self.interruption.asked = epoch == 1
        before(self, epoch, logs)

    with pytest.MonkeyPatch.context() as ctrl_c:
        ctrl_c.setattr(checkpoint.Checkpoint, "on_epoch_end", pressing)
        with pytest.raises(KeyboardInterrupt):
            kf.train(data, None, folder / "run", CONFIG, **SMALL)
    return folder, kf.train(data, None, folder / "run", CONFIG, resume=True, **SMALL)


def test_a_run_scores_both_directions_beside_chance(trained):
    folder, run = trained
    history = pd.read_csv(run.path / "history.csv")
    best = history["epoch"][history["val_recall"].argmax()]
    assert run.metrics["best_epoch"][run.metrics["model"]] == best
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert f"are those of epoch {best}, which had the highest recall" in page
    assert {p.name for p in run.path.iterdir()} >= {"schema.json", "config.json", "model.keras", "history.csv"}
    assert {p.name for p in (run.path / "figures").iterdir()} == {"learning_curves.png", "retrieval.png"}
    found = json.loads((run.path / "metrics.json").read_text())["tasks"]["match"]
    # Captions that several images share leave the right one to luck.
    assert found == run.metrics["tasks"]["match"] and found["standing"] in ("beats", "not significantly different")
    assert "R@1 text to image" in found["verdict"] and "(chance " in found["verdict"]
    test = kf.workflows.load_run_data(run).splits["test"]
    # The same figures from the model's own cosines, pair by pair.
    photos = test.frame["photo"].to_numpy(object)
    images = np.unique(photos)
    pairs = [{"photo": photo, "caption": caption} for caption in test.frame["caption"] for photo in images]
    cosines = run.predict(pairs, folder)["similarity"].to_numpy().reshape(len(test), len(images))
    own = photos[:, None] == images
    first = np.where(own, cosines, -2).max(axis=1)
    behind = (np.where(own, -2, cosines) > first[:, None]).sum(axis=1)
    text_to_image = found["directions"]["text to image"]
    assert text_to_image["recall"] == {str(k): pytest.approx((behind < k).mean()) for k in (1, 5, 10)}
    assert (text_to_image["queries"], text_to_image["gallery"]) == (len(test), len(images))
    sums = [sum(part["recall"].values()) for part in found["directions"].values()]
    assert found["rsum"] == pytest.approx(100 * sum(sums)) and found["rsum"] > 2 * found["chance_rsum"]


def test_the_page_shows_figures_and_queries(trained):
    _, run = trained
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert page.count('class="matches"') == 8 and 'class="found right' in page and "chance, text to image" in page
    assert "kerasfusion index" in page and "zero_shot" in page and "significantly different from chance" in page
    assert "late average" not in page and "Confusion" not in page and "Not shown" not in page


def test_another_table_is_scored_alike(trained, tmp_path):
    _, run = trained
    table = caption_table(tmp_path, images=8, seed=1)
    (tmp_path / "photos/alone.png").write_bytes(png_bytes(1))
    table.loc[len(table)] = {"photo": "photos/alone.png", "caption": None}
    table.to_csv(tmp_path / "other.csv", index=False)
    reports, _ = kf.evaluate(run, tmp_path / "other.csv", page=tmp_path / "page.html")
    found = reports["match"].directions
    # An image without a text is searched, and asks nothing.
    assert (found["text to image"].queries, found["text to image"].gallery) == (16, 9)
    assert (found["image to text"].queries, found["image to text"].gallery) == (8, 16)
    assert 'class="matches"' in (tmp_path / "page.html").read_text(encoding="utf-8")
    said = CliRunner().invoke(
        cli.app, ["evaluate", str(run.path), str(tmp_path / "other.csv")], env={"COLUMNS": "200"}
    )
    assert said.exit_code == 0 and "chance," in said.output


def test_half_a_pair_has_no_similarity(trained):
    folder, run = trained
    rows = [{"photo": "photos/0.png", "caption": "crimson over blue"}, {"photo": "photos/0.png", "caption": None}]
    found = run.predict([*rows, {"photo": None, "caption": "crimson over blue"}], folder)["similarity"]
    assert -1 <= found[0] <= 1 and found[1:].isna().all()


def test_it_was_interrupted_and_went_on(trained):
    _, run = trained
    history = pd.read_csv(run.path / "history.csv")
    assert history["epoch"].tolist() == list(range(1, CONFIG.epochs + 1))
    assert history["seconds"].is_monotonic_increasing and history["loss"].iloc[-1] < history["loss"].iloc[0] / 2


def test_what_is_for_labels_is_refused(trained):
    _, run = trained
    data = kf.workflows.load_run_data(run)
    for job, ask in {
        "compare": lambda: kf.compare(data),
        "tune": lambda: kf.tune(data),
        "robustness": lambda: kf.robustness(run),
    }.items():
        with pytest.raises(ValueError, match=f"{job} is for labels, and this is a match"):
            ask()
    with pytest.raises(ValueError, match="--no-evaluate"):
        kf.export(run, "nowhere", freeze=True)
    with pytest.raises(ValueError, match="classifier_gated is a model for label, and the data is for retrieval"):
        kf.train(data, "classifier_gated", run.path / "nothing")


@pytest.mark.slow
def test_a_folder_is_indexed_by_the_command_line(trained, tmp_path):
    folder, run = trained
    (tmp_path / "gallery/sub").mkdir(parents=True)
    for name in ("0.png", "sub/1.png", "2.png"):
        (tmp_path / "gallery" / name).write_bytes((folder / "photos" / name.split("/")[-1]).read_bytes())
    (tmp_path / "gallery/notes.txt").write_text("no image")
    (tmp_path / "gallery/.hidden.png").write_bytes(b"")
    arguments = ["index", run.path, tmp_path / "gallery", tmp_path / "served", "--k", 2]
    said = CliRunner().invoke(cli.app, [str(a) for a in arguments], env={"COLUMNS": "200"})
    assert said.exit_code == 0, said.output
    assert "Not indexed, 1 that cannot be read: notes.txt" in said.output
    encoded = [(folder / "photos" / name).read_bytes() for name in ("0.png", "1.png", "2.png")]
    with CApiSession(tmp_path / "served/1") as session:
        found = session.run("search_by_image", {"image_bytes": encoded})
        words = session.run("search", {"text": [b"crimson over blue here"]})
    assert found["ids"][:, 0].tolist() == [b"0.png", b"sub/1.png", b"2.png"] and found["scores"].shape == (3, 2)
    np.testing.assert_allclose(found["scores"][:, 0], 1, atol=1e-5)
    photos = [folder / "photos" / name for name in ("0.png", "1.png", "2.png")]
    rows = [{"photo": str(photo), "caption": "crimson over blue here"} for photo in photos]
    cosines = run.predict(rows, folder)["similarity"].to_numpy()
    np.testing.assert_allclose(words["scores"][0], np.sort(cosines)[::-1][:2], atol=1e-5)


def test_a_table_is_indexed_by_path_or_id(trained, tmp_path, monkeypatch):
    folder, run = trained
    indexed = []
    config = sys.modules["kerasfusion.workflows.index"]
    monkeypatch.setattr(config, "export_model", lambda *_, gallery: indexed.append(gallery) or tmp_path)
    # Two captions for each image, and each image once.
    _, left_out = kf.export_search_index(run, folder / "captions.csv", tmp_path)
    names = [name.decode() for name in indexed[0].ids.numpy()]
    assert names == [f"photos/{i}.png" for i in range(60)] and left_out == []
    assert indexed[0].k == 10 and indexed[0].columns.shape == (16, 60)
    table = pd.DataFrame({"photo": ["photos/3.png", "photos/4.png", "gone.png"], "sku": ["a7", "a7", "b1"]})
    table.to_csv(folder / "products.csv", index=False)
    _, left_out = kf.export_search_index(run, folder / "products.csv", tmp_path, id_column="sku", k=1)
    assert indexed[1].ids.numpy().tolist() == [b"a7", b"a7"] and left_out == ["b1"]
    np.testing.assert_allclose(indexed[1].columns.numpy(), indexed[0].columns.numpy()[:, 3:5], atol=1e-6)


def test_what_cannot_be_indexed_is_said(trained, tmp_path):
    folder, run = trained
    with pytest.raises(DataError, match=r"products.csv has no column 'name'"):
        pd.DataFrame({"photo": ["photos/3.png"]}).to_csv(folder / "products.csv", index=False)
        kf.export_search_index(run, folder / "products.csv", tmp_path, id_column="name")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds no files"):
        kf.export_search_index(run, tmp_path / "empty", tmp_path)
    (tmp_path / "empty/a.png").write_bytes(b"junk")
    with pytest.raises(DataError, match="none of 1 images can be read"):
        kf.export_search_index(run, tmp_path / "empty", tmp_path)
    with pytest.raises(DataError, match="row 1: the image has no name"):
        kf.export_search_index(run, pd.DataFrame({"photo": [(folder / "photos/0.png").read_bytes()]}), tmp_path)
