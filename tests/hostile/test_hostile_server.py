"""The stand-in server under clients that are slow, greedy or wrong, and folders that change under it."""

import base64
import contextlib
import http.client
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import pytest
from hostile.budget import examples
from hypothesis import given
from hypothesis import strategies as st
from serving.toy_export import add_version, write_version

from kerasfusion.serving import http_server, model_manager, rest_api
from kerasfusion.serving.errors import ServingError
from kerasfusion.serving.http_server import RestServer
from kerasfusion.serving.model_config import metrics_path, read_models
from kerasfusion.serving.model_manager import ModelManager
from kerasfusion.serving.server_limits import ServerLimits

PREDICT = "/v1/models/toy:predict"
BODY = json.dumps({"instances": [{"text": "a", "image_bytes": {"b64": "AA=="}}]}).encode()


@pytest.fixture(scope="module")
def toy_exports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy_exports")
    write_version(folder / "2", 2)
    return {2: folder / "2"}


@pytest.fixture(scope="module")
def manager(tmp_path_factory, toy_exports):
    folder = tmp_path_factory.mktemp("models")
    add_version(toy_exports, folder / "toy", 1)
    manager = ModelManager(folder)
    manager.poll()
    yield manager
    manager.close()


@pytest.fixture
def serving(manager):
    """`serving(**limits)`: a server with these limits."""
    with contextlib.ExitStack() as stack:
        yield lambda **limits: stack.enter_context(RestServer(manager, port=0, limits=ServerLimits(**limits)))


def connect(server):
    address = urlsplit(server.url)
    return socket.create_connection((address.hostname, address.port), timeout=20)


def head(method="POST", path=PREDICT, **headers):
    lines = [f"{method} {path} HTTP/1.1", "host: here", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def answer_of(connection):
    """Status and JSON of the next answer on a connection."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, json.loads(response.read() or b"null")


def ended(connection):
    """Whether the server closed the connection, rather than that nothing came within its timeout."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def ask(server, body=BODY):
    with connect(server) as connection:
        connection.sendall(head(content_length=len(body)) + body)
        return answer_of(connection)


# Slow clients.


@pytest.mark.parametrize("sent", [b"", b"POST /v1/mod", head()[:-2]])
def test_a_request_that_is_never_complete_is_dropped(serving, sent):
    server = serving(header_timeout=0.2)
    with connect(server) as connection:
        connection.sendall(sent)
        assert ended(connection)


def test_a_byte_now_and_then_does_not_keep_a_connection(serving):
    server = serving(header_timeout=0.3, keep_alive_timeout=0.3)
    with connect(server) as connection:
        # On a connection that was used before, too.
        connection.sendall(head(content_length=len(BODY)) + BODY)
        assert answer_of(connection)[0] == 200
        started = time.monotonic()
        with pytest.raises(OSError):
            for byte in head(filler="x" * 10_000):
                connection.sendall(bytes([byte]))
                time.sleep(0.02)
        assert time.monotonic() - started < 5


def test_an_idle_connection_is_dropped_after_the_keep_alive_timeout(serving):
    server = serving(keep_alive_timeout=0.2)
    with connect(server) as connection:
        connection.sendall(head("GET", "/v1/models/toy"))
        assert answer_of(connection)[0] == 200
        assert ended(connection)


def test_a_body_that_trickles_is_refused(serving):
    server = serving(body_timeout=0.3, header_timeout=0.3)
    with connect(server) as connection:
        connection.sendall(head(content_length=1000))
        for _ in range(10):
            connection.sendall(b" ")
            time.sleep(0.02)
        assert answer_of(connection) == (408, {"error": "The body did not arrive within 0.3 s."})
        connection.sendall(b" ")
        assert ended(connection)


def test_a_client_that_never_reads_is_dropped(serving):
    server = serving(write_timeout=0.3)
    image = base64.b64encode(bytes(12_000_000)).decode()
    body = json.dumps({"instances": [{"text": "", "image_bytes": {"b64": image}}]}).encode()
    with connect(server) as connection:
        connection.sendall(head(content_length=len(body)) + body)
        wait_for(lambda: server._server.server_state.total_requests == 1)
        wait_for(lambda: not server._server.server_state.connections)
    assert ask(server)[0] == 200


def test_connections_are_limited_and_the_idle_ones_make_room(serving):
    server = serving(max_connections=20, header_timeout=0.5)
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connect(server)) for _ in range(20)]
        with connect(server) as connection:
            status, content = answer_of(connection)
            assert (status, "as many connections" in content["error"]) == (503, True)
        assert all(ended(connection) for connection in idle)
        assert ask(server)[0] == 200


