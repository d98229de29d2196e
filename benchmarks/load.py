"""HTTP/1.1 load from one process: n connections, each with one request under way.

Light enough (uvloop, no HTTP library) to share a core with Redis and still outrun the server under test. Closed loop by
default; with `rate` an open loop whose latencies count from the moment a request was due, so that a stalled server is
not spared by the requests it kept from being sent.

    python -m benchmarks.load http://127.0.0.1:8002/healthz --connections 32 --seconds 5
"""

import argparse
import asyncio
import contextlib
import json
import os
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import cast
from urllib.parse import urlsplit

import uvloop

_LONGEST_CLOSE_SECONDS = 5.0
_PAUSE_AFTER_FAULT_SECONDS = 0.05

RequestFactory = Callable[[], bytes]
ReplyHandler = Callable[[int, bytes], None]


@dataclass(frozen=True)
class LoadResult:
    """What one run measured; latencies in milliseconds. `broken` counts requests without a whole reply."""

    requests: int
    seconds: float
    rate: float
    p50: float
    p90: float
    p99: float
    p999: float
    worst: float
    statuses: dict[int, int]
    broken: int


def http_request(
    method: str, path: str, *, host: str = "localhost", body: bytes | None = None, headers: dict[str, str] | None = None
) -> bytes:
    """Build one request; a body is sent as application/json unless `headers` say otherwise."""
    lines = {"Host": host, "Accept": "application/json"}
    if body is not None:
        lines |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines |= headers or {}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + (body or b"")


def pin_to_core(core: int) -> None:
    """Keep this process, and the children it starts from now on, on one core."""
    os.sched_setaffinity(0, {core})


async def run_load(
    host: str,
    port: int,
    next_request: RequestFactory,
    *,
    connections: int,
    seconds: float,
    warm_up_seconds: float = 0.5,
    rate: float | None = None,
    on_reply: ReplyHandler | None = None,
) -> LoadResult:
    """Send requests for `seconds` after a warm-up that is not counted, then wait for the replies still owed.

    `next_request` makes each request's bytes at the moment it is sent; `on_reply` sees each reply's status and body.
    """
    load = Load(host, port, next_request, on_reply)
    await load.open(connections)
    loop = asyncio.get_running_loop()
    pace = loop.create_task(load.pace(rate)) if rate else None
    if pace is None:
        load.start_all()
    await asyncio.sleep(warm_up_seconds)
    load.reset()
    started = time.perf_counter()
    await asyncio.sleep(seconds)
    elapsed = time.perf_counter() - started
    result = load.result(elapsed)
    if pace is not None:
        pace.cancel()
    await load.close()
    return result


class Load:
    """The state that the connections share."""

    def __init__(self, host: str, port: int, next_request: RequestFactory, on_reply: ReplyHandler | None) -> None:
        self.host, self.port = host, port
        self.next_request = next_request
        self.on_reply = on_reply
        self.stopping = False
        self.paced = False
        self.idle: deque[Connection] = deque()
        self.due: deque[float] = deque()
        self.connections: list[Connection] = []
        self.reset()

    def reset(self) -> None:
        self.latencies = array("d")
        self.statuses: Counter[int] = Counter()
        self.broken = 0

    async def open(self, count: int) -> None:
        self.connections = [Connection(self) for _ in range(count)]
        await asyncio.gather(*(connection.connect() for connection in self.connections))

    def start_all(self) -> None:
        for connection in self.connections:
            connection.send(time.perf_counter())

    async def pace(self, rate: float) -> None:
        """Make requests due at even intervals, whatever the server does."""
        self.paced = True
        self.idle.extend(self.connections)
        due = time.perf_counter()
        while True:
            now = time.perf_counter()
            while due <= now:
                if self.idle:
                    self.idle.popleft().send(due)
                else:
                    self.due.append(due)
                due += 1 / rate
            await asyncio.sleep(due - now)

    def go_on(self, connection: "Connection") -> None:
        if self.stopping:
            if connection.answered is not None:
                connection.answered.set()
            return
        if not self.paced:
            connection.send(time.perf_counter())
        elif self.due:
            connection.send(self.due.popleft())
        else:
            self.idle.append(connection)

    async def close(self) -> None:
        self.stopping = True
        deadline = time.perf_counter() + _LONGEST_CLOSE_SECONDS
        for connection in self.connections:
            if connection.busy:
                connection.answered = asyncio.Event()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(connection.answered.wait(), max(0, deadline - time.perf_counter()))
        for connection in self.connections:
            connection.close()

    def result(self, seconds: float) -> LoadResult:
        ordered = sorted(self.latencies)
        count = len(ordered)

        def percentile(share: float) -> float:
            return round(ordered[min(count - 1, int(count * share))] * 1e3, 3) if count else 0.0

        return LoadResult(
            requests=count,
            seconds=round(seconds, 3),
            rate=round(count / seconds, 1),
            p50=percentile(0.5),
            p90=percentile(0.9),
            p99=percentile(0.99),
            p999=percentile(0.999),
            worst=percentile(1),
            statuses=dict(sorted(self.statuses.items())),
            broken=self.broken,
        )


