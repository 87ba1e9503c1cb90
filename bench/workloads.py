"""What is done to an item, and what a request that does it looks like."""

from dataclasses import dataclass

JSON = b'{"ok":true}'

WRITTEN_BY_CLIENTS = ("host", "content-length", "connection")


@dataclass(frozen=True)
class Workload:
    """`delay`: seconds that the server takes; `answer`: its body. Not `is_http`: there is no server."""

    name: str
    delay: float = 0.0
    answer: bytes = b""
    is_http: bool = True
    backfills: int = 1

    @property
    def in_flight(self) -> int:
        return 10 * self.backfills


W1 = Workload("W1", is_http=False)
W2 = Workload("W2")
W2_JSON = Workload("W2, JSON answer", answer=JSON)
W3 = Workload("W3", delay=0.020)
W3_MANY = Workload("W3 x 10", delay=0.020, backfills=10)


@dataclass(frozen=True)
class Request:
    """A request of our daemon as it came to the target, to be sent by others as it is."""

    body: str
    headers: dict[str, str]


def request_of(sample: bytes) -> Request:
    """Body and headers of a raw request; without those that every client writes by itself."""
    head, _, body = sample.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    kept = {name: value for name, value in headers.items() if name.lower() not in WRITTEN_BY_CLIENTS}
    return Request(body.decode(), kept)
