"""Columns of videos, from a table to a served answer."""

import dataclasses
import json
import sys

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from click.testing import CliRunner
from videos import gif, gray_frames, moving_square, png, write_video

import kerasfusion as kf
from kerasfusion import cli
from kerasfusion.data import BatchedDataset, DataError
from kerasfusion.data.features.video import VideoFiles
from kerasfusion.data.video_files import read_frames, read_video_header
from kerasfusion.data.video_store import VideoStore
from kerasfusion.evaluation.features.video import blacken, freeze
from kerasfusion.evaluation.frozen_features import frozen_features
from kerasfusion.preprocessing.features.video import EncodedFrames
from kerasfusion.serving.metadata import read_metadata

LEVELS = (0, 40, 80, 120, 160, 200)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Every kind of cell: the same six frames as files, in a folder, as a GIF, as MP4 and AVI."""
    path = tmp_path_factory.mktemp("videos")
    frames = gray_frames(LEVELS, (16, 16))
    (path / "frames").mkdir()
    for number, frame in enumerate(frames):
        (path / f"{number}.png").write_bytes(png(frame))
        # Sorted by name, the tenth would come before the ninth.
        (path / "frames" / f"frame_{number + 8}.png").write_bytes(png(frame))
    animation = gif(frames)
    (path / "clip.gif").write_bytes(animation)
    write_video(path / "clip.mp4", frames, "libx264")
    write_video(path / "clip.avi", frames)
    (path / "broken.mp4").write_bytes((path / "clip.mp4").read_bytes()[:200])
    # Its header is whole, and its first frame is not.
    (path / "broken.gif").write_bytes(animation[: animation.index(0x2C) + 14])
    (path / "empty.mp4").write_bytes(b"")
    (path / "nothing").mkdir()
    return path


def load(folder, cells, **settings):
    frame = pd.DataFrame({"clip": cells, "label": (["a", "b"] * len(cells))[: len(cells)]})
    frame.attrs["folder"] = str(folder)
    return kf.data.load(frame, video="clip", label="label", text=[], image=[], **settings)


def levels(data_or_examples, column="video"):
    """Gray levels of each row's frames."""
    bank, places = data_or_examples.banks[column], data_or_examples.arrays[column]
    frames, present = bank.fetch(places)
    return frames.numpy().mean(axis=(2, 3, 4)).round().astype(int).tolist(), present.numpy().tolist()


def rows(folder, cells, schema):
    frame = pd.DataFrame({"clip": cells})
    frame.attrs["folder"] = str(folder)
    return kf.data.load_rows(frame, schema, with_labels=False)


@pytest.fixture(scope="module")
def data(folder):
    return load(folder, [NAMES, json.dumps(NAMES[::-1]), ["2.png"], ["4.png", "5.png"]] * 5, frames=4)


