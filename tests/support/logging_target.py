"""A target that keeps an exact account of what reached it, to be held against the daemon's own.

Plain non-blocking sockets, read in synchronous callbacks: `look_now` takes in everything that the kernel
has received up to this very moment, so that "after the answer nothing arrived" is a statement about the
kernel's queues and not about when an event loop came round to them.
"""

import asyncio
import json
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

BACKLOG = 1024


@dataclass(eq=False)
class Call:
    """One request. `generation` counts the daemon's lives; instants are the machine's monotonic seconds."""

    backfill_id: str
    entity_id: str
    key: str
    attempt: int
    generation: int
    arrived_at: float
    arrived_on: datetime
    live: int  # of the same generation, this one included
    headers: Mapping[str, str]
    ended_at: float | None = None
    status: int | None = None


@dataclass(frozen=True)
class Reply:
    """What a call is answered with, and after how long; `seconds` None: when it is released."""

    status: int = 200
    seconds: float | None = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)


Script = Callable[[Call], Reply]


class LoggingTarget:
    """Answers every POST as `script` says. Open it inside a running loop; use as an async context manager."""

    def __init__(self, script: Script = lambda _: Reply(), *, keeps_connections: bool = True) -> None:
        self.script = script
        self.calls: list[Call] = []
        self.generation = 0
        self.live: Counter[int] = Counter()
        self.most_live: Counter[int] = Counter()
        self.most_live_altogether = 0
        self._keeps = keeps_connections
        self._listener: socket.socket | None = None
        self._connections: set[_Connection] = set()
        self._held: list[tuple[_Connection, Call, Reply]] = []
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def is_open(self) -> bool:
        return self._listener is not None

    async def __aenter__(self) -> "LoggingTarget":
        self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Listen; after a `close` on the same port as before."""
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.setblocking(False)
        self._listener.bind(("127.0.0.1", self._port))
        self._listener.listen(BACKLOG)
        self._port = self._listener.getsockname()[1]
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def close(self) -> None:
        """Refuse connections and break those that are open; calls in progress end unanswered."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        for connection in tuple(self._connections):
            connection.close()

    def look_now(self) -> None:
        """Take in, at once, whatever the kernel holds for us."""
        self._accept()
        for connection in tuple(self._connections):
            connection.read()

    def next_generation(self) -> None:
        """The daemon is dead: what comes from now on comes from its next life."""
        self.look_now()
        self.generation += 1

    def release(self) -> None:
        """Answer everything that is held."""
        held, self._held = self._held, []
        for connection, call, reply in held:
            self._answer(connection, call, reply)

    def calls_of(self, entity_id: str) -> list[Call]:
        return [call for call in self.calls if call.entity_id == entity_id]

    def _accept(self) -> None:
        while self._listener is not None:
            try:
                accepted, _ = self._listener.accept()
            except BlockingIOError:
                return
            connection = _Connection(accepted, self)
            self._connections.add(connection)
            connection.read()

    def _received(self, connection: "_Connection", headers: Mapping[str, str], body: bytes) -> None:
        document = json.loads(body)
        generation = connection.generation
        self.live[generation] += 1
        self.most_live[generation] = max(self.most_live[generation], self.live[generation])
        self.most_live_altogether = max(self.most_live_altogether, sum(self.live.values()))
        call = Call(
            backfill_id=(document["backfill"] or {"id": ""})["id"],
            entity_id=document["entity"]["id"] if "entity" in document else document["session"]["session_time"],
            key=headers["idempotency-key"],
            attempt=document["attempt"],
            generation=generation,
            arrived_at=time.monotonic(),
            arrived_on=datetime.now(UTC),
            live=self.live[generation],
            headers=headers,
        )
        self.calls.append(call)
        reply = self.script(call)
        if reply.seconds is None:
            self._held.append((connection, call, reply))
        elif reply.seconds:
            asyncio.get_running_loop().call_later(reply.seconds, self._answer, connection, call, reply)
        else:
            self._answer(connection, call, reply)

    def _answer(self, connection: "_Connection", call: Call, reply: Reply) -> None:
        """The work is over, whether or not somebody still waits for the answer."""
        self.live[call.generation] -= 1
        call.ended_at, call.status = time.monotonic(), reply.status
        connection.send(reply, keep=self._keeps)

    def forget(self, connection: "_Connection") -> None:
        self._connections.discard(connection)


class _Connection:
    """One client. Requests have a Content-Length, and the next one comes after the answer."""

    def __init__(self, accepted: socket.socket, target: LoggingTarget) -> None:
        self.generation = target.generation
        self._socket = accepted
        self._target = target
        self._buffer = b""
        accepted.setblocking(False)
        asyncio.get_running_loop().add_reader(accepted, self.read)

    def read(self) -> None:
        """Take in what has arrived."""
        while self._socket.fileno() >= 0:
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.close()
                return
            self._buffer += data
            self._parse()

    def _parse(self) -> None:
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        lines = head.decode("latin-1").split("\r\n")[1:]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers["content-length"])
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        self._target._received(self, headers, rest[:length])

    def send(self, reply: Reply, *, keep: bool) -> None:
        if self._socket.fileno() < 0:
            return
        headers = {"Content-Length": "0", **({} if keep else {"Connection": "close"}), **reply.headers}
        lines = [f"HTTP/1.1 {reply.status} Said", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        with suppress(OSError):
            self._socket.sendall("\r\n".join(lines).encode())
        if not keep:
            self.close()

    def close(self) -> None:
        if self._socket.fileno() < 0:
            return
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._target.forget(self)