# Greedy clients.


def test_the_bodies_held_are_bounded(serving):
    server = serving(max_body_bytes=100_000)
    with connect(server) as first, connect(server) as second:
        first.sendall(head(content_length=90_000) + b" " * 80_000)
        wait_for(lambda: server._body_bytes == 80_000)
        second.sendall(head(content_length=50_000) + b" " * 50_000)
        status, content = answer_of(second)
        assert (status, "try again later" in content["error"]) == (503, True)
        first.sendall(b" " * 10_000)
        assert answer_of(first)[0] == 400
    wait_for(lambda: server._body_bytes == 0)


def rows(number, by):
    if by == "instances":
        return json.dumps({"instances": [{"text": "", "image_bytes": ""}] * number}).encode()
    return json.dumps({"inputs": {"text": [""] * number, "image_bytes": [""] * number}}).encode()


@pytest.mark.parametrize("by", ["instances", "inputs"])
def test_rows_are_limited(manager, by):
    assert rest_api.answer(manager, "POST", PREDICT, rows(1024, by)).http_status == 200
    refused = rest_api.answer(manager, "POST", PREDICT, rows(20_000, by))
    assert refused.http_status == 400
    assert b"20000 rows; this server takes at most 1024 " in refused.body and b"--max-rows" in refused.body
    # The largest signature of the toy takes two numbers a row.
    limits = ServerLimits(max_decoded_bytes=80)
    assert rest_api.answer(manager, "POST", PREDICT, rows(10, by), limits).http_status == 200
    assert b"at most 10 " in rest_api.answer(manager, "POST", PREDICT, rows(11, by), limits).body


def test_limits_are_positive():
    with pytest.raises(ValueError, match="max_rows must be a whole number from 1 to 10,000,000, not 0"):
        ServerLimits(max_rows=0)
    with pytest.raises(ValueError, match=r"body_timeout must be a number above 0 .* not nan"):
        ServerLimits(body_timeout=float("nan"))


# Wrong clients.


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"inputs": {"text": [], "image_bytes": []}}', b"No values in input image_bytes of 'inputs'"),
        (b'{"inputs": {"text": %b, "image_bytes": []}}' % (b"[" * 65 + b"]" * 65), b"No values in input image_bytes"),
        (b'{"instances": [{"text": %b, "image_bytes": ""}]}' % (b"[" * 65 + b"]" * 65), b"nested 65 deep"),
        (b'{"instances": [{"text": %b, "image_bytes": ""}]}' % (b"[" * 500 + b"]" * 500), b"nested 500 deep"),
        (b'{"signature_name": "times", "inputs": %b}' % (b"[" * 65 + b"1" + b"]" * 65), b"nested 65 deep"),
        (b'{"signature_name": "times", "inputs": %b}' % (b"[" * 30 + b"1" + b"]" * 30), b"has shape"),
        (b"[" * 100_000, b"JSON Parse error"),
    ],
)
def test_odd_lists_are_refused(manager, body, message):
    refused = rest_api.answer(manager, "POST", PREDICT, body)
    assert (refused.http_status, message in refused.body) == (400, True), refused


