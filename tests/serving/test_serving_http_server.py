import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import warnings
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from toy_export import add_version

from kerasfusion.serving import http_server
from kerasfusion.serving.errors import ServingError
from kerasfusion.serving.http_server import RestServer, curl_line, serve
from kerasfusion.serving.model_manager import ModelManager

# Small enough that a refused request is wholly on its way before the connection is closed.
LIMIT = 20_000


@pytest.fixture(scope="module")
def server(tmp_path_factory, toy_exports):
    folder = tmp_path_factory.mktemp("models")
    add_version(toy_exports, folder / "toy", 1)
    manager = ModelManager(folder)
    manager.poll()
    with RestServer(manager, port=0, max_request_bytes=LIMIT, metrics_path="/metrics") as server:
        server.manager = manager
        yield server
    manager.close()


def ask(server, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def times(*values):
    return json.dumps({"signature_name": "times", "instances": [list(values)]})


def test_predict_and_status(server):
    answer, content = ask(server, "POST", "/v1/models/toy:predict", times(1, 2))
    assert (answer.status, json.loads(content)) == (200, {"predictions": [[2.0, 4.0]]})
    assert answer.headers["content-type"] == "application/json"
    answer, content = ask(server, "GET", "/v1/models/toy?ignored=1")
    assert json.loads(content)["model_version_status"][0]["state"] == "AVAILABLE"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [("GET", "/", 404), ("PUT", "/v1/models/toy", 400), ("DELETE", "/v1/models/toy", 400), ("GET", "/v1/foo", 400)],
)
def test_refused(server, method, path, code):
    answer, content = ask(server, method, path)
    assert answer.status == code
    assert list(json.loads(content)) == ["error"]