NAMES = [f"{number}.png" for number in range(6)]
EVEN = [0, 80, 120, 200]
# Cells of a table to predict: their levels, None where there is no video, and why.
CELLS = {
    "list": (NAMES, EVEN, None),
    "JSON": (json.dumps(NAMES[::-1]), EVEN[::-1], None),
    "folder": ("frames", EVEN, None),
    "GIF": ("clip.gif", EVEN, None),
    "one image": ("1.png", [40] * 4, None),
    "one frame": (["1.png"], [40] * 4, None),
    "MP4": ("clip.mp4", EVEN, None),
    "AVI": ("clip.avi", EVEN, None),
    # A frame that cannot be read costs the video nothing but that frame.
    "a frame less": (["nowhere.png", "3.png"], [120] * 4, None),
    "100,000 frames": ([NAMES[6 * place // 100_000] for place in range(100_000)], EVEN, None),
    "missing": (None, None, None),
    "no frames": ([], None, None),
    "no file": ("no.gif", None, "file does not exist"),
    "no frame": (["nowhere.png"], None, "file does not exist"),
    "damaged GIF": ("broken.gif", None, "GIF that is damaged"),
    "damaged MP4": ("broken.mp4", None, "not a readable video"),
    "empty file": ("empty.mp4", None, "empty file"),
    "empty folder": ("nothing", None, "a folder without images"),
}


@pytest.fixture(scope="module")
def read(data, folder):
    """The cells, read for a schema: `Examples` and `SkippedRows`."""
    return rows(folder, [cell for cell, _, _ in CELLS.values()], data.schema)


def test_the_schema_of_videos(data):
    feature = data.schema["video"]
    assert (feature.kind, feature.length, feature.size) == ("video", 4, (16, 16))
    assert feature.input_shape == (4, 16, 16, 3)
    shown = {setting.name: (setting.value, setting.reason) for setting in data.settings}
    assert shown["frames"] == ("4", "given: evenly spaced over each video")
    assert shown["frame size"] == ("16 x 16", "frames are 16 x 16; at most 64 unless given")


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_gives_its_frames_or_a_reason(read, name):
    row, (_, wanted, reason) = list(CELLS).index(name), CELLS[name]
    shown, present = levels(read[0].take([row]))
    assert present == [wanted is not None]
    # A video file is compressed with losses.
    np.testing.assert_allclose(shown[0], wanted or [0] * 4, atol=4 if name in ("MP4", "AVI") else 0)
    said = [why for why, examples in read[1].examples.items() if row + 1 in [number for number, *_ in examples]]
    assert len(said) == (reason is not None) and all(why.startswith(reason) for why in said)


def test_rows_with_the_same_frames_share_a_video_and_its_frames(read):
    places = dict(zip(CELLS, read[0].arrays["video"].tolist(), strict=True))
    assert (
        places["list"] == places["folder"] == places["100,000 frames"] and places["one image"] == places["one frame"]
    )
    assert places["missing"] == places["no frames"] == places["damaged GIF"] == -1
    # Of 100,000 frames four are kept, those that the list has too.
    files = [key for key in read[0].banks["video"].images.keys if isinstance(key, str)]
    assert sorted({key.rsplit("/", 1)[1] for key in files}) == [
        *("0.png", "1.png", "2.png", "3.png", "5.png"),
        *(f"frame_{number}.png" for number in (10, 11, 13, 8)),
    ]


def test_batches_hold_frames_and_presence(data):
    x, _, _ = next(iter(BatchedDataset(data.splits["train"], 4, modality_dropout=0.5).dataset()))
    assert (
        x["video"].shape == (4, 4, 16, 16, 3)
        and x["video"].dtype == tf.uint8
        and bool(tf.reduce_all(x["video_present"]))
    )
    x, _, _ = next(iter(BatchedDataset(data.splits["train"].without("video"), 4).dataset()))
    assert not x["video"].numpy().any() and not x["video_present"].numpy().any()


def test_what_cannot_be_read_is_left_out_of_a_training_table(folder):
    with pytest.raises(DataError, match="4 of 6 rows have a video that cannot be read"):
        load(folder, [["nowhere.png"], "broken.mp4", "empty.mp4", "nothing", ["0.png"], ["1.png"]])
    good = load(folder, [["0.png", "1.png"], ["2.png"], ["nowhere.png", "3.png"], "empty.mp4"] * 4)
    assert good.skipped.counts == {"empty file (0 bytes)": 4}
    assert {s.name: s.value for s in good.settings}["damaged (clip)"] == "1 of 4 videos"


def test_bad_cells_are_refused(folder, tmp_path):
    cases = {
        "begins as a list and is no JSON": '["0.png", ',
        "a frame is a path, encoded bytes or .*, not int": ["0.png", 3],
        "a video is a list of frames, or a path or the bytes of a file, not float": 0.5,
        "leads out of the folder": "../elsewhere/0.png",
    }
    for message, cell in cases.items():
        with pytest.raises(DataError, match=message):
            load(folder, [["0.png"], cell, ["1.png"], ["2.png"]])
    for cells in ([None] * 12, [[]] * 12):
        with pytest.raises(DataError, match=r"(every cell of the video column 'clip' is empty|rows cannot be used)"):
            load(folder, cells)
    with pytest.raises(DataError, match="frames must be a whole number from 1 to 512, not 0"):
        load(folder, [["0.png"]] * 4, frames=0)
    with pytest.raises(DataError, match="does not exist \\(image_dir"):
        load(folder, [["0.png"]] * 4, image_dir=tmp_path / "nowhere")


@pytest.mark.parametrize("codec, name", [("libx264", "clip.mp4"), ("mpeg4", "clip.avi")])
def test_video_files_are_sampled_by_their_times(folder, codec, name):
    header = read_video_header(str(folder / name))
    assert header.size == (16, 16) and len(header.times) == 6
    frames = read_frames(str(folder / name), header, 4, (16, 16))
    np.testing.assert_allclose(frames.mean(axis=(1, 2, 3)), [0, 80, 120, 200], atol=4)
    content = (folder / name).read_bytes()
    np.testing.assert_array_equal(read_frames(content, header, 4, (16, 16)), frames)


def test_a_variable_frame_rate_counts_seconds_and_not_frames(tmp_path):
    # Five frames of 0.1 s, then five of 1 s: nine tenths of the time belong to the second half.
    times = [0, 100, 200, 300, 400, 500, 1500, 2500, 3500, 4500]
    path = str(write_video(tmp_path / "a.mp4", gray_frames(range(0, 250, 25), (16, 16)), "libx264", times))
    frames = read_frames(path, read_video_header(path), 5, (16, 16))
    np.testing.assert_allclose(frames.mean(axis=(1, 2, 3)), [125, 150, 175, 200, 225], atol=4)


def test_broken_containers_say_why(folder, tmp_path):
    import av

    assert read_video_header(str(folder / "broken.mp4")) == "not a readable video or image"
    assert read_video_header(b"<html><body>404") == "a web page, not a video (its download failed)"
    assert read_video_header(b"version https://git-lfs.github.com/spec/v1") == (
        "a Git LFS pointer, not a video (run git lfs pull)"
    )
    assert read_video_header(str(tmp_path / "nowhere.mp4")) == "file does not exist"
    with av.open(str(tmp_path / "none.mkv"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 16
        container.start_encoding()
    assert "frame" in read_video_header(str(tmp_path / "none.mkv")) or "readable" in read_video_header(
        str(tmp_path / "none.mkv")
    )
    # Damage in the middle costs its frames, which show the one before.
    content = bytearray((folder / "clip.avi").read_bytes())
    middle = content.index(b"movi") + 4
    content[middle + 200 : middle + 260] = bytes(60)
    header = read_video_header(bytes(content))
    assert not isinstance(header, str) and read_frames(bytes(content), header, 4, (16, 16)).shape == (4, 16, 16, 3)


@pytest.mark.slow
def test_a_video_of_a_hundred_thousand_frames(tmp_path):
    frames = gray_frames([0, 255], (16, 16))
    count = 100_000
    path = str(write_video(tmp_path / "long.mp4", [frames[2 * i // count] for i in range(count)]))
    header = read_video_header(path)
    assert len(header.times) == count
    found = read_frames(path, header, 4, (16, 16)).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(found, [0, 0, 255, 255], atol=4)


def test_without_pyav_the_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(DataError, match=r"pip install 'kerasfusion\[video\]'"):
        load(folder, ["clip.mp4", ["0.png"]] * 6)


def test_an_export_sees_the_frames_of_the_table(data, read, folder):
    found, feature = read[0], data.schema["video"]
    raw = VideoFiles().raw_inputs(feature, found)["video_bytes"]
    raw[list(CELLS).index("GIF")] = [(folder / "clip.gif").read_bytes(), b"", b"", b""]
    # As in an export: walking through a GIF is slow outside of a graph.
    preprocess = tf.function(lambda raw: EncodedFrames().read(feature, raw, None, 10**8), autograph=False)
    frames, ok = preprocess(tf.constant(raw))
    own, present = found.banks["video"].fetch(found.arrays["video"])
    np.testing.assert_array_equal(frames, own)
    np.testing.assert_array_equal(ok, present)


def test_videos_are_decoded_once_into_the_cache(tmp_path):
    frames = [png(frame) for frame in gray_frames(LEVELS)]
    keys = [(frames[0], frames[3]), (frames[3], b""), (b"", b"")]
    store = VideoStore(keys, 2, (12, 16), tmp_path / "cache")
    assert (store.cache.state, len(store.images.keys)) == ("written", 3)
    assert store.failed.tolist() == [False, False, True] and store.damaged.tolist() == [False, True, False]
    again = VideoStore(keys, 2, (12, 16), tmp_path / "cache")
    assert again.cache.state == "reused"
    index = np.array([[1, -1], [0, 2]], "int32")
    for own in (store, again, VideoStore(keys, 2, (12, 16))):
        pixels, present = own.fetch(index)
        assert pixels.numpy().mean(axis=(3, 4, 5)).tolist() == [[[120, 120], [0, 0]], [[0, 120], [0, 0]]]
        assert present.numpy().tolist() == [[True, False], [True, False]]


def test_rows_of_other_tables_are_joined(data, read):
    first = data.splits["train"].take([0, 1]).with_features(dataclasses.replace(data.schema, tasks=()))
    first = first.without_labels()
    other = dataclasses.replace(read[0].take([4, 10]), schema=first.schema)
    joined = kf.data.concatenate([first, other])
    assert levels(joined) == ([*levels(first)[0], [40] * 4, [0] * 4], [True, True, True, False])
    assert joined.fingerprint() != first.fingerprint()


def test_a_schema_and_a_model_with_a_video_save(data, tmp_path):
    data.schema.save(tmp_path / "schema.json")
    assert kf.Schema.load(tmp_path / "schema.json") == data.schema
    encoder = {"name": "transformer", "num_heads": 2, "num_layers": 1, "frame_encoder": "small_cnn"}
    model = kf.models.fusion_model(data.schema, video_encoder=encoder, units=8)
    model.save(tmp_path / "model.keras")
    x = next(iter(BatchedDataset(data.splits["train"], 4).dataset()))[0]
    np.testing.assert_allclose(
        keras.saving.load_model(tmp_path / "model.keras")(x)["label"], model(x)["label"], rtol=1e-5
    )
    again = kf.models.inputs.rebuild_encoder(model.encoders["video"], data.schema["video"])
    assert again.get_config() == model.encoders["video"].get_config()


def test_time_steps_are_tokens_of_a_fusion(data):
    schema = kf.Schema(
        (*data.schema.features, kf.Feature("text", "text", ("t",), length=3, vocabulary=("a", "b"))),
        data.schema.tasks,
    )
    model = kf.models.fusion_model(schema, text_encoder="gru", fusion="token_transformer", units=8)
    x = next(iter(BatchedDataset(data.splits["train"], 4).dataset()))[0]
    x |= {"text": tf.constant([[4, 5, 0]] * 4), "text_present": tf.constant([True] * 4)}
    assert model(x)["label"].shape == (4, 1)


class FrozenMean(kf.encoders.ImageEncoder):
    """The mean color by a frozen network, and a dense layer."""

    def build_encoder(self, pixels_shape):
        self.frozen_backbone = keras.layers.GlobalAveragePooling2D(keepdims=True)
        self.projection = keras.layers.Dense(self.units)
        self.projection.build((None, 1, 1, 3))

    def features(self, pixels):
        return self.frozen_backbone(self.unit_interval(pixels))

    def project(self, features, training):
        grid = self.projection(features)
        return grid, grid[:, 0, 0]

    def encode(self, pixels, training):
        grid = self.projection(self.frozen_backbone(pixels))
        return grid, grid[:, 0, 0]


def test_frozen_features_of_frames_are_computed_once(data):
    split = data.splits["train"]
    encoder = {"name": "gru", "frame_encoder": FrozenMean(5)}
    model = kf.models.fusion_model(data.schema, video_encoder=encoder, units=8)
    (stored,) = frozen_features(model, [split])
    x, y = (next(iter(BatchedDataset(part, 4).dataset()))[0] for part in (split, stored))
    assert y["video_features"].shape == (4, 4, 1, 1, 3) and "video" not in y
    found = model.encoders["video"]({"features": y["video_features"]})["pooled"]
    np.testing.assert_allclose(found, model.encoders["video"](x["video"])["pooled"], atol=1e-5)


def test_a_frozen_video_stops_and_black_frames_are_black(data):
    feature = data.schema["video"]
    frames = tf.reshape(tf.constant(range(1, 9), tf.uint8), (2, 4, 1, 1, 1)) * tf.ones((1, 1, 16, 16, 3), tf.uint8)
    x = {"video": frames, "video_present": tf.constant([True, True])}
    for degree, wanted in ((0.0, [1, 2, 3, 4]), (0.5, [1, 2, 3, 3]), (1.0, [1, 1, 1, 1])):
        assert freeze(x, [feature], degree, None)["video"][0, :, 0, 0, 0].numpy().tolist() == wanted
    assert not blacken(x, [feature], 1.0, [0, 1])["video"].numpy().any()
    some = blacken(x, [feature], 0.5, [0, 1])["video"].numpy()[:, :, 0, 0, 0]
    assert set(some.ravel()) == {0, *some[some > 0]} and 0 < (some == 0).sum() < 8


@pytest.fixture(scope="module")
def moves(tmp_path_factory):
    """A run by the command line: a square moves right or left, and the text beside it does not say which."""
    folder = tmp_path_factory.mktemp("moves")
    random, table = np.random.default_rng(0), []
    for number in range(120):
        right, color = random.integers(0, 2), random.choice(["bright", "small", "slow"])
        frames = moving_square(right, random, frames=int(random.integers(4, 8)))
        names = [f"{number}_{time}.png" for time in range(len(frames))]
        for name, frame in zip(names, frames, strict=True):
            (folder / name).write_bytes(png(frame))
        cell = json.dumps(names)
        if number % 4 == 0:
            (folder / f"{number}.gif").write_bytes(gif(frames))
            cell = f"{number}.gif"
        table.append({"clip": cell, "text": f"a {color} square", "way": "right" if right else "left"})
    table[5]["clip"] = ""
    frame = pd.DataFrame(table)
    frame.to_csv(folder / "moves.csv", index=False)
    arguments = ["--video", "clip", "--text", "text", "--label", "way", "--frames", "4", "--epochs", "8"]
    arguments += ["--batch-size", "16", "--output-dir", str(folder / "run")]
    done = CliRunner().invoke(cli.app, ["train", str(folder / "moves.csv"), *arguments], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return folder, done.output


@pytest.mark.slow
def test_a_column_of_videos_is_learned_reported_and_served(moves):
    folder, output = moves
    assert "mixed_gated" in output and "24 x 24" in output
    scores = json.loads((folder / "run" / "metrics.json").read_text())["tasks"]["label"]["scores"]
    assert min(scores[name]["value"] for name in ("mixed_gated", "video only")) > scores["majority"]["value"]
    page = (folder / "run" / "report.html").read_text(encoding="utf-8")
    assert "frames of video of row" in page and "Videos: clip" in page
    assert "first_frame = base64.b64encode" in page
    run = kf.load(folder / "run")
    table = pd.read_csv(folder / "moves.csv", keep_default_na=False).head(8)
    table.loc[2, "clip"] = "nowhere.gif"
    table.attrs["folder"] = str(folder)
    expected = kf.workflows.predict(run, table, image_dir=folder)
    version = kf.export(run, folder / "served")
    found = kf.verify(version)
    assert found.ok, found
    assert read_metadata(version)["features"]["video"] == "video"
    cells = [
        [(folder / name).read_bytes() for name in json.loads(cell)]
        if cell.startswith("[")
        else [(folder / cell).read_bytes()]
        if (folder / cell).is_file()
        else []
        for cell in table["clip"]
    ]
    longest = max(map(len, cells))
    with kf.serving.CApiSession(version) as session:
        answer = session.run(
            "serving_default",
            {
                "video_bytes": [[*cell, *[b""] * (longest - len(cell))] for cell in cells],
                "text": [text.encode() for text in table["text"]],
            },
        )
    assert [label.decode() for label in answer["label"]] == expected["label"].tolist()
    assert (
        answer["video_ok"].tolist()
        == expected["video_ok"].tolist()
        == [*[True] * 2, False, *[True] * 2, False, True, True]
    )
    found = kf.robustness(run, output_dir=folder / "robustness", num_severities=2).curves
    assert {"video dropped", "video frozen", "frames black"} <= set(found["corruption"])
