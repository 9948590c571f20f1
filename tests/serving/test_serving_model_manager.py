import shutil
import threading
import time

import pytest
from toy_export import add_version

from kerasfusion.serving.errors import ServingError
from kerasfusion.serving.model_manager import ModelManager

ALL = """model_config_list { config { name: 'toy' base_path: '/models/toy' model_platform: 'tensorflow'
model_version_policy { %s } version_labels { key: 'stable' value: 1 } } }"""


@pytest.fixture
def folder(tmp_path, toy_exports):
    add_version(toy_exports, tmp_path / "toy", 1, factor=2)
    return tmp_path


@pytest.fixture
def manager(folder):
    manager = ModelManager(folder)
    manager.poll()
    yield manager
    manager.close()


def factor(manager, **choice):
    with manager.use("toy", **choice) as version:
        return float(version.session.run("times", {"x": [[1, 1]]})["y"][0, 0])


def states(manager):
    return {version.number: version.state for version in manager.versions("toy")}


def wait_for(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_one_version(manager):
    assert states(manager) == {1: "AVAILABLE"}
    assert factor(manager) == factor(manager, number=1) == 2


@pytest.mark.parametrize(
    ("choice", "status", "message"),
    [
        ({"model": "cats"}, "NOT_FOUND", r"Servable not found for request: Latest\(cats\)"),
        ({"model": "toy", "number": 2}, "NOT_FOUND", r"Servable not found for request: Specific\(toy, 2\)"),
        ({"model": "toy", "label": "best"}, "INVALID_ARGUMENT", "Unrecognized servable version label: best"),
        ({"model": "cats", "label": "best"}, "INVALID_ARGUMENT", "Unrecognized servable version label: best"),
    ],
)
def test_unknown(manager, choice, status, message):
    with pytest.raises(ServingError, match=message) as refused, manager.use(**choice):
        pass
    assert refused.value.status == status


def test_a_new_version_takes_over(manager, folder, toy_exports):
    add_version(toy_exports, folder / "toy", 2, factor=3)
    assert factor(manager) == 2
    manager.poll()
    assert states(manager) == {2: "AVAILABLE", 1: "END"}
    assert factor(manager) == 3
    with pytest.raises(ServingError, match="not found"):
        factor(manager, number=1)


def test_the_watch_finds_a_new_version(manager, folder, toy_exports):
    manager.watch(seconds=0.02)
    add_version(toy_exports, folder / "toy", 2, factor=3)
    wait_for(lambda: states(manager) == {2: "AVAILABLE", 1: "END"})


def test_an_old_version_waits_for_the_requests_on_it(manager, folder, toy_exports):
    add_version(toy_exports, folder / "toy", 2, factor=3)
    with manager.use("toy") as old:
        poll = threading.Thread(target=manager.poll)
        poll.start()
        wait_for(lambda: old.state == "UNLOADING")
        assert factor(manager) == 3
        poll.join(0.05)
        assert poll.is_alive()
        assert old.session.run("times", {"x": [[1, 1]]})["y"].tolist() == [[2, 2]]
    poll.join(10)
    assert states(manager) == {2: "AVAILABLE", 1: "END"}


def test_versions_being_written_are_left_alone(manager, folder, toy_exports):
    half = add_version(toy_exports, folder / "toy", 2, factor=3)
    graph = (half / "saved_model.pb").rename(half / "saved_model.tmp")
    shutil.copytree(half, folder / "toy" / ".3.tmp-1")
    manager.poll()
    assert states(manager) == {1: "AVAILABLE"}
    graph.rename(half / "saved_model.pb")
    manager.poll()
    assert states(manager) == {2: "AVAILABLE", 1: "END"}


@pytest.mark.parametrize("damage", ["graph", "variables", "warm-up"])
def test_a_broken_version_leaves_the_old_one_serving(folder, toy_exports, damage, messages):
    manager = ModelManager(folder)
    manager.poll()
    broken = add_version(toy_exports, folder / ".hidden", 2, factor=3)
    files = {
        "graph": "saved_model.pb",
        "variables": "variables/variables.data-00000-of-00001",
        "warm-up": "assets.extra/tf_serving_warmup_requests",
    }
    (broken / files[damage]).write_bytes(b"broken")
    broken.rename(folder / "toy" / "2")
    manager.poll()
    assert states(manager) == {2: "END", 1: "AVAILABLE"}
    assert manager.versions("toy")[0].error.message
    assert factor(manager) == 2
    assert "toy: version 2 failed" in messages[-1]
    assert messages[-1].endswith("version 1 goes on serving")
    # It is not tried again and again, but it is when it was mended.
    spoken = len(messages)
    manager.poll()
    assert len(messages) == spoken
    shutil.rmtree(folder / "toy" / "2")
    add_version(toy_exports, folder / "toy", 2, factor=3)
    manager.poll()
    assert states(manager) == {2: "AVAILABLE", 1: "END"}
    assert factor(manager) == 3
    manager.close()


def test_models_config_is_followed(folder, toy_exports, messages):
    (folder / "models.config").write_text(ALL % "all {}")
    manager = ModelManager(folder)
    manager.poll()
    add_version(toy_exports, folder / "toy", 2, factor=3)
    manager.poll()
    assert states(manager) == {2: "AVAILABLE", 1: "AVAILABLE"}
    assert (factor(manager), factor(manager, number=1), factor(manager, label="stable")) == (3, 2, 2)
    # The label points to what is no longer served.
    (folder / "models.config").write_text(ALL % "specific { versions: 2 }")
    manager.poll()
    assert states(manager) == {2: "AVAILABLE", 1: "END"}
    with pytest.raises(ServingError, match=r"Specific\(toy, 1\)"):
        factor(manager, label="stable")
    # A mistake in the file is said once and changes nothing.
    (folder / "models.config").write_text("model_config_list {")
    manager.poll()
    manager.poll()
    assert len([line for line in messages if "the models stay as they are" in line]) == 1
    assert factor(manager) == 3
    # And back to the first version.
    (folder / "models.config").write_text(ALL % "specific { versions: 1 }")
    manager.poll()
    assert states(manager) == {2: "END", 1: "AVAILABLE"}
    (folder / "models.config").write_text("model_config_list {}")
    manager.poll()
    assert states(manager) == {2: "END", 1: "END"}
    manager.close()


def test_a_removed_version_is_unloaded(manager, folder):
    shutil.rmtree(folder / "toy" / "1")
    manager.poll()
    assert states(manager) == {1: "END"}


def test_close_frees_every_model(folder):
    manager = ModelManager(folder)
    manager.poll()
    (version,) = manager.available("toy")
    manager.close()
    assert version.session is None
    assert states(manager) == {1: "END"}
