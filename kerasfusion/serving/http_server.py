"""A stand-in for TF Serving's REST interface over HTTP, for trying things out; production runs TF Serving."""

import asyncio
import errno
import json
import os
import shlex
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from kerasfusion.serving import rest_api, warmup
from kerasfusion.serving.errors import NOT_FOUND, UNAVAILABLE, ServingError
from kerasfusion.serving.model_config import metrics_path
from kerasfusion.serving.model_manager import ModelManager
from kerasfusion.serving.request_metrics import RequestMetrics

MAX_REQUEST_BYTES = 64 * 1024 * 1024
NOTICE = "A stand-in for TensorFlow Serving's REST API, for trying things out; production runs TensorFlow Serving."


class RestServer:
    """Answers REST requests on a port, from a thread of its own.

    Requests are read and written by one event loop; JSON and models run on a pool of threads, TensorFlow's part of it
    side by side.

    Args:
        manager: A `ModelManager`.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        threads: Requests answered at the same time; `None` for one per core.
        max_request_bytes: Larger requests get 413.
        metrics_path: Address of the Prometheus page; `None` for none.

    Attributes:
        url: Where it listens, such as `"http://127.0.0.1:8501"`.

    Raises:
        ImportError: The extra `[serve]` is not installed.
        ServingError: The port is in use, or not one to be had.

    Example:
    ```python
    with RestServer(manager, port=0) as server:
        print(server.url)
    ```
    """

    def __init__(
        self,
        manager,
        host="127.0.0.1",
        port=8501,
        threads=None,
        max_request_bytes=MAX_REQUEST_BYTES,
        metrics_path=None,
    ):
        uvicorn, self._starlette = _http_libraries()
        self._manager = manager
        self._max_request_bytes = max_request_bytes
        self._metrics = RequestMetrics()
        self._pool = ThreadPoolExecutor(threads or os.cpu_count(), thread_name_prefix="request")
        self._socket = _bind(host, port)
        port = self._socket.getsockname()[1]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        app = self._starlette.applications.Starlette()
        methods = ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"]
        if metrics_path:
            app.add_route(metrics_path, self._metrics_page, methods=["GET"])
        app.add_route("/{path:path}", self._answer, methods=methods)
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, lifespan="off"))
        # uvicorn listens to signals only in the main thread, and would die of them; serve() ends it gently.
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, name="http")

    def start(self):
        """Starts to listen. Returns when requests are answered."""
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.005)
        if not self._server.started:
            raise ServingError(f"{self.url} cannot be listened on; is another server starting there?", UNAVAILABLE)
        return self

    def stop(self):
        """Takes no more requests, and returns when those in flight are answered."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._pool.shutdown()
        self._socket.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *exception):
        self.stop()

    async def _answer(self, request):
        started = time.perf_counter()
        try:
            body = await self._body(request)
        except self._starlette.requests.ClientDisconnect:
            # Nobody is left to read this.
            return self._response(b"", 499)
        if body is None:
            message = f"The request is larger than {self._max_request_bytes} bytes."
            return self._response(json.dumps({"error": message}).encode(), 413)
        path = request.scope["raw_path"].decode("ascii")
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(self._pool, rest_api.answer, self._manager, request.method, path, body)
        self._metrics.add(answer, time.perf_counter() - started)
        return self._response(answer.body, answer.http_status)

    async def _body(self, request):
        """The body, or `None` where it is too large; then the rest of it is not read."""
        length = request.headers.get("content-length", "0")
        if int(length) > self._max_request_bytes:
            return None
        parts, size = [], 0
        async for part in request.stream():
            size += len(part)
            if size > self._max_request_bytes:
                return None
            parts.append(part)
        return b"".join(parts)

    async def _metrics_page(self, request):
        return self._starlette.responses.PlainTextResponse(self._metrics.page())

    def _response(self, body, status):
        return self._starlette.responses.Response(body, status, media_type="application/json")


def serve(folder, host="127.0.0.1", port=8501, threads=None, max_request_bytes=MAX_REQUEST_BYTES, say=print):
    """Serves SavedModels as TensorFlow Serving's REST API does, until SIGTERM or Ctrl-C. Runs in the main thread.

    A stand-in for trying things out; production runs TensorFlow Serving. The models run in the same C++ runtime, and
    requests, answers and errors follow the server's. What is not here: gRPC, batching between requests, `classify`
    and `regress`, compressed requests, time limits.

    Args:
        folder: A folder of models, or of one model; see `model_config.read_models()`.
        host: Address to listen on.
        port: Port to listen on.
        threads: Requests answered at the same time; `None` for one per core.
        max_request_bytes: Larger requests get 413.
        say: Called with lines of text about what is going on.

    Raises:
        ImportError: The extra `[serve]` is not installed.
        ServingError: There is no model, a model has no version that can be served, or the port is in use.

    Example:
    ```python
    kf.serving.serve("saved_models", port=8501)
    ```
    """
    say(NOTICE)
    manager = ModelManager(folder, say)
    server = RestServer(manager, host, port, threads, max_request_bytes, metrics_path(folder))
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        manager.poll()
        _check_models(manager)
        for number in before:
            signal.signal(number, lambda *_: stop.set())
        server.start()
        manager.watch()
        for line in _start_lines(manager, server.url):
            say(line)
        stop.wait()
        say("Stopping: requests in flight are still answered.")
    finally:
        server.stop()
        manager.close()
        for number, handler in before.items():
            signal.signal(number, handler)
    say("Stopped.")


def _http_libraries():
    try:
        import starlette.applications
        import starlette.requests
        import starlette.responses
        import uvicorn
    except ImportError as error:
        raise ImportError(
            f"`kerasfusion serve` needs the extra [serve]: pip install 'kerasfusion[serve]' ({error})"
        ) from None
    return uvicorn, starlette


def _bind(host, port):
    # Before the models are loaded, which takes long, and without listening yet: nobody waits at a closed door.
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        bound.close()
        reason = "is in use" if getattr(error, "errno", None) == errno.EADDRINUSE else f"cannot be had ({error})"
        raise ServingError(f"Port {port} of {host} {reason}; choose another by --port.", UNAVAILABLE) from None
    return bound


def _check_models(manager):
    if not manager.models:
        raise ServingError(f"{manager.folder} holds no model: no <name>/<version>/saved_model.pb.", NOT_FOUND)
    for name, model in manager.models.items():
        if manager.available(name):
            continue
        errors = [f"version {version.number}: {version.error}" for version in manager.versions(name)]
        reason = "; ".join(errors) or f"no version to serve in {model.base_path}"
        raise ServingError(f"Model {name} cannot be served: {reason}", NOT_FOUND)


def _start_lines(manager, url):
    for name, model in manager.models.items():
        versions = ", ".join(_with_labels(version.number, model) for version in manager.available(name))
        yield f"Serving {name}: version {versions}"
    yield f"Listening on {url}; Ctrl-C stops it. Try:"
    yield curl_line(manager.available(next(iter(manager.models)))[0], url)


def _with_labels(number, model):
    labels = [label for label, labelled in model.labels.items() if labelled == number]
    return f"{number} ({', '.join(sorted(labels))})" if labels else str(number)


def curl_line(version, url):
    """A command that asks a version something, with the text of its warm-up request; a picture is yours to add.

    Args:
        version: An available `ModelVersion`.
        url: Where the server listens.

    Returns:
        A line for a shell.
    """
    path = f"{url}/v1/models/{version.model}"
    file = version.path / warmup.FILE
    requests = warmup.read_warmup(file) if file.is_file() else []
    inputs = next((inputs for signature, inputs, _ in requests if signature == "serving_default"), None)
    if inputs is None:
        return f"curl {path}/metadata"
    row = {}
    for name, values in sorted(inputs.items()):
        value = values[0]
        if name.endswith("_bytes"):
            row[name] = {"b64": "PICTURE"}
        else:
            row[name] = value.decode(errors="replace") if isinstance(value, bytes) else value.tolist()
    body = shlex.quote(json.dumps({"instances": [row]}, ensure_ascii=False))
    return f"curl -d {body.replace('PICTURE', _PICTURE)} {path}:predict"


# Closes the quotes around the JSON for a moment.
_PICTURE = "'$(base64 -w0 picture.png)'"
