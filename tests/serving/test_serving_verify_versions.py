"""`verify` in several releases of TensorFlow: the report, the skipped WebP rows, the log; and releases themselves."""

import io
import json
import logging

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import kerasfusion as kf
from kerasfusion import cli
from kerasfusion.serving import verifying, webp_rows
from kerasfusion.serving.verify_report import Check, VerifyReport, VersionsReport
from kerasfusion.serving.verify_worker import SignatureChecks, check_without_webp
from kerasfusion.serving.verifying import verify

WEBP = b"RIFF\x1a\0\0\0WEBPVP8L"
WORKER = """
import json, sys
version = sys.argv[sys.argv.index("--libraries") + 1].rpartition("/")[2]
print(json.dumps({"at": "loads", "tensorflow": version}))
print(json.dumps({"at": "loads", "row": ["loads", version != "2.20.0", "of " + version]}))
print(json.dumps({"at": ""}))
for line in (
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "E0000 00:00:1796126171.155458   14315 meta_optimizer.cc:966] layout failed: INVALID_ARGUMENT: why",
    "E0000 00:00:1796126171.155459   14315 meta_optimizer.cc:966] layout failed: INVALID_ARGUMENT: why",
    "2026-12-01 11:56:11.892801: E tensorflow/core/util/other.cc:131] another",
    "2026-12-01 11:56:11.892801: E tensorflow/core/util/util.cc:131] oneDNN supports DT_UINT8 only with AVX-512",
    "E0000 00:00:1796126230.281341   14928 cuda_platform.cc:52] failed call to cuInit: INTERNAL",
    "W0000 00:00:1796126240.069162   14934 local_rendezvous.cc:412] Local rendezvous is aborting",
):
    if version == "2.20.0":
        print(line, file=sys.stderr)
"""


