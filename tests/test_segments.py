"""Segments of a video as labels: from marks in a table to a head, its scores and the signature `summarize`."""

import itertools

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scipy.special import expit
from videos import moving_square, png

import kerasfusion as kf
from kerasfusion.data import BatchedDataset, DataError
from kerasfusion.data.tasks import encode_labels
from kerasfusion.encoders import FrameCNN
from kerasfusion.evaluation import choose_segments, rank_correlations, summary_f1
from kerasfusion.evaluation.scores import further_scores
from kerasfusion.heads import SegmentsHead, build_head
from kerasfusion.schema import Task
from kerasfusion.serving import CApiSession, reference
from kerasfusion.training.fit import shares_images

random = np.random.default_rng(0)


def column(*cells):
    return pd.DataFrame({"summary": list(cells)})


def test_marks_are_read_from_lists_and_texts():
    values, classes = encode_labels(column([0, 1, 1], "[1, 0, 0]", (True, False, True), None), "summary", "segments")
    np.testing.assert_array_equal(values, [[0, 1, 1], [1, 0, 0], [1, 0, 1], [np.nan] * 3])
    assert classes == ("0", "1", "2") and values.dtype == np.float32


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ([0, 1], r"row 2.*'summary'.*2 marks, where 3 are expected"),
        ([0, 1, 0.5], r"row 2.*'summary'.*holds no segments"),
        ([0, 1, "a"], "holds no segments"),
        ("yes", "holds no segments.*such as"),
        (7, "holds no segments"),
        ([], "holds no segments"),
    ],
)
def test_a_cell_that_holds_no_marks_is_named(cell, message):
    with pytest.raises(DataError, match=message):
        encode_labels(column([0, 1, 1], cell), "summary", "segments")


def test_marks_that_are_all_alike_teach_nothing():
    with pytest.raises(DataError, match="same marks"):
        encode_labels(column([0, 1], [0, 1]), "summary", "segments")


def test_marks_of_another_table_have_the_length_of_the_first():
    with pytest.raises(DataError, match="2 marks, where 3 are expected"):
        encode_labels(column([0, 1]), "summary", "segments", ("0", "1", "2"))


def test_one_layer_scores_every_frame():
    head = SegmentsHead(5)
    x = random.normal(size=(2, 5, 4)).astype("float32")
    logits = np.array(head(x))
    kernel, bias = (np.array(weight) for weight in head.weights)
    assert kernel.shape == (4, 1)
    np.testing.assert_allclose(logits, (x @ kernel + bias)[..., 0], rtol=1e-5)
    np.testing.assert_allclose(head.predictions(logits)["probabilities"], expit(logits), rtol=1e-5)
    again = SegmentsHead.from_config(head.get_config())
    again.build_from_config(head.get_build_config())
    again.set_weights(head.get_weights())
    np.testing.assert_allclose(again(x), logits)


def test_a_pooled_vector_gives_a_score_for_each_place_in_time():
    head = build_head(Task("label", "segments", "summary", classes=("0", "1", "2")))
    assert head(random.normal(size=(2, 4))).shape == (2, 3) and head.name == "head_label"
    labels, logits = np.array([[0.0, 1.0, 0.0]]), np.array([[1.0, 2.0, -3.0]])
    expected = np.log1p(np.exp([1.0, -2.0, -3.0])).mean()
    np.testing.assert_allclose(head.loss()(labels, logits), expected, rtol=1e-5)


def test_frames_and_segments_must_be_as_many():
    with pytest.raises(ValueError, match=r"8 frames cannot be scored as 5 segments.*frames=5"):
        SegmentsHead(5)(np.zeros((2, 8, 4), "float32"))


def test_the_knapsack_equals_trying_all_choices():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        scores, durations = rng.random(8), rng.integers(1, 9, 8)
        chosen = choose_segments(scores, 0.4, durations)
        capacity = int(0.4 * durations.sum() + 1e-9)
        choices = np.array(list(itertools.product([0, 1], repeat=8)))
        best = (choices @ scores)[choices @ durations <= capacity].max()
        assert chosen @ durations <= capacity
        assert scores[chosen].sum() == pytest.approx(best)