@pytest.mark.parametrize("method", ["FOO", "TRACE", "get", "PROPFIND", "!#$"])
def test_unknown_verbs_get_the_answer_of_known_ones(serving, method):
    server = serving()
    with connect(server) as connection:
        connection.sendall(head(method, "/v1/models/toy"))
        assert answer_of(connection) == (400, {"error": f"Malformed request: {method} /v1/models/toy"})


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.builds(lambda text: {"b64": text}, st.text("AZaz09+/-_=é ", max_size=9)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(["text", "image_bytes", "x", "b64", "instances", ""]) | st.text(max_size=3)
SIGNATURES = st.sampled_from(["serving_default", "times", "total", "", "none", "__saved_model_init_op"])
ROW = st.dictionaries(NAMES, JSON, max_size=3) | st.fixed_dictionaries({"text": JSON, "image_bytes": JSON}) | JSON
COLUMNS = st.fixed_dictionaries({"text": st.lists(JSON, max_size=3), "image_bytes": st.lists(JSON, max_size=3)})
REQUEST = st.fixed_dictionaries(
    {},
    optional={
        "instances": st.lists(ROW, max_size=4) | JSON,
        "inputs": COLUMNS | ROW,
        "signature_name": SIGNATURES | JSON,
        "examples": JSON,
    },
)


@st.composite
def damaged(draw, contents):
    """Bytes with a piece cut out, and others put in its place."""
    content = draw(contents)
    start = draw(st.integers(0, len(content)))
    end = draw(st.integers(start, len(content)))
    return content[:start] + draw(st.binary(max_size=6)) + content[end:]


# What a signature takes, or nearly.
VALUE = st.text(max_size=9) | st.binary(max_size=9).map(lambda content: {"b64": base64.b64encode(content).decode()})
PAIR = st.lists(st.floats(width=32) | st.integers(-9, 9), min_size=2, max_size=2)
SERVED = st.fixed_dictionaries(
    {"instances": st.lists(st.fixed_dictionaries({"text": VALUE, "image_bytes": VALUE}), min_size=1, max_size=4)}
) | st.fixed_dictionaries(
    {"signature_name": st.sampled_from(["times", "total"]), "inputs": st.lists(PAIR, max_size=3)}
)
WELL_FORMED = (SERVED | REQUEST | JSON).map(lambda value: json.dumps(value).encode())
BODIES = WELL_FORMED | damaged(WELL_FORMED) | st.binary(max_size=40)
METHODS = st.sampled_from(["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PRI", "x"])
KNOWN_PARTS = ["/v1", "/models", "/toy", ":predict", ":classify", ":regress", "/metadata", "/versions/", "/labels/"]
ODD_PARTS = ["1", "2" * 30, "%", "%2e", "%ff", "%00", "..", "//", "?", "#", ":", "stable", "*", "[", "http://x"]
PARTS = st.sampled_from([*KNOWN_PARTS, *ODD_PARTS, "/monitoring"])
PATHS = st.sampled_from([PREDICT, "/v1/models/toy:classify", "/v1/models/toy/versions/1/metadata"]) | st.lists(
    PARTS | st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=3), max_size=7
).map("".join)


@pytest.mark.hostile
@examples(150, 20_000)
@given(METHODS, PATHS, BODIES)
def test_no_request_is_the_servers_fault(manager, method, path, body):
    answer = rest_api.answer(manager, method, path, body)
    assert answer.http_status < 500, answer


@pytest.mark.hostile
@examples(100, 10_000)
@given(BODIES)
def test_no_predict_request_is_the_servers_fault(manager, body):
    answer = rest_api.answer(manager, "POST", PREDICT, body)
    assert answer.http_status < 500, answer
    assert answer.http_status == 200 or list(json.loads(answer.body)) == ["error"]


@st.composite
def framings(draw, body):
    """Headers and bytes for a body: with its length, in chunks, and often wrong."""
    size = len(body)
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:3], body[3:]) if part)
    length = st.sampled_from(
        [size, size, size + 1, max(0, size - 1), -1, 2**40, 10**30, "", "a", "1, 2", "+1", "1_0"]
    )
    given_length = draw(length)
    return draw(
        st.sampled_from(
            [
                (b"content-length: %b\r\n" % str(given_length).encode(), body),
                (b"", body),
                (b"transfer-encoding: chunked\r\n", chunks + b"0\r\n\r\n"),
                (b"transfer-encoding: chunked\r\n", chunks[:-1]),
                (b"transfer-encoding: chunked\r\n", b"fffffffffffffffffffff\r\n" + body),
                (b"transfer-encoding: chunked\r\n", b"-1\r\n" + body),
                (b"transfer-encoding: chunked\r\n", b"1;" + b"x" * 70_000 + b"\r\n"),
                (b"transfer-encoding: chunked\r\ncontent-length: 3\r\n", chunks + b"0\r\n\r\n"),
                (b"transfer-encoding: gzip, chunked\r\n", chunks + b"0\r\n\r\n"),
                (b"expect: 100-continue\r\ncontent-length: %d\r\n" % size, body),
                (b"upgrade: websocket\r\nconnection: upgrade\r\ncontent-length: %d\r\n" % size, body),
                (b"content-length: 0\r\ncontent-length: %d\r\n" % size, body),
            ]
        )
    )


ODD_HEADERS = [b"host: [", b"host:", b"host: a\r\nhost: b", b" folded", b"x: \xff", b"x: \0", b"no colon", b": empty"]
PLAIN_HEADERS = [
    b"connection: close",
    b"content-type: \xff",
    b"x: " + b"y" * 70_000,
    b"accept-encoding: gzip",
    b"x: y",
]
HEADER_LINES = st.lists(st.sampled_from(ODD_HEADERS + PLAIN_HEADERS), max_size=2)


