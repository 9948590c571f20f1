"""uvicorn's HTTP connection, with the deadlines that uvicorn does not have.

uvicorn times the pause between two requests. Neither it nor hypercorn, granian or waitress bounds the time until the
headers of a request are complete, which a client that sends a byte now and then draws out for ever.
"""

import json

from uvicorn.protocols.http.h11_impl import H11Protocol

_BUSY = json.dumps({"error": "The server has as many connections as it takes; try again later."}).encode()
_BUSY_ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(_BUSY), _BUSY)
)


def connection_class(limits):
    """Make the class of connections that `uvicorn.Config(http=...)` takes, with the deadlines of `ServerLimits`."""

    class Connection(H11Protocol):
        deadline = None

        def connection_made(self, transport):
            super().connection_made(transport)
            self.expect(limits.header_timeout)
            if len(self.connections) > limits.max_connections:
                transport.write(_BUSY_ANSWER)
                transport.close()

        def connection_lost(self, error):
            self.expect(None)
            super().connection_lost(error)

        def data_received(self, data):
            super().data_received(data)
            # The rest of a refused body comes after the answer; it is no request yet either.
            if self.cycle is not None and not self.cycle.response_complete:
                self.expect(None)
            elif self.deadline is None:
                self.expect(limits.header_timeout)

        def pause_writing(self):
            super().pause_writing()
            self.expect(limits.write_timeout)

        def resume_writing(self):
            super().resume_writing()
            self.expect(None)

        def on_response_complete(self):
            super().on_response_complete()
            # What is not yet written keeps a closed connection open.
            if self.transport.is_closing():
                self.expect(limits.write_timeout)

        def timeout_keep_alive_handler(self):
            super().timeout_keep_alive_handler()
            self.expect(limits.write_timeout)

        def expect(self, seconds):
            """End the connection unless something happens within so many seconds; `None` waits for ever."""
            if self.deadline is not None:
                self.deadline.cancel()
            self.deadline = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)

    return Connection
