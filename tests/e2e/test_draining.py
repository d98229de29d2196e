"""SIGTERM: what is in flight is answered, and nothing new is taken."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.e2e.people import Body, person
from tests.e2e.processes import TIMEOUT_SECONDS, another, eventually, metric
from tests.stack import Stack

IN_FLIGHT = 16


def test_a_command_api_told_to_stop_answers_the_writes_in_flight(
    stack: Stack, query: httpx.Client, tmp_path: Path
) -> None:
    def write(url: str) -> httpx.Response:
        return httpx.post(f"{url}/users", json=person(), timeout=TIMEOUT_SECONDS, trust_env=False)

    with another(stack, "command-api", tmp_path) as process, ThreadPoolExecutor(IN_FLIGHT) as pool:
        stack.projector.pause()
        try:
            writes = [pool.submit(write, process.url) for _ in range(IN_FLIGHT)]
            eventually(lambda: metric(process.url, "writes_waiting") == IN_FLIGHT, "all writes wait for a verdict", 5)
            process.terminate()
            eventually(lambda: refuses(process.url), "no connection is taken any more", 4)
            assert not any(future.done() for future in writes)
        finally:
            stack.projector.resume()
        answers = [future.result() for future in writes]
        assert [answer.status_code for answer in answers] == [201] * IN_FLIGHT
        assert process.wait(10)
        assert process.poll() == 0
    for answer in answers:
        assert query.get(answer.headers["Location"]).json() == answer.json()


def test_a_query_api_told_to_stop_answers_the_reads_in_flight(
    stack: Stack, command: httpx.Client, register: Callable[..., Body], tmp_path: Path
) -> None:
    user = register()
    path = f"/users/{user['id']}"

    with another(stack, "query-api", tmp_path) as process, ThreadPoolExecutor(IN_FLIGHT) as pool:
        seen = httpx.get(process.url + path, trust_env=False).headers["Consistency-Token"]
        head, _, offset = seen.rpartition("-")
        headers = {"Consistency-Token": f"{head}-{int(offset) + 1}", "Prefer": "wait=10"}

        def read() -> httpx.Response:
            return httpx.get(process.url + path, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False)

        reads = [pool.submit(read) for _ in range(IN_FLIGHT)]
        # The request that reads the metric is one of them.
        eventually(
            lambda: metric(process.url, "http_requests_in_flight") == IN_FLIGHT + 1, "all reads wait for the state", 4
        )
        process.terminate()
        eventually(lambda: refuses(process.url), "no connection is taken any more", 4)
        assert not any(future.done() for future in reads)
        changed = command.patch(path, json={"display_name": "Z"})
        answers = [future.result() for future in reads]
        assert [(answer.status_code, answer.json()) for answer in answers] == [(200, changed.json())] * IN_FLIGHT
        assert process.wait(10)
        assert process.poll() == 0


def test_a_query_api_told_to_stop_ends_its_streams_at_once(
    stack: Stack, register: Callable[..., Body], tmp_path: Path
) -> None:
    with another(stack, "query-api", tmp_path, DRAIN_SECONDS="60") as process, ThreadPoolExecutor(IN_FLIGHT) as pool:

        def follow() -> tuple[str, bool]:
            """Return what came until the end, and whether that was an orderly one."""
            timeout = httpx.Timeout(TIMEOUT_SECONDS)
            with httpx.stream("GET", f"{process.url}/changes", timeout=timeout, trust_env=False) as answer:
                content = b"".join(answer.iter_raw())
            return content.decode(), content.endswith(b"\n\n")

        streams = [pool.submit(follow) for _ in range(IN_FLIGHT)]
        eventually(lambda: metric(process.url, "change_feed_clients") == IN_FLIGHT, "all are connected")
        with stalled_stream(process.url):
            eventually(lambda: metric(process.url, "change_feed_clients") == IN_FLIGHT + 1, "also who reads nothing")
            sent = metric(process.url, "change_feed_events_total")
            user = register()
            eventually(
                lambda: metric(process.url, "change_feed_events_total") >= sent + IN_FLIGHT, "all are told of a user"
            )
            begun = time.monotonic()
            process.terminate()
            assert process.wait(20)
            assert time.monotonic() - begun < 15, "far less than DRAIN_SECONDS"
        assert process.poll() == 0
        for stream in streams:
            content, orderly = stream.result()
            assert user["id"] in content
            assert orderly


@contextmanager
def stalled_stream(url: str) -> Iterator[None]:
    """Follow the changes without ever reading one."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"GET /changes HTTP/1.1\r\nHost: test\r\n\r\n")
        yield


def refuses(url: str) -> bool:
    """Say whether nobody takes a new connection at this address."""
    try:
        httpx.get(f"{url}/healthz", trust_env=False)
    except httpx.ConnectError:
        return True
    except httpx.HTTPError:
        return False
    return False
