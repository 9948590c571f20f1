"""Scores of captions, what they have to beat, and their page."""

import dataclasses
import importlib.util
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from png import png_bytes

import kerasfusion as kf
from kerasfusion.data.profile import profile_splits
from kerasfusion.data.shapes_world import encode_png
from kerasfusion.evaluation import score_captions, score_rows
from kerasfusion.evaluation.caption_baselines import image_features, majority_caption, nearest_captions
from kerasfusion.evaluation.caption_report import caption_report, caption_rows, shown_images
from kerasfusion.evaluation.figures import words_looked_at
from kerasfusion.evaluation.html_report.captions import caption_details, captions, word_details
from kerasfusion.evaluation.html_report.parts import Parts
from kerasfusion.evaluation.html_report.profile import profile_section
from kerasfusion.evaluation.html_report.results import results
from kerasfusion.evaluation.html_report.serving import serving
from kerasfusion.evaluation.html_report.summary import verdicts
from kerasfusion.explain import NoFeatureMapError, explain_captions


def test_scores_by_hand():
    found = score_captions(["a b", "C, d!"], [["a b"], ["c d"]], known=["A b.", "x"])
    # Both unigrams and bigrams are the same, and there are no longer ones: (1 + 1 + 0 + 0) / 4, times ten.
    assert found.cider.value == found.cider.low == found.cider.high == pytest.approx(5)
    assert found.cider.n == 2
    assert found.bleu == pytest.approx((100, 100, 0, 0))
    assert (found.rouge_l, found.words, found.novel, found.length) == (1, 4, 0.5, 2)
    assert "tok:none" in found.signature and "smooth:none" in found.signature


def test_scores_of_captions_that_are_partly_right():
    found = score_captions(["a b c", "x y"], [["a c", "c"], ["p q r"]])
    # Clipped unigrams: 2 of 3 and 0 of 2; the lengths are 3 + 2, those of the nearest references 2 + 3.
    assert found.bleu[:2] == pytest.approx((40, 0))
    precision, recall = 2 / 3, 1
    assert found.rouge_l == pytest.approx(2.44 * precision * recall / (recall + 1.44 * precision) / 2)
    assert found.novel is None
    # Each of the references counts for half: of the first all of its words are said, of the second one word.
    rare = np.log(2)
    first = [2 * rare**2 / (np.sqrt(3) * np.sqrt(2) * rare**2), 0]
    second = [rare**2 / (np.sqrt(3) * rare * rare), 0]
    # Lengths are told by their bigrams, as in pycocoevalcap: 2 said, 1 and 0 in the references.
    lengths = [np.exp(-1 / 72), np.exp(-4 / 72)]
    cider = 10 * np.mean([sum(first) / 4 * lengths[0], sum(second) / 4 * lengths[1]])
    assert found.cider.value == pytest.approx(cider / 2)


def test_chinese_is_scored_by_character():
    found = score_captions(["红色的圆", "蓝色的方块"], [["红色的圆。"], ["绿色的方块"]])
    assert found.bleu[0] == pytest.approx(100 * 8 / 9) and found.length == 4.5


def test_what_cannot_be_scored_says_why(monkeypatch):
    with pytest.raises(ValueError, match=r"2 captions, 2 lists of references, 1 of them empty"):
        score_captions(["a", "b"], [["a"], []])
    with pytest.raises(ValueError, match="0 captions"):
        score_captions([], [])
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "sacrebleu" else find(name))
    with pytest.raises(ImportError, match=r"scored by sacrebleu: pip install 'kerasfusion\[caption\]'"):
        score_captions(["a"], [["a"]])


def test_baselines():
    assert majority_caption(["A dog!", "a cat", "a dog", "the cat", "a cat"]) == "a dog"
    features = np.array([[9.0, 1.0], [0.0, 0.1], [0.0, 0.0]])
    assert nearest_captions(features, np.array([[0.0, 5.0], [1.0, 0.0]]), ["up", "right"]) == ["right", "up", "up"]