def test_segments_of_one_length_are_the_best_ones():
    assert choose_segments([0.2, 0.9, 0.1, 0.9, 0.3], 0.4).tolist() == [False, True, False, True, False]
    assert choose_segments(np.zeros(20), 0.15).sum() == 3
    assert choose_segments([1.0, 2.0, 3.0], 0.5, [2, 2, 2]).tolist() == [False, False, True]


def test_f1_counts_durations():
    found = summary_f1([True, True, False], [[True, False, True], [False, False, False]], [1, 2, 3])
    np.testing.assert_allclose(found, [2 / 7, 0])
    assert summary_f1([False], [[False]]).tolist() == [0]


def test_rank_correlations_have_ties_and_constants():
    tau, rho = rank_correlations([1, 2, 3, 4], [[1, 1, 2, 2], [4, 3, 2, 1], [5, 5, 5, 5]])
    np.testing.assert_allclose(tau, [4 / np.sqrt(6 * 4), -1, 0], rtol=1e-6)
    np.testing.assert_allclose(rho, [2 / np.sqrt(5), -1, 0], rtol=1e-6)
    assert not np.any(rank_correlations([1, 1, 1], [[1, 2, 3]]))


def test_scores_of_a_report():
    labels = np.array([[0, 1, 0], [1, 1, 0], [0, 0, 0]], "float32")
    probabilities = np.array([[0.1, 0.9, 0.2], [0.1, 0.2, 0.9], [0.1, 0.1, 0.1]])
    decided = (probabilities > 0.5).astype("float32")
    task = Task("label", "segments", "summary", classes=("0", "1", "2"))
    found = further_scores(task, labels, decided, {"probabilities": probabilities})
    # Of three pairs in each row, two have different labels; the third row has nothing to rank.
    tau = 2 / np.sqrt(3 * 2)
    assert found["kendall_tau"] == pytest.approx((tau - tau) / 2)


def test_choices_that_a_rounding_could_turn_are_not_compared():
    outputs = {
        "scores": np.array([[0.5, 0.500001, 0.1], [0.5, 0.9, 0.1], [0.2, 0.1, 0.3]]),
        "chosen": np.array([[False, True, False], [False, True, False], [False, False, False]]),
    }
    assert reference.too_close(outputs, {}, 1e-5)["chosen"].tolist() == [True, False, False]


@pytest.fixture(scope="module")
def table():
    """Squares that move to the right or left; each video is asked for its first or its last frames."""
    rng, rows = np.random.default_rng(1), []
    for number in range(12):
        video = [png(frame) for frame in moving_square(number % 2, rng, frames=4, side=16)]
        for query, marks in (("the beginning", [1, 0, 0, 0]), ("the end", [0, 0, 0, 1])):
            split = "train" if number < 8 else "validation" if number < 10 else "test"
            rows.append({"clip": video, "query": query, "summary": marks, "split": split})
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def data(table):
    roles = {"video": "clip", "text": "query", "label": "summary", "split": "split"}
    return kf.data.load(table, **roles, problem_type="segments", frames=4, image_size=16)


def test_batches_keep_the_queries_of_a_video_together(data):
    examples = data.splits["train"]
    for x, y, w in BatchedDataset(examples, 4, image_major=True).dataset():
        assert x["video"].shape == (2, 4, 16, 16, 3) and x["video_present"].shape == (2,)
        assert x["text"].shape[:2] == (2, 2) and x["text_present"].shape == (2, 2)
        assert y["label"].shape == (2, 2, 4) and w["label"].shape == (2, 2)
    assert shares_images(examples)


def summarizer(schema, **changes):
    keras.utils.set_random_seed(0)
    small = {"name": "average", "frame_encoder": {"name": "small_cnn", "filters": (4,)}}
    fusion = {"name": "token_transformer", "read_at": "video", "num_layers": 1}
    return kf.models.fusion_model(schema, "average", video_encoder=small, fusion=fusion, units=8, **changes)


