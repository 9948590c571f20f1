import json

import pytest

import kerasfusion as kf
from kerasfusion.presets import FILE, check_files, find_preset, parse_preset, read_preset, sha256, write_preset


@pytest.fixture
def preset(tmp_path):
    folder = tmp_path / "pets"
    folder.mkdir()
    for name in ("model.keras", "schema.json", "config.json", "metrics.json"):
        (folder / name).write_text(f"the {name}")
    write_preset(folder, {"name": "pets", "kerasfusion": "0.2.0"})
    return folder


def test_the_sha256_of_a_file_is_the_published_one(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1.
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_preset_lists_its_files(preset):
    found = read_preset(preset)
    assert found["name"] == "pets"
    assert set(found["files"]) == {"model.keras", "schema.json", "config.json", "metrics.json"}
    assert found["files"]["schema.json"]["bytes"] == len("the schema.json")
    check_files(preset)


def test_the_folder_of_a_run_needs_no_description(tmp_path):
    assert read_preset(tmp_path) == {}
    check_files(tmp_path)


def test_a_changed_file_is_refused_by_name(preset):
    (preset / "schema.json").write_text("another")
    with pytest.raises(ValueError, match=r"schema\.json is not the file that preset\.json beside it lists"):
        check_files(preset)


def test_a_lost_file_is_refused_by_name(preset):
    (preset / "model.keras").unlink()
    with pytest.raises(ValueError, match=r"model\.keras is missing"):
        check_files(preset)


def test_a_preset_of_a_newer_version_asks_for_an_upgrade(preset):
    content = json.loads((preset / FILE).read_text())
    (preset / FILE).write_text(json.dumps({**content, "format": 2, "kerasfusion": "9.1"}))
    with pytest.raises(ValueError, match=r"format 2, of kerasfusion 9\.1.*pip install -U kerasfusion"):
        read_preset(preset)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"format": 1}',
        b'{"format": 1, "files": {"model.keras": {}}}',
        b'{"format": 1, "files": {"../../evil": {"sha256": "' + b"0" * 64 + b'"}}}',
    ],
)
def test_what_describes_no_preset_is_refused(content):
    with pytest.raises(ValueError, match=r"pets/preset\.json"):
        parse_preset(content, "pets/preset.json")


def test_an_unknown_preset_names_the_nearest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"'shape_vqa' holds no trained model, .*Did you mean 'shapes_vqa'"):
        find_preset("shape_vqa")
    for name in ("\0", "x" * 300):
        with pytest.raises(ValueError, match="there is no preset"):
            find_preset(name)


def test_a_folder_wins_over_a_preset_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_preset("shapes_vqa").name == "shapes_vqa" and find_preset("shapes_vqa").is_absolute()
    (tmp_path / "shapes_vqa").mkdir()
    assert not find_preset("shapes_vqa").is_absolute()


@pytest.mark.parametrize("name", kf.list_presets())
def test_the_presets_of_the_package_are_whole(name):
    found = read_preset(find_preset(name))
    check_files(find_preset(name))
    assert found["name"] == name
    assert {"summary", "limits", "data", "license", "metrics", "command", "inputs", "tasks"} <= found.keys()
    assert sum(file["bytes"] for file in found["files"].values()) < 4_000_000
    row = kf.data.example(name)
    assert set(row) == set(found["inputs"])