@pytest.fixture(scope="module")
def data():
    """Images of one color each, two captions for the even ones; the words tell which."""
    rows, random = [], np.random.default_rng(0)
    for number in range(30):
        pixels = encode_png(np.tile(random.integers(0, 256, 3, dtype="uint8"), (16, 16, 1)))
        said = [f"image number {number} is <b>here</b>", f"see image {number} now"]
        rows.append({"photo": pixels, "caption": said[: 2 - number % 2], "hint": f"hint {number % 3}"})
    return kf.data.load(pd.DataFrame(rows), image="photo", label="caption", problem_type="captioning", image_size=16)


def written(part, task, wrong=0):
    """The references themselves, but for the first few."""
    references = caption_rows(part, task)[1]
    return [own[0] if place >= wrong else "nothing to see" for place, own in enumerate(references)]


def test_a_row_is_captioned_once_for_all_that_is_seen(data):
    (task,) = data.schema.tasks
    for part in data.splits.values():
        rows, references = caption_rows(part, task)
        shown = part.arrays["image"][rows]
        assert len(set(shown)) == len(shown) == len(set(part.arrays["image"]))
        captions = part.frame["caption"].to_numpy()
        for row, own in zip(rows, references, strict=True):
            assert own == captions[part.arrays["image"] == part.arrays["image"][row]].tolist()
    part = data.splits["train"]
    places = np.where(np.arange(len(part)) == 0, -1, part.arrays["image"])
    lost = dataclasses.replace(part, arrays={**part.arrays, "image": places})
    kept = (part.arrays["image"] == part.arrays["image"][0]).sum()
    assert len(caption_rows(lost, task)[0]) == len(caption_rows(part, task)[0]) - (kept == 1)