@st.composite
def raw_requests(draw):
    """The bytes of a request, of which any part may be wrong."""
    framing, content = draw(BODIES.flatmap(framings))
    version = draw(st.sampled_from([b"HTTP/1.1"] * 4 + [b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9", b""]))
    line = b"%b %b %b\r\n" % (draw(METHODS).encode(), draw(PATHS).encode(), version)
    headers = b"".join(header + b"\r\n" for header in draw(HEADER_LINES))
    request = line + b"host: here\r\n" + headers + framing + b"\r\n" + content
    return draw(st.sampled_from([request] * 3 + [request[: len(request) // 2], request + request]))


@pytest.fixture(scope="module")
def impatient(manager):
    """A server that waits for nobody."""
    limits = ServerLimits(header_timeout=0.1, body_timeout=0.1, keep_alive_timeout=0.1)
    with RestServer(manager, port=0, limits=limits, metrics_path="/monitoring") as server:
        yield server


@pytest.mark.hostile
@examples(60, 4_000)
@given(raw_requests())
def test_every_connection_ends_without_an_error_of_the_server(impatient, request_bytes):
    with connect(impatient) as connection:
        received = b""
        # The server may close before it has read everything. More than 20 s without a byte is a hang, and raises.
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            connection.sendall(request_bytes)
            while part := connection.recv(65_536):
                received += part
    assert not received or received.startswith((b"HTTP/1.1 1", b"HTTP/1.1 2", b"HTTP/1.1 4")), received
    assert b"HTTP/1.1 5" not in received


def test_the_server_still_answers_after_all_of_these(impatient):
    assert ask(impatient)[0] == 200
    wait_for(lambda: not impatient._server.server_state.connections)
    assert impatient._body_bytes == 0


# Stopping.


def test_a_half_sent_body_does_not_hold_up_the_end(manager, capfd):
    server = RestServer(manager, port=0, limits=ServerLimits(graceful_timeout=0.3)).start()
    with connect(server) as half:
        half.sendall(head(content_length=1000) + b"{")
        wait_for(lambda: server._body_bytes == 1)
        started = time.monotonic()
        assert server.stop()
        assert time.monotonic() - started < 5
        assert answer_of(half) == (503, {"error": "The server is stopping."})
    assert "Traceback" not in capfd.readouterr().err


def test_a_request_that_still_runs_is_left_behind(manager, monkeypatch):
    go_on = threading.Event()
    monkeypatch.setattr(http_server.rest_api, "answer", lambda *_: go_on.wait(20))
    server = RestServer(manager, port=0, limits=ServerLimits(graceful_timeout=0.2)).start()
    with connect(server) as connection:
        connection.sendall(head(content_length=2) + b"{}")
        wait_for(lambda: server._running)
        assert not server.stop()
        go_on.set()


STUCK = """
import sys, time
from kerasfusion.serving import http_server
from kerasfusion.serving.server_limits import ServerLimits
http_server.rest_api.answer = lambda *_: time.sleep(60)
limits = ServerLimits(graceful_timeout=float(sys.argv[2]))
http_server.serve(sys.argv[1], port=0, limits=limits)
"""


@pytest.mark.parametrize(("graceful", "signals"), [(0.2, [signal.SIGTERM]), (60, [signal.SIGINT, signal.SIGTERM])])
def test_a_timeout_or_a_second_signal_ends_the_process(tmp_path, toy_exports, graceful, signals):
    add_version(toy_exports, tmp_path / "toy", 1)
    command = [sys.executable, "-c", STUCK, str(tmp_path), str(graceful)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        url = next(line.split()[2].strip(";") for line in process.stdout if line.startswith("Listening on"))
        address = urlsplit(url)
        with socket.create_connection((address.hostname, address.port)) as connection:
            connection.sendall(head(content_length=2) + b"{}")
            time.sleep(0.3)
            process.send_signal(signals[0])
            assert any(line.startswith("Stopping") for line in process.stdout)
            for number in signals[1:]:
                process.send_signal(number)
            assert process.wait(10) == -signals[-1]


# Folders that change.


def wait_for(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def watched(tmp_path, toy_exports, messages):
    add_version(toy_exports, tmp_path / "toy", 1)
    manager = ModelManager(tmp_path)
    manager.poll()
    manager.watch(seconds=0.02)
    yield tmp_path, manager, messages
    manager.close()


def numbers(manager, name="toy"):
    return [version.number for version in manager.available(name)]


def damage_config(folder):
    (folder / "models.config").write_bytes(b"\xff\xfe model_config_list {")
    return (folder / "models.config").unlink


def damage_config_is_a_folder(folder):
    (folder / "models.config").mkdir()
    return (folder / "models.config").rmdir


def damage_link(folder):
    link = folder / "toy" / "1" / "nowhere"
    link.symlink_to("/does/not/exist")
    return link.unlink


def damage_loop(folder):
    link = folder / "loop"
    link.symlink_to(link)
    return link.unlink


def damage_broken_version_with_link(folder):
    (folder / "broken" / "1").mkdir(parents=True)
    (folder / "broken" / "1" / "saved_model.pb").write_bytes(b"\xff")
    (folder / "broken" / "1" / "variables").symlink_to("/does/not/exist")
    return lambda: None


def damage_name(folder):
    os.mkdir(os.fsencode(folder) + b"/\xff\xfe")
    return lambda: None


@pytest.mark.parametrize(
    "damage",
    [
        damage_config,
        damage_config_is_a_folder,
        damage_link,
        damage_loop,
        damage_broken_version_with_link,
        damage_name,
    ],
)
def test_the_watch_survives(watched, toy_exports, damage):
    folder, manager, lines = watched
    mend = damage(folder)
    time.sleep(0.2)
    assert numbers(manager) == [1]
    assert len(lines) == len(set(lines)), "a problem is said once"
    # While the problem lasts, except that with an unreadable list nothing else is known, and after it.
    add_version(toy_exports, folder / "toy", 2)
    wait_for(lambda: numbers(manager) == [2])
    mend()
    add_version(toy_exports, folder / "toy", 3)
    wait_for(lambda: numbers(manager) == [3])


def test_a_version_with_a_link_that_points_nowhere_is_served(watched, toy_exports):
    folder, manager, _ = watched
    version = add_version(toy_exports, folder / ".hidden", 2)
    (version / "nowhere").symlink_to("/does/not/exist")
    version.rename(folder / "toy" / "2")
    wait_for(lambda: numbers(manager) == [2])


@pytest.mark.parametrize("error", [PermissionError("not yours"), MemoryError(), RuntimeError("a bug")])
def test_the_watch_survives_any_error_and_tells_it_once(watched, toy_exports, monkeypatch, error):
    folder, manager, lines = watched

    def fail(path):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(model_manager, "versions_in", fail)
        wait_for(lambda: any(line.endswith("model toy stays as it is") for line in lines))
        time.sleep(0.1)
    assert len(lines) == len(set(lines))
    add_version(toy_exports, folder / "toy", 2)
    wait_for(lambda: numbers(manager) == [2])


def test_the_watch_survives_a_closed_output(tmp_path, toy_exports, messages, monkeypatch):
    def closed(*_):
        raise BrokenPipeError("nobody reads this")

    monkeypatch.setattr(logging.Logger, "callHandlers", closed)

    add_version(toy_exports, tmp_path / "toy", 1)
    manager = ModelManager(tmp_path)
    manager.poll()
    manager.watch(seconds=0.02)
    add_version(toy_exports, tmp_path / "toy", 2)
    wait_for(lambda: numbers(manager) == [2])
    manager.close()


def test_a_model_whose_folder_is_away_goes_on_serving(watched, toy_exports):
    folder, manager, lines = watched
    (folder / "toy").rename(folder / ".away")
    wait_for(lambda: any("Could not find base path" in line for line in lines))
    time.sleep(0.1)
    assert numbers(manager) == [1]
    assert sum("Could not find base path" in line for line in lines) == 1
    (folder / ".away").rename(folder / "toy")
    add_version(toy_exports, folder / "toy", 2)
    wait_for(lambda: numbers(manager) == [2])
    # A folder that was emptied is another matter.
    shutil.rmtree(folder / "toy" / "1")
    shutil.rmtree(folder / "toy" / "2")
    wait_for(lambda: numbers(manager) == [])


# protobuf's reader warns of an unknown escape in a string; the file is read or refused all the same.
@pytest.mark.filterwarnings("ignore:.*unicode_escape:DeprecationWarning")
@pytest.mark.hostile
@examples(100, 10_000)
@given(
    damaged(
        st.just(
            b"model_config_list { config { name: 'toy' base_path: '/models/toy' model_platform: 'tensorflow' "
            b"model_version_policy { latest { num_versions: 2 } } version_labels { key: 'a' value: 1 } } }"
        )
    )
    | st.binary(max_size=60)
)
def test_no_configuration_file_is_a_traceback(tmp_path, content):
    (tmp_path / "models.config").write_bytes(content)
    (tmp_path / "monitoring.config").write_bytes(content)
    for read in (read_models, metrics_path):
        with contextlib.suppress(ServingError):
            read(tmp_path)
