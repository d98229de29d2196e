"""Ask a running directory what no honest client asks: `python -m tests.security.fuzz --count 100000 URL URL`.

Four fifths are made of bytes: requests that were cut, mixed up, blown up or written wrongly, over raw sockets. The rest
is made by schemathesis from the descriptions. Nothing may be answered with another 5xx than 503 with Retry-After,
nothing may hang, and with --pid the processes' memory may not grow.
"""

import argparse
import asyncio
import contextlib
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Ok

ID = b"0192d3a0-5b6c-7def-8123-456789abcdef"
AT_ONCE = 16
ANSWER_SECONDS = 0.25
"""A request may be one that the server rightly waits for more of, so silence says nothing; the probes do."""
PROBE_SECONDS = 10
MOST_GROWTH = 1.25


def _with_body(line: bytes, headers: bytes, body: bytes) -> bytes:
    return line + b" HTTP/1.1\r\nHost: t\r\n%s\r\nContent-Length: %d\r\n\r\n%s" % (headers, len(body), body)


_JSON = b"Content-Type: application/json"
_CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
_SOUND = (
    b"GET /users HTTP/1.1\r\nHost: t\r\n\r\n",
    b"GET /users?q=jo&sort=-name&limit=3&fields=id,email HTTP/1.1\r\nHost: t\r\nPrefer: wait=1\r\n\r\n",
    b'GET /users/%s?version=1 HTTP/1.1\r\nHost: t\r\nIf-None-Match: "1", W/"2"\r\n\r\n' % ID,
    b"GET /users/%s/history?limit=1&cursor=abc HTTP/1.1\r\nHost: t\r\nConsistency-Token: a.1-2\r\n\r\n" % ID,
    b"HEAD /users/count?created_after=2026-01-01T00:00:00Z HTTP/1.1\r\nHost: t\r\n\r\n",
    b"HEAD /changes?type=user.updated HTTP/1.1\r\nHost: t\r\nLast-Event-ID: a.1.2.3.4\r\n\r\n",
    b"GET /users/export?after=x HTTP/1.1\r\nHost: t\r\n\r\n",
    b"GET /writes/abc HTTP/1.1\r\nHost: t\r\nAccept: */*;q=0.1, text/html\r\n\r\n",
    b"PUT /users/%s HTTP/1.1\r\nHost: t\r\n%s\r\nIf-None-Match: *\r\n%s" % (ID, _JSON, _CHUNKS),
    b"DELETE /users/%s HTTP/1.1\r\nHost: t\r\nIf-Match: *\r\ntraceparent: 00-0-0-00\r\n\r\n" % ID,
    _with_body(b"POST /users", _JSON + b"\r\nIdempotency-Key: k", b'{"email":"@example.org","attributes":{}}'),
    _with_body(b"PATCH /users/%s" % ID, _JSON + b'\r\nIf-Match: "1"', b'{"display_name": null}'),
    _with_body(b"POST /users/%s/suspend" % ID, b"X: y", b""),
    _with_body(b"POST /users/import?first_row=2", b"Content-Type: text/csv", b'email\n"a"b,c\n'),
    _with_body(b"POST /users/import", b"Content-Type: application/x-ndjson", b"{}\n[]"),
    _with_body(b"POST /users/lookup", _JSON, b'{"ids":[],"emails":["a"]}'),
    b"OPTIONS * HTTP/1.1\r\nHost: t\r\n\r\n",
    b"GET /metrics HTTP/1.0\r\n\r\n",
)
_SPICE = (
    b"\x00",
    b"\r",
    b"\n",
    b"\r\n\r\n",
    b"\xff\xfe",
    b"\xc3\x28",
    b"%",
    b"%00",
    b"%ff",
    b"%c3%28",
    b"..%2f..%2f",
    b"//",
    b"?",
    b"#",
    b"&",
    b"=",
    b",",
    b";",
    b"'",
    b'"',
    b"\\",
    b"{",
    b"[" * 40,
    b'{"a":' * 40,
    b"null",
    b"-0",
    b"1e999",
    b"9" * 400,
    b"NaN",
    b"\\ud800",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x98\x80",
    b"*",
    b"$(id)",
    b"{{7*7}}",
    b"<script>",
    b"a" * 9000,
    b" ",
    b"\t",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Content-Length: 0x10\r\n",
    b"Expect: 100-continue\r\n",
    b"Connection: upgrade\r\nUpgrade: websocket\r\n",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n",
    b"X: " + b"b" * 40_000,
    b"Authorization: Bearer a.b.c\r\n",
    b"Authorization: Basic e30=\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Range: bytes=0-\r\n",
    b"Prefer: wait=99999999999\r\n",
    b"Content-Type: application/json; charset=utf-16\r\n",
    b"Accept: ;;q=;\r\n",
    b"X-Request-ID: \xe2\x98\x83\r\n",
    b"fffffffffffffffff\r\n",
    b"-1\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
)
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r]*\r\n((?:[^\r\n]+\r\n)*)\r\n")


