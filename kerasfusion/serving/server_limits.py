"""What one client may take of the stand-in server: rows, bytes, connections and time."""

from dataclasses import asdict, dataclass

from kerasfusion.bounds import check_bounds


@dataclass(frozen=True)
class ServerLimits:
    """Limits of `RestServer` and `serve()`. Times are in seconds.

    Args:
        max_rows: Rows of one request; more get 400.
        max_decoded_bytes: Bytes of one request once its images are decoded, as float32 at the model's image size;
            more get 400. Intermediate results of the model take several times as much.
        max_body_bytes: Bytes of all request bodies held at the same time; a request past that gets 503.
        max_connections: Open connections; one more gets 503 and is closed.
        header_timeout: For the request line and headers; then the connection is closed.
        body_timeout: For the body of a request; then it gets 408.
        write_timeout: Without a client reading its answer; then the connection is closed.
        keep_alive_timeout: Between two requests on a connection; then it is closed.
        graceful_timeout: For requests in flight when the server stops; then they are given up.

    Raises:
        ValueError: A limit is out of its bounds.

    Example:
    ```python
    kf.serving.serve("saved_models", limits=ServerLimits(max_rows=64, body_timeout=10))
    ```
    """

    max_rows: int = 1024
    max_decoded_bytes: int = 256 * 1024 * 1024
    max_body_bytes: int = 256 * 1024 * 1024
    max_connections: int = 512
    header_timeout: float = 10.0
    body_timeout: float = 60.0
    write_timeout: float = 60.0
    keep_alive_timeout: float = 30.0
    graceful_timeout: float = 10.0

    def __post_init__(self):
        check_bounds(**asdict(self))


DEFAULT_LIMITS = ServerLimits()