@pytest.fixture
def export(tmp_path, monkeypatch):
    """A folder that looks like an export, checked by a worker that only says what it was called with."""
    (tmp_path / "stand_in_worker.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(verifying, "_WORKER", "stand_in_worker")
    full = {"2.19": "2.19.1", "2.20.0": "2.20.0"}
    monkeypatch.setattr(
        verifying, "find_libraries", lambda version, cache: (full[version], (cache or tmp_path) / full[version])
    )
    (tmp_path / "toy" / "1").mkdir(parents=True)
    (tmp_path / "toy" / "1" / "saved_model.pb").touch()
    return tmp_path / "toy"


def test_every_release_has_its_report(export, tmp_path, messages):
    report = verify(export, tensorflow=["2.19", "2.20.0"], cache_dir=tmp_path / "cache")
    path = str(export / "1")
    log = Check("log", None, "meta_optimizer.cc: layout failed: INVALID_ARGUMENT: why | other.cc: another")
    assert report.reports == {
        "2.19.1": VerifyReport(path, [Check("loads", True, "of 2.19.1")], "2.19.1"),
        "2.20.0": VerifyReport(path, [Check("loads", False, "of 2.20.0"), log], "2.20.0"),
    }
    assert not report.ok
    assert messages == ["Verifying in TensorFlow 2.19.1", "Verifying in TensorFlow 2.20.0"]
    assert str(report).splitlines()[:4] == [
        f"{path}: verified in TensorFlow 2.19.1",
        "ok    loads  of 2.19.1",
        "",
        f"{path}: 1 check failed in TensorFlow 2.20.0",
    ]
    found = json.loads(json.dumps(report.to_dict()))
    assert (found["ok"], list(found["versions"])) == (False, ["2.19.1", "2.20.0"])
    assert found["versions"]["2.20.0"]["rows"][0] == {"name": "loads", "ok": False, "detail": "of 2.20.0"}
    # Nothing checked is nothing verified.
    assert not VersionsReport({}).ok


@pytest.mark.parametrize(
    "versions",
    [
        ["--tensorflow", "2.19", "2.20.0"],
        ["--tensorflow", "2.19,2.20.0"],
        ["--tensorflow=2.19", "--tensorflow=2.20.0"],
    ],
)
def test_the_command_takes_several_releases(export, versions):
    done = CliRunner().invoke(cli.app, ["verify", *versions, str(export)])
    assert done.exit_code == 1
    lines = [" ".join(line.split()) for line in done.output.splitlines()]
    assert f"{export}/1: verified in TensorFlow 2.19.1" in lines
    table = lines[lines.index("check 2.19.1 2.20.0") :]
    assert table[1:3] == ["loads ok FAIL", "log info"]
    assert "2.20.0 FAIL loads of 2.20.0" in table


def test_a_single_release_and_silence(export, messages):
    logging.getLogger("kerasfusion").setLevel(logging.INFO)
    assert verify(export, tensorflow="2.19", verbose=0).ok
    assert not messages


@pytest.mark.parametrize(
    ("version", "reads"), [("2.18.1", False), ("2.19.1", False), ("2.20.0", True), ("2.21.0", True), ("3.0.0", True)]
)
def test_which_releases_read_webp(version, reads):
    assert webp_rows.reads_webp(version) is reads


class Session:
    """Of a signature with images, a video and a sum without rows."""

    signatures = {  # noqa: RUF012
        "s": {
            "inputs": {"image_bytes": ("string", (None,)), "clip_bytes": ("string", (None, None))},
            "outputs": {"y": ("float32", (None,)), "sum": ("float32", ())},
        }
    }


class Rows(list):
    def check(self, name, function, *args, info):
        self.append((name, info, function(*args)))
        return True


def checks(images, frames):
    inputs = {"image_bytes": np.array(images, object), "clip_bytes": np.array(frames, object)}
    outputs = {"y": np.arange(len(images), dtype="float32"), "sum": np.float32(3)}
    return SignatureChecks(Session, "s", inputs, outputs, {})


def test_rows_with_webp_are_skipped_by_name():
    rows, some = (
        Rows(),
        checks([b"png", WEBP, b"", b"RIFF....WAVE"], [[b"a", b""], [b"a", b""], [b"a", WEBP], [b"", b""]]),
    )
    assert check_without_webp(rows, some)
    detail = "skipped: 2 of 4 stored rows hold WebP images; TensorFlow reads them from 2.20 on"
    assert rows == [("s: WebP", True, detail)]
    assert some.inputs["image_bytes"].tolist() == [b"png", b"RIFF....WAVE"]
    assert some.inputs["clip_bytes"].tolist() == [[b"a", b""], [b"", b""]]
    assert some.expected["y"].tolist() == [0, 3] and some.expected["sum"] == 3


def test_without_webp_nothing_is_said_and_with_it_alone_nothing_is_checked():
    rows = Rows()
    assert check_without_webp(rows, checks([b"png"], [[b"a"]])) and rows == []
    assert not check_without_webp(rows, checks([WEBP, WEBP], [[b"a"], [b"a"]]))
    assert [name for name, *_ in rows] == ["s: WebP"]


def encoded(form, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


@pytest.mark.tensorflow_versions
@pytest.mark.parametrize("variant", ["variables", "frozen"])
def test_an_export_is_verified_in_releases_that_people_serve_with(schema_for, variant, tmp_path):
    schema = schema_for("vqa_film")
    images = [encoded(form, seed) for seed, form in enumerate(("PNG", "JPEG", "GIF", "BMP", "WEBP"))]
    examples = {"text": [b"a b", b"c d e", b"", b"z", b"i"], "image_bytes": images}
    version = kf.serving.export_model(kf.create_model("vqa_film", schema), schema, tmp_path, examples, variant)
    report = verify(version, tensorflow=["2.19", "2.20", "2.21"])
    assert report.ok, str(report)
    names = {release: [row.name for row in found.rows] for release, found in report.reports.items()}
    # "2.19" is one of its patch releases, and the library that ran is the one that was asked for.
    assert [release.rpartition(".")[0] for release in names] == ["2.19", "2.20", "2.21"]
    assert [found.tensorflow for found in report.reports.values()] == list(report.reports)
    assert ["serving_default: WebP" in found for found in names.values()] == [True, False, False]
    # The row of errors that TensorFlow logs about the graph.
    assert not [release for release, found in names.items() if "log" in found], str(report)