@dataclass
class Outcome:
    """What came of the requests."""

    statuses: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def take(self, status: int, headers: str, request: str) -> None:
        """Judge one answer."""
        self.statuses[str(status)] += 1
        if status >= 500 and not (status == 503 and "retry-after" in headers.lower()):
            self.faults.append(f"{status}: {request[:400]}")


def hostile(source: random.Random) -> bytes:
    """Make a request of a sound one."""
    request = bytearray(source.choice(_SOUND))
    for _ in range(source.choice((1, 1, 2, 3, 6))):
        at = source.randrange(len(request) + 1)
        match source.randrange(8):
            case 0:
                request[at:at] = source.choice(_SPICE)
            case 1:
                request[at : at + 1] = bytes([source.randrange(256)])
            case 2:
                del request[at : at + source.randrange(1, 30)]
            case 3:
                del request[at:]
                request += b"\r\n\r\n"
            case 4:
                other = source.choice(_SOUND)
                request[at:] = other[source.randrange(len(other)) :]
            case 5:
                request[at:at] = bytes(request[at : at + 60]) * source.choice((1, 2, 50))
            case 6:  # a header of its own, in its place
                end = request.find(b"\r\n") + 2
                request[end:end] = source.choice(_SPICE).rstrip(b"\r\n") + b"\r\n"
            case _:  # in a value of the query or path, percent-encoded
                end = request.find(b" HTTP")
                request[end:end] = b"".join(b"%%%02x" % byte for byte in source.choice(_SPICE)[:200])
    return bytes(request)


async def raw(urls: Sequence[str], count: int, number: int, outcome: Outcome) -> None:
    """Send that many requests over raw sockets, and see now and then whether an honest one is answered."""
    left = iter(range(count))

    async def worker(own: int) -> None:
        source = random.Random(f"{number}-{own}")
        for step in left:
            url = urls[step % len(urls)]
            await _exchange(url, hostile(source), outcome)
            if step % 500 == 0:
                await _probe(url, outcome)

    await asyncio.gather(*(worker(own) for own in range(AT_ONCE)))


async def _exchange(url: str, request: bytes, outcome: Outcome) -> None:
    parts = urlsplit(url)
    try:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except OSError as error:
        outcome.faults.append(f"no connection: {error}")
        return
    answer = bytearray()
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(ANSWER_SECONDS):
            writer.write(request)
            await writer.drain()
            while len(answer) < 65_536 and (piece := await reader.read(65_536)):
                answer += piece
                if _STATUS.search(answer):
                    break
    writer.transport.abort()
    found = _STATUS.search(answer)
    if found is None:
        outcome.statuses["none"] += 1
        return
    outcome.take(int(found[1]), found[2].decode("latin-1"), repr(request))