def test_of_one_image_with_several_texts_each_is_captioned():
    rows = [{"photo": png_bytes(n // 2), "caption": f"said {n}", "hint": f"hint {n}"} for n in range(24)]
    both = kf.data.load(
        pd.DataFrame(rows), image="photo", text="hint", label="caption", problem_type="captioning", image_size=16
    )
    part = both.splits["train"]
    rows, references = caption_rows(part, both.schema["caption"])
    assert len(rows) == len(part) and all(len(own) == 1 for own in references)


def test_the_report_says_whether_baselines_are_beaten(data):
    (task,) = data.schema.tasks
    train, test = data.splits["train"], data.splits["test"]
    seen, rows = caption_rows(train, task)[0], caption_rows(test, task)[0]
    features = (
        np.random.default_rng(0).normal(size=(len(seen), 8)),
        np.random.default_rng(1).normal(size=(len(rows), 8)),
    )
    found = caption_report({"mine": written(test, task)}, test, task, train, features)
    assert list(found.scores) == ["mine", "majority", "nearest neighbor"]
    assert found.standing == "beats" and found.scores["mine"].bleu[3] == pytest.approx(100)
    assert found.verdict.startswith("caption: mine CIDEr ") and f"BLEU-4 100.0, {len(rows)} images." in found.verdict
    assert found.scores["mine"].novel == 1 and found.scores["majority"].novel == 0
    assert found.scores["nearest neighbor"].novel == 0
    said = [own[0] for own in caption_rows(train, task)[1]]
    assert set(found.captions["nearest neighbor"]) <= set(said)
    assert found.answers["captions, mine"].tolist() == written(test, task)
    wrong = caption_report({"mine": ["nothing to see"] * len(rows)}, test, task, train)
    assert wrong.standing != "beats" and "the best baseline, majority" in wrong.verdict
    assert caption_report({"mine": written(test, task)}, test, task).standing == "alone"
    with pytest.raises(ValueError, match="nothing to score"):
        caption_report({"mine": []}, test.weighted(np.zeros(len(test), "float32")), task)


def test_the_page_and_the_rows_of_results(data):
    (task,) = data.schema.tasks
    test = data.splits["test"]
    found = caption_report({"mine": written(test, task, wrong=1)}, test, task, data.splits["train"])
    detail = json.loads(json.dumps(caption_details(found, test, count=2)))
    plain = json.loads(json.dumps({"kind": "caption", **found.to_dict()}))
    assert len(detail["images"]) == 2 and all(p["captions"]["mine"] for p in detail["images"])
    details = {"tasks": {"caption": detail}, "rows_of": "Rows.", "skipped": []}
    details["profile"] = profile_splits(data.splits)
    parts = Parts("t", data.schema, {}, {"tasks": {"caption": plain}}, details, [])
    page = results(parts)
    assert "<b>here" not in page and "&lt;b&gt;here" in page and page.count("<article") == 2
    assert "smooth:none" in page and "majority" in page and page.count("<img") == 2
    assert captions(plain, detail, "Rows.") in page
    served = serving(dataclasses.replace(parts, folder="runs/x", details={**details, "sample": {}}))
    assert "log_probability" in served and "&quot;signature_name&quot;: &quot;caption_sample&quot;" in served
    profile = profile_section(parts)
    assert "Captions: caption" in profile and "learns to write the first 6 of a text" in profile
    assert found.verdict.replace("'", "&#x27;") in verdicts(parts)
    metrics = {"tasks": {"caption": plain}, "model": "mine", "train_seconds": {"mine": 1.0}, "parameters": 5}
    rows = {(row["model"], row["metric"]): row["value"] for row in score_rows(metrics)}
    assert rows["mine", "BLEU-4"] == found.scores["mine"].bleu[3]
    assert rows["majority", "CIDEr"] == found.scores["majority"].cider.value
    assert rows["mine", "distinct words"] == found.scores["mine"].words


def test_models_write_and_are_scored(data):
    model = kf.models.captioner(data.schema, image_encoder="small_cnn", decoder="attention_lstm", units=8)
    train, test = data.splits["train"], data.splits["test"]
    found = kf.evaluation.evaluate_models({"mine": model}, test, train)["caption"]
    assert list(found.scores) == ["mine", "majority", "nearest neighbor"]
    assert len(found.captions["mine"]) == len(caption_rows(test, data.schema["caption"])[0])
    rows, references = caption_rows(train, data.schema["caption"])
    features = image_features(model, train, rows)
    assert nearest_captions(features, features, references) == references  # each is like none as like itself

    shown = explain_captions(model, found, test, count=2)
    assert [row["place"] for row in shown] == shown_images(found, 2).tolist()
    for row in shown:
        assert [one["word"] for one in row["maps"]] == found.captions["mine"][row["place"]].split()
        assert all(one["pixels"].shape == (16, 16, 3) and one["pixels"].dtype == np.uint8 for one in row["maps"])
    detail = json.loads(json.dumps(word_details(shown, found, test)))
    page = captions(found.to_dict(), {**caption_details(found, test), "looked_at": detail}, "")
    assert page.count("was looked at for") == sum(len(row["maps"]) for row in shown)
    assert shown_images(found, 3)[:2].tolist() == shown_images(found, 2).tolist()


def test_a_decoder_that_looks_nowhere_says_so(data):
    model = kf.models.captioner(data.schema, image_encoder="small_cnn", decoder="gru", units=8)
    test = data.splits["test"]
    found = caption_report({"mine": written(test, data.schema["caption"])}, test, data.schema["caption"])
    with pytest.raises(NoFeatureMapError, match="sees the image as one vector"):
        explain_captions(model, found, test)
    assert word_details("no map", found, test) == "no map"
    detail = {**caption_details(found, test), "looked_at": "no map"}
    assert "Not shown: no map" in captions(found.to_dict(), detail, "")


def test_maps_of_many_words_are_wrapped(tmp_path):
    pixels = np.zeros((4, 4, 3), "uint8")
    rows = [{"pixels": pixels, "maps": [{"word": "$a", "pixels": pixels}] * count} for count in (9, 1)]
    words_looked_at(rows, tmp_path / "words.png")
    with Image.open(tmp_path / "words.png") as drawn:
        assert drawn.size == (1320, 3 * 187)  # two lines of eight, and one
