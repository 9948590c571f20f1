from pathlib import Path

import pytest
from click.testing import CliRunner

from kerasfusion.serving import protos
from kerasfusion.serving.errors import ServingError
from kerasfusion.serving.model_config import ModelConfig, metrics_path, read_models, read_text_proto, versions_in
from kerasfusion.serving.serving_config import write_serving_config

SAVED_MODELS = Path(__file__).parents[2] / "saved_models"


def make_version(folder):
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").touch()


@pytest.fixture
def models(tmp_path):
    for path in ("cats/1", "cats/12", "cats/2", "dogs/7", "no_model/text", ".trash/1"):
        make_version(tmp_path / path)
    (tmp_path / "README.md").touch()
    return tmp_path


def test_complete_versions(models):
    make_version(models / "cats" / ".13.tmp-99")
    (models / "cats" / "14").mkdir()
    (models / "cats" / "15").touch()
    assert versions_in(models / "cats") == {number: models / "cats" / str(number) for number in (1, 2, 12)}
    assert versions_in(models / "nowhere") == {}


def test_folders(models):
    assert read_models(models) == [ModelConfig("cats", models / "cats"), ModelConfig("dogs", models / "dogs")]
    assert read_models(models / "dogs") == [ModelConfig("dogs", models / "dogs")]
    assert read_models(models / "no_model") == []
    with pytest.raises(ServingError, match="nowhere is not a folder"):
        read_models(models / "nowhere")


def test_wanted_versions():
    on_disk = [1, 12, 2]
    assert ModelConfig("m", None).wanted(on_disk) == [12]
    assert ModelConfig("m", None, latest=2).wanted(on_disk) == [2, 12]
    assert ModelConfig("m", None, latest=None).wanted(on_disk) == [1, 2, 12]
    assert ModelConfig("m", None, specific=(1, 3)).wanted(on_disk) == [1]


def test_models_config(models):
    (models / "models.config").write_text(
        """
        # a comment
        model_config_list {
          config { name: 'cats' base_path: '/models/cats' model_platform: 'tensorflow'
                   model_version_policy { specific { versions: 1 versions: 12 } }
                   version_labels { key: 'stable' value: 1 } version_labels { key: 'canary' value: 12 } }
          config { name: 'dogs' base_path: '/srv/dogs' model_platform: "tensorflow" }
          config: { name: 'all' base_path: '/models/x' model_platform: 'tensorflow'
                    model_version_policy: { all: {} } }
          config { name: 'two' base_path: '/models/x' model_platform: 'tensorflow'
                   model_version_policy { latest { num_versions: 2 } } }
        }"""
    )
    assert read_models(models) == [
        ModelConfig("cats", models / "cats", specific=(1, 12), labels={"stable": 1, "canary": 12}),
        ModelConfig("dogs", Path("/srv/dogs")),
        ModelConfig("all", models / "x", latest=None),
        ModelConfig("two", models / "x", latest=2),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model_config_list {\n confg {} }", r'models\.config:2:2 : .*no field named "confg"'),
        ("model_config_list { config { name: 'm' base_path: '/m' } }", "model 'm' needs .*model_platform"),
        ("model_config_list { config { model_platform: 'tensorflow' } }", "model '' needs a `name`"),
        (
            "model_config_list { config { name: 'm' base_path: 'm' model_platform: 'tensorflow' } }",
            "model 'm': expected an absolute path; got base_path='m'",
        ),
        (
            "model_config_list { config { name: 'm' base_path: '/m' model_platform: 'tensorflow' "
            "model_version_policy { all {} latest {} } } }",
            "can be only one of latest, all",
        ),
    ],
)
def test_refused_models_config(tmp_path, text, message):
    (tmp_path / "models.config").write_text(text)
    with pytest.raises(ServingError, match=message):
        read_models(tmp_path)


def test_metrics_path(tmp_path):
    assert metrics_path(tmp_path) is None
    file = tmp_path / "monitoring.config"
    file.write_text("prometheus_config { enable: true }")
    assert metrics_path(tmp_path) == "/monitoring/prometheus/metrics"
    file.write_text("prometheus_config { enable: true path: '/here' }")
    assert metrics_path(tmp_path) == "/here"
    file.write_text("prometheus_config { enable: false path: '/here' }")
    assert metrics_path(tmp_path) is None


def test_written_files(models):
    files = write_serving_config(models)
    assert [file.name for file in files] == ["models.config", "batching_parameters.txt", "monitoring.config"]
    assert read_models(models) == [
        ModelConfig("cats", models / "cats", latest=None, labels={"stable": 12}),
        ModelConfig("dogs", models / "dogs", latest=None, labels={"stable": 7}),
    ]
    assert metrics_path(models) == "/monitoring/prometheus/metrics"
    batching = read_text_proto(models / "batching_parameters.txt", protos.BatchingParameters())
    assert batching.max_batch_size.value == 32
    assert batching.num_batch_threads.value == 4


def test_files_edited_by_hand_are_kept(models):
    (file, *_) = write_serving_config(models)
    write_serving_config(models)
    edited = file.read_text().replace("value: 12", "value: 2")
    file.write_text(edited)
    (models / "monitoring.config").unlink()
    with pytest.raises(FileExistsError, match=r"models\.config would change .* nothing was written"):
        write_serving_config(models)
    assert file.read_text() == edited
    assert not (models / "monitoring.config").exists()
    write_serving_config(models, overwrite=True)
    assert read_models(models)[0].labels == {"stable": 12}


def test_the_command_writes_the_files(models):
    from kerasfusion import cli

    done = CliRunner().invoke(cli.app, ["serving-files", str(models)])
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == f"Written: {models / 'models.config'}"
    assert (models / "batching_parameters.txt").is_file()


def test_no_models_to_write_files_for(tmp_path):
    with pytest.raises(ServingError, match="holds no model"):
        write_serving_config(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ServingError, match="holds no model"):
        write_serving_config(tmp_path / "nowhere")


def test_the_files_of_saved_models_fit_what_is_there():
    on_disk = {path.name for path in SAVED_MODELS.iterdir() if versions_in(path)}
    models = read_models(SAVED_MODELS)
    assert {model.name for model in models} == on_disk
    for model in models:
        assert set(model.labels) == {"stable"}
        assert model.labels["stable"] in model.wanted(versions_in(model.base_path))
    assert metrics_path(SAVED_MODELS) == "/monitoring/prometheus/metrics"
    assert read_text_proto(SAVED_MODELS / "batching_parameters.txt", protos.BatchingParameters()).max_batch_size.value


@pytest.mark.serving_api
def test_tf_serving_reads_the_models_config_of_saved_models():
    # The package has no messages for the other two files.
    server = pytest.importorskip(
        "tensorflow_serving.config.model_server_config_pb2",
        reason="needs `pip install --no-deps tensorflow-serving-api==2.21.0`",
    )
    file = SAVED_MODELS / "models.config"
    theirs = read_text_proto(file, server.ModelServerConfig())
    for model in theirs.model_config_list.config:
        assert model.base_path == f"/models/{model.name}"
        assert model.model_version_policy.WhichOneof("policy_choice") == "all"
        assert model.version_labels["stable"] in versions_in(SAVED_MODELS / model.name)
    # What our own messages make of it is what TF Serving's do, to the byte.
    ours = read_text_proto(file, protos.ModelServerConfig())
    assert ours.SerializeToString(deterministic=True) == theirs.SerializeToString(deterministic=True)