class Connection(asyncio.Protocol):
    """One connection, opened anew when the server closes it (as gunicorn's sync worker does after every reply)."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.transport: asyncio.Transport | None = None
        self.busy = False
        self.sent_at = 0.0
        self.received = b""
        self.answered: asyncio.Event | None = None  # set while the load is closed

    async def connect(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self, self.load.host, self.load.port)

    def send(self, due: float) -> None:
        """Send the next request, now or as soon as there is a connection; `due` is when its latency begins."""
        self.busy = True
        self.sent_at = due
        self.received = b""
        if self.transport is None:
            asyncio.get_running_loop().create_task(self._connect_and_write())
        else:
            self.transport.write(self.load.next_request())

    async def _connect_and_write(self) -> None:
        try:
            await self.connect()
        except OSError:
            self._finish_broken()
        else:
            assert self.transport is not None
            self.transport.write(self.load.next_request())

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.received:
            data = self.received + data
        head_end = data.find(b"\r\n\r\n")
        if head_end < 0:
            self.received = data
            return
        status = int(data[9:12])
        head = data[:head_end].lower()
        body_start = head_end + 4
        length_at = head.find(b"\r\ncontent-length:")
        if length_at >= 0:
            length = int(head[length_at + 17 :].split(b"\r\n", 1)[0])
        elif status in (204, 304):
            length = 0
        else:
            raise ValueError("replies without Content-Length are not supported")
        if len(data) - body_start < length:
            self.received = data
            return
        load = self.load
        load.latencies.append(time.perf_counter() - self.sent_at)
        load.statuses[status] += 1
        if load.on_reply is not None:
            load.on_reply(status, data[body_start:])
        self.busy = False
        if b"\r\nconnection: close" in head and self.transport is not None:
            self.transport.abort()
            self.transport = None
        load.go_on(self)

    def connection_lost(self, _error: Exception | None) -> None:
        # A new connection may have taken this one's place after "connection: close".
        if self.transport is not None and self.transport.is_closing():
            self.transport = None
            if self.busy:
                self._finish_broken()

    def _finish_broken(self) -> None:
        self.busy = False
        self.load.broken += 1
        asyncio.get_running_loop().call_later(_PAUSE_AFTER_FAULT_SECONDS, self.load.go_on, self)


def main() -> None:
    """Load one URL with GET and print the result as JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("url")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rate", type=float, help="requests per second; default: as fast as replies come")
    parser.add_argument("--core", type=int, help="pin to this core")
    arguments = parser.parse_args()
    if arguments.core is not None:
        pin_to_core(arguments.core)
    url = urlsplit(arguments.url)
    request = http_request("GET", (url.path or "/") + (f"?{url.query}" if url.query else ""), host=url.netloc)
    result = uvloop.run(
        run_load(
            url.hostname or "127.0.0.1",
            url.port or 80,
            lambda: request,
            connections=arguments.connections,
            seconds=arguments.seconds,
            rate=arguments.rate,
        )
    )
    print(json.dumps(asdict(result)))


if __name__ == "__main__":
    main()