def test_video_major_batches_give_the_plain_model_s_answers(data):
    model = summarizer(data.schema)
    together = kf.models.image_major(model, "video")
    (major, *_), *_ = BatchedDataset(data.splits["test"], 4, image_major=True).dataset()
    (plain, *_), *_ = BatchedDataset(data.splits["test"], 4).dataset()
    answers = np.array(model(plain)["label"])
    assert np.ptp(answers, axis=0).min() > 1e-4
    np.testing.assert_allclose(np.array(together(major)["label"]).reshape(4, 4), answers, atol=1e-5)


def test_the_words_of_one_row_change_its_frames_scores(data):
    model = summarizer(data.schema)
    (x, *_), *_ = BatchedDataset(data.splits["test"], 4).dataset()
    before = np.array(model(x)["label"])
    text = x["text"].numpy()
    text[0] = text[1]
    after = np.array(model({**x, "text": tf.constant(text)})["label"])
    assert np.abs(after[0] - before[0]).max() > 1e-4
    np.testing.assert_allclose(after[1:], before[1:], atol=1e-6)


def test_a_fusion_is_read_at_a_modality_that_is_there(data):
    with pytest.raises(ValueError, match=r"read_at must be one of \['text', 'video'\], not 'clip'"):
        kf.models.fusion_model(data.schema, "average", fusion={"name": "token_transformer", "read_at": "clip"})


@pytest.mark.slow
def test_summarize_takes_frames_gifs_and_nothing(data, tmp_path):
    model = summarizer(data.schema)
    raw = data.splits["test"].take(np.arange(4)).raw_inputs()
    version = kf.serving.export_model(model, data.schema, tmp_path / "summary", raw)
    report = kf.verify(version)
    assert report.ok, str(report)
    frames = raw["video_bytes"][0]
    inputs = {
        "video_bytes": [frames, frames, frames, frames, [b""] * 4, [b"junk"] * 4],
        "text": [raw["text"][0]] * 3 + [b""] + [raw["text"][0]] * 2,
        "share": np.array([0.25, 0.5, 0.0, 0.01, 0.5, 0.5], "float32"),
    }
    with CApiSession(version) as session:
        found = session.run("summarize", inputs)
        default = session.run("serving_default", {"video_bytes": [frames], "text": [raw["text"][0]]})
    assert found["chosen"].sum(axis=1).tolist() == [1, 2, 0, 1, 0, 0]
    assert found["video_ok"].tolist() == [True] * 4 + [False] * 2
    np.testing.assert_allclose(found["scores"][0], default["probabilities"][0], atol=1e-6)
    for scores, chosen in zip(found["scores"][:2], found["chosen"], strict=False):
        assert scores[chosen].min() >= scores[~chosen].max()


def test_convolutions_over_time_are_residual():
    encoder = FrameCNN(6, {"name": "small_cnn", "filters": (4,), "units": 5}, num_layers=2, kernel_size=3)
    frames = random.integers(0, 256, (2, 5, 8, 8, 3)).astype("uint8")
    found = {name: np.array(value) for name, value in encoder(frames).items()}
    flat = frames.reshape(-1, 8, 8, 3)
    tokens = np.array(encoder.entry(np.array(encoder.frame_encoder(flat)["pooled"]).reshape(2, 5, 5)))
    for layer in encoder.convolutions:
        around = np.pad(tokens, ((0, 0), (1, 1), (0, 0)))
        kernel, bias = np.array(layer.kernel), np.array(layer.bias)
        tokens = tokens + np.maximum(sum(around[:, k : k + 5] @ kernel[k] for k in range(3)) + bias, 0)
    np.testing.assert_allclose(found["sequence"], tokens, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["pooled"], np.maximum(tokens.mean(axis=1), 0), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_table_of_summaries_is_trained_and_reported(data, tmp_path):
    config = kf.training.TrainingConfig(epochs=1)
    run = kf.train(data, "mixed_gated", output_dir=tmp_path / "run", config=config, verbose=0)
    found = run.metrics["tasks"]["label"]
    assert next(iter(found["scores"].values()))["name"] == "f1_micro" and "kendall_tau" in found["further"]
    assert "bag of words + linear model" in found["scores"]
    assert "segment" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    answers = run.predict(pd.DataFrame({"clip": [data.splits["test"].frame["clip"].iloc[0]], "query": ["the end"]}))
    assert list(answers.columns) == ["label", "video_ok"] and answers["video_ok"].all()
