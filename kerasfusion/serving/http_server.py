"""A stand-in for TF Serving's REST interface over HTTP, for trying things out; production runs TF Serving."""

import asyncio
import errno
import json
import logging
import os
import shlex
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from kerasfusion.progress import progress
from kerasfusion.serving import rest_api, warmup
from kerasfusion.serving.errors import NOT_FOUND, UNAVAILABLE, ServingError
from kerasfusion.serving.model_config import metrics_path
from kerasfusion.serving.model_manager import ModelManager
from kerasfusion.serving.request_metrics import RequestMetrics
from kerasfusion.serving.server_limits import DEFAULT_LIMITS

logger = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 64 * 1024 * 1024
_JSON = "application/json"
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
        limits: `ServerLimits`: rows, bytes, connections and time that clients may take.

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
        limits=DEFAULT_LIMITS,
    ):
        uvicorn, self._starlette, connection_class = _http_libraries()
        self._manager = manager
        self._max_request_bytes = max_request_bytes
        self._limits = limits
        self._body_bytes = 0
        self._running = set()
        self._metrics_path = metrics_path
        self._metrics = RequestMetrics()
        self._pool = ThreadPoolExecutor(threads or os.cpu_count(), thread_name_prefix="request")
        self._socket = _bind(host, port)
        port = self._socket.getsockname()[1]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._app,
                http=connection_class(limits),
                interface="asgi3",
                ws="none",
                lifespan="off",
                log_level="error",
                access_log=False,
                timeout_keep_alive=limits.keep_alive_timeout,
                timeout_graceful_shutdown=limits.graceful_timeout,
            )
        )
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
        """Takes no more requests, and returns when those in flight are answered or `graceful_timeout` is over.

        Returns:
            Whether no model runs any more; one that does cannot be interrupted, only left behind.
        """
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._socket.close()
        return all(future.done() for future in list(self._running))

    def __enter__(self):
        return self.start()

    def __exit__(self, *exception):
        self.stop()

    async def _app(self, scope, receive, send):
        request = self._starlette.requests.Request(scope, receive)
        body, status, media_type = await self._answer(request)
        response = self._starlette.responses.Response(body, status, media_type=media_type)
        await response(scope, receive, send)

    async def _answer(self, request):
        """Body, status and media type of the answer to a request."""
        if self._metrics_path and request.scope["path"] == self._metrics_path and request.method in ("GET", "HEAD"):
            return self._metrics.page(), 200, "text/plain"
        started = time.perf_counter()
        body = bytearray()
        try:
            await asyncio.wait_for(self._read_body(request, body), self._limits.body_timeout)
            answer = await self._run(request, body)
        except _RefusedError as refused:
            return _error(*refused.args)
        except TimeoutError:
            return _error(408, f"The body did not arrive within {self._limits.body_timeout:g} s.")
        except asyncio.CancelledError:
            return _error(503, "The server is stopping.")
        except self._starlette.requests.ClientDisconnect:
            # Nobody is left to read this.
            return b"", 499, _JSON
        finally:
            self._body_bytes -= len(body)
        self._metrics.add(answer, time.perf_counter() - started)
        return answer.body, answer.http_status, _JSON

    async def _read_body(self, request, body):
        """Append the body to `body`. The rest of one that is refused is not kept."""
        limit = self._max_request_bytes
        too_large = _RefusedError(413, f"The request is larger than {limit} bytes (--max-request-bytes).")
        if int(request.headers.get("content-length", "0")) > limit:
            raise too_large
        async for part in request.stream():
            body += part
            self._body_bytes += len(part)
            if len(body) > limit:
                raise too_large
            if self._body_bytes > self._limits.max_body_bytes:
                raise _RefusedError(503, "The server holds as many bytes of requests as it takes; try again later.")

    async def _run(self, request, body):
        path = request.scope["raw_path"].decode("ascii")
        arguments = (self._manager, request.method, path, body, self._limits)
        future = self._pool.submit(rest_api.answer, *arguments)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return await asyncio.wrap_future(future)


class _RefusedError(Exception):
    """A request that is answered with a status and a message before it is read to its end."""


def _error(status, message):
    return json.dumps({"error": message}).encode(), status, _JSON


def serve(
    folder,
    host="127.0.0.1",
    port=8501,
    threads=None,
    max_request_bytes=MAX_REQUEST_BYTES,
    limits=DEFAULT_LIMITS,
    verbose=1,
):
    """Serves SavedModels as TensorFlow Serving's REST API does, until SIGTERM or Ctrl-C. Runs in the main thread.

    A stand-in for trying things out; production runs TensorFlow Serving. The models run in the same C++ runtime, and
    requests, answers and errors follow the server's. What is not here: gRPC, batching between requests, `classify`
    and `regress`, compressed requests, a time limit for the model's own work. What is here only: `ServerLimits`.

    The first SIGTERM or Ctrl-C takes no more requests and answers those in flight, for `limits.graceful_timeout` at
    most; if a model still runs then, or at a second signal, the signal ends the process at once.

    Args:
        folder: A folder of models, or of one model; see `model_config.read_models()`.
        host: Address to listen on.
        port: Port to listen on.
        threads: Requests answered at the same time; `None` for one per core.
        max_request_bytes: Larger requests get 413.
        limits: `ServerLimits`: rows, bytes, connections and time that clients may take.
        verbose: Whether to log what is going on (0 or False: silent).

    Raises:
        ImportError: The extra `[serve]` is not installed.
        ServingError: There is no model, a model has no version that can be served, or the port is in use.

    Example:
    ```python
    kf.serving.serve("saved_models", port=8501)
    ```
    """
    with progress(verbose):
        _serve(folder, host, port, threads, max_request_bytes, limits)


def _serve(folder, host, port, threads, max_request_bytes, limits):
    logger.info(NOTICE)
    manager = ModelManager(folder)
    server = RestServer(manager, host, port, threads, max_request_bytes, metrics_path(folder), limits)
    stop = threading.Event()
    received = []

    def stop_or_end(number, frame):
        # The next signal has its default effect, whatever Python is doing.
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        received.append(number)
        stop.set()

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        manager.poll()
        _check_models(manager)
        for number in before:
            signal.signal(number, stop_or_end)
        server.start()
        manager.watch()
        for line in _start_lines(manager, server.url):
            logger.info(line)
        stop.wait()
        logger.info(f"Stopping: requests in flight are still answered, for {limits.graceful_timeout:g} s at most.")
    finally:
        if not server.stop() and received:
            logger.info("A request still runs and is given up.")
            signal.raise_signal(received[0])
        manager.close()
        for number, handler in before.items():
            signal.signal(number, handler)
    logger.info("Stopped.")


def _http_libraries():
    try:
        import starlette.requests
        import starlette.responses
        import uvicorn

        from kerasfusion.serving.http_connection import connection_class
    except ImportError as error:
        raise ImportError(
            f"`kerasfusion serve` needs the extra [serve]: pip install 'kerasfusion[serve]' ({error})"
        ) from None
    return uvicorn, starlette, connection_class


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
    """A command that asks a version something, with the text of its warm-up request; an image is yours to add.

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
            row[name] = {"b64": "IMAGE"}
        else:
            row[name] = value.decode(errors="replace") if isinstance(value, bytes) else value.tolist()
    body = shlex.quote(json.dumps({"instances": [row]}, ensure_ascii=False))
    return f"curl -d {body.replace('IMAGE', _IMAGE)} {path}:predict"


# Closes the quotes around the JSON for a moment.
_IMAGE = "'$(base64 -w0 image.png)'"