async def _probe(url: str, outcome: Outcome) -> None:
    begun = time.monotonic()
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=PROBE_SECONDS) as client:
            answer = await client.get(f"{url}/healthz")
        assert answer.status_code == 200, answer.status_code
    except (httpx.HTTPError, AssertionError) as error:
        outcome.faults.append(f"an honest request was not answered after {time.monotonic() - begun:.1f} s: {error!r}")


def described(url: str, count: int, number: int, outcome: Outcome, token: str | None) -> None:
    """Send that many requests that schemathesis makes from a service's own description, most of them wrong."""
    document = httpx.get(f"{url}/openapi.json", trust_env=False).json()
    document["paths"].get("/changes", {}).pop("get", None)  # its answer has no end
    schema = schemathesis.openapi.from_dict(document)
    headers = {"Authorization": f"Bearer {token}"} if token else None
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    modes = (schemathesis.GenerationMode.NEGATIVE, schemathesis.GenerationMode.POSITIVE)
    each = max(1, count // (len(operations) * len(modes)))
    for operation in operations:
        for mode in modes:
            # Of an operation without parameters nothing can be wrong.
            with contextlib.suppress(Unsatisfiable):
                _described(operation.as_strategy(generation_mode=mode), url, each, number, outcome, headers)


def _described(strategy: Any, url: str, count: int, number: int, outcome: Outcome, headers: Any) -> None:
    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def ask(case: "schemathesis.Case[Any]") -> None:
        answer = case.call(base_url=url, headers=headers, timeout=PROBE_SECONDS)
        outcome.take(answer.status_code, str(answer.headers), f"{case.method} {case.formatted_path} {case.body!r}")

    ask()


def memory(pids: Sequence[int]) -> list[int]:
    """Return the resident memory of processes and their children, in KiB."""
    return [sum(_resident(one) for one in _family(pid)) for pid in pids]


def _family(pid: int) -> Iterator[int]:
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from _family(int(child))


def _resident(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) if found else 0


def run(
    urls: Sequence[str], count: int, number: int, pids: Sequence[int], token: str | None, say: Callable[[str], None]
) -> Outcome:
    """Do it all."""
    outcome = Outcome()
    asyncio.run(raw(urls, count // 10, number + 1, outcome))  # until the caches are full
    before = memory(pids)
    asyncio.run(raw(urls, count * 7 // 10, number, outcome))
    say(f"raw: {dict(outcome.statuses)}")
    for url in urls:
        described(url, count // 5 // len(urls), number, outcome, token)
    asyncio.run(_settled(urls, outcome))
    after = memory(pids)
    say(f"all: {sum(outcome.statuses.values())} requests, {dict(sorted(outcome.statuses.items()))}")
    say(f"memory in KiB: {before} before, {after} after")
    outcome.faults += [
        f"process {pid} grew from {old} to {new} KiB"
        for pid, old, new in zip(pids, before, after, strict=True)
        if new > old * MOST_GROWTH + 8192
    ]
    return outcome


async def _settled(urls: Sequence[str], outcome: Outcome) -> None:
    """Wait until no request is in flight but the one that asks."""
    for url in urls:
        async with httpx.AsyncClient(trust_env=False, timeout=PROBE_SECONDS) as client:
            found = None
            for _ in range(60):
                text = (await client.get(f"{url}/metrics")).text
                found = re.search(r"^user_directory_http_requests_in_flight(?:{[^}]*})? (\S+)$", text, re.MULTILINE)
                if found and float(found[1]) <= 1:
                    break
                await asyncio.sleep(1)
            else:
                outcome.faults.append(f"{url} has {found and found[1]} requests in flight that nobody waits for")


def main() -> int:
    """Return the exit status: 0 if there was no fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("urls", nargs="+")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pid", type=int, action="append", default=[], help="a process whose memory is watched")
    parser.add_argument("--token", help="sent with every described request")
    asked = parser.parse_args()
    outcome = run(asked.urls, asked.count, asked.seed, asked.pid, asked.token, print)
    for fault in outcome.faults[:20]:
        print(fault)
    print(f"{len(outcome.faults)} faults")
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
