"""What goes wrong while serving, with TensorFlow's status codes."""

_STATUS_NAMES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
UNKNOWN = 2
INVALID_ARGUMENT = 3
NOT_FOUND = 5
FAILED_PRECONDITION = 9
UNIMPLEMENTED = 12
INTERNAL = 13
UNAVAILABLE = 14


class ServingError(ValueError):
    """A SavedModel that cannot be loaded, or a request it cannot answer.

    Args:
        message: What went wrong; TensorFlow's own message where the error is TensorFlow's.
        code: TensorFlow's status code (the same numbers as gRPC's).

    Attributes:
        message: As given.
        code: As given.
        status: Name of the code, such as `"NOT_FOUND"`.

    Example:
    >>> ServingError("no such signature", code=5).status
    'NOT_FOUND'
    """

    def __init__(self, message, code=INVALID_ARGUMENT):
        self.message = message
        self.code = code
        self.status = _STATUS_NAMES[code] if 0 <= code < len(_STATUS_NAMES) else str(code)
        super().__init__(f"[{self.status}] {message}")