def test_too_large_requests(server):
    error = {"error": f"The request is larger than {LIMIT} bytes (--max-request-bytes)."}
    fits = times(1, 2) + " " * (LIMIT - len(times(1, 2)))
    assert ask(server, "POST", "/v1/models/toy:predict", fits)[0].status == 200
    answer, content = ask(server, "POST", "/v1/models/toy:predict", fits + " ")
    assert (answer.status, json.loads(content)) == (413, error)
    # Without a length in the header, too.
    answer, content = ask(server, "POST", "/v1/models/toy:predict", iter([b" " * (LIMIT // 2)] * 3))
    assert (answer.status, json.loads(content)) == (413, error)


def test_concurrent_requests_get_their_own_answers(server):
    def many(start):
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=20)
        got = []
        for value in range(start, start + 20):
            connection.request("POST", "/v1/models/toy:predict", times(value, -value))
            got.append(json.loads(connection.getresponse().read())["predictions"] == [[2.0 * value, -2.0 * value]])
        connection.close()
        return got

    with ThreadPoolExecutor(16) as pool:
        assert [all(got) for got in pool.map(many, range(0, 3200, 200))] == [True] * 16


def test_metrics(server):
    before = server._metrics.page()
    ask(server, "GET", "/v1/models/nobody_knows_this")
    ask(server, "POST", "/v1/models/toy:predict", times(1, 2))
    answer, content = ask(server, "GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    page = content.decode()

    def value(text, name):
        found = re.search(rf"^{re.escape(name)} ([0-9.e+]+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    grown = ':tensorflow:serving:request_count{model_name="toy",status="OK"}'
    assert value(page, grown) == value(before, grown) + 1
    # Names that callers make up do not fill the server's memory.
    assert "nobody" not in page
    unknown = ':tensorflow:serving:request_count{model_name="",status="NOT_FOUND"}'
    assert value(page, unknown) == value(before, unknown) + 1
    latency = ':tensorflow:serving:request_latency_%s{model_name="toy",API="predict",entrypoint="REST"%s}'
    count = value(page, latency % ("count", ""))
    assert count == value(page, latency % ("bucket", ',le="+Inf"')) > 0
    # Microseconds: no request took less than 10, all together less than a minute each.
    assert value(page, latency % ("bucket", ',le="10"')) == 0
    assert 10 * count < value(page, latency % ("sum", "")) < 60e6 * count


def test_stopping_answers_the_requests_in_flight(tmp_path, toy_exports, monkeypatch):
    add_version(toy_exports, tmp_path / "toy", 1)
    manager = ModelManager(tmp_path)
    manager.poll()
    running, go_on = threading.Event(), threading.Event()
    answer = http_server.rest_api.answer

    def slow(*arguments):
        running.set()
        go_on.wait(10)
        return answer(*arguments)

    monkeypatch.setattr(http_server.rest_api, "answer", slow)
    server = RestServer(manager, port=0).start()
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(ask, server, "POST", "/v1/models/toy:predict", times(1, 2))
        running.wait(10)
        stopping = pool.submit(server.stop)
        with pytest.raises(futures.TimeoutError):
            stopping.result(timeout=0.4)
        with pytest.raises(OSError):
            ask(server, "GET", "/v1/models/toy")
        go_on.set()
        response, content = asked.result(10)
        stopping.result(10)
    assert (response.status, json.loads(content)) == (200, {"predictions": [[2.0, 4.0]]})
    manager.close()


def test_port_in_use(server):
    port = urlsplit(server.url).port
    with pytest.raises(ServingError, match=f"Port {port} of .* is in use; choose another by --port") as refused:
        RestServer(server.manager, port=port)
    assert refused.value.status == "UNAVAILABLE"
    with pytest.raises(ServingError, match=r"Port 99999 of .* cannot be had"):
        RestServer(server.manager, port=99999)


def test_missing_extra(server, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ImportError, match=r"needs the extra \[serve\]: pip install 'kerasfusion\[serve\]'"):
        RestServer(server.manager, port=0)


def test_the_command_line_names_the_missing_extra(tmp_path, toy_exports, monkeypatch, capsys):
    from kerasfusion import cli

    add_version(toy_exports, tmp_path / "toy", 1)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.setattr(sys, "argv", ["kerasfusion", "serve", str(tmp_path)])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    message = "Error: `kerasfusion serve` needs the extra [serve]: pip install 'kerasfusion[serve]'"
    assert message in capsys.readouterr().err


def test_nothing_here_imports_tensorflow():
    command = "import sys, kerasfusion.serving.http_server; print(sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_to_serve(tmp_path, toy_exports, messages):
    with pytest.raises(ServingError, match="holds no model"):
        serve(tmp_path, port=0)
    assert messages == [http_server.NOTICE]
    broken = add_version(toy_exports, tmp_path / "toy", 1)
    (broken / "saved_model.pb").write_bytes(b"broken")
    with pytest.raises(ServingError, match=r"Model toy cannot be served: version 1: .*Read less bytes than"):
        serve(tmp_path, port=0)


def test_curl_line_is_taken_by_a_shell(server, tmp_path):
    (version,) = server.manager.available("toy")
    (tmp_path / "image.png").write_bytes(b"\x89PNG\xff")
    # A shell function in curl's place shows what curl would be given.
    script = "curl() { printf '%s\\n' \"$@\"; }; " + curl_line(version, server.url)
    shell = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    option, body, path = shell.stdout.splitlines()
    assert option == "-d"
    assert path == f"{server.url}/v1/models/toy:predict"
    answer, content = ask(server, "POST", "/v1/models/toy:predict", body)
    assert answer.status == 200
    # The text of the warm-up request, with its quotation mark.
    assert json.loads(content)["predictions"] == [{"image_bytes": {"b64": "iVBOR/8="}, "length": 8.0, "text": "it's"}]


def test_the_command_serves_reloads_and_stops(tmp_path, toy_exports):
    add_version(toy_exports, tmp_path / "toy", 1)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "kerasfusion.cli", "serve", str(tmp_path), "--port", str(port)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        lines = []
        for line in process.stdout:
            lines.append(line.strip())
            if line.startswith("Listening"):
                add_version(toy_exports, tmp_path / "toy", 2, factor=3)
            if line.startswith("toy: version 1 is unloaded"):
                process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
    assert lines[0] == http_server.NOTICE
    assert "stand-in" in lines[0] and "production runs TensorFlow Serving" in lines[0]
    assert "Serving toy: version 1" in lines
    assert f"Listening on http://127.0.0.1:{port}; Ctrl-C stops it. Try:" in lines
    assert lines[-1] == "Stopped."
