"""Several gunicorn workers make one service."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx

from devstack.table import AppProcess
from tests.e2e.people import person
from tests.e2e.processes import TIMEOUT_SECONDS, another, eventually, metric
from tests.stack import Stack

AT_ONCE = 16


def test_two_workers_share_idempotency_keys_and_add_up_their_metrics(stack: Stack, tmp_path: Path) -> None:
    answers: list[httpx.Response] = []
    with (
        another(stack, "command-api", tmp_path, WEB_CONCURRENCY="2") as process,
        httpx.Client(
            base_url=process.url, headers={"Connection": "close"}, timeout=TIMEOUT_SECONDS, trust_env=False
        ) as client,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        post = partial(client.post, "/users", json=person(), headers={"Idempotency-Key": uuid.uuid4().hex})

        def both_have_answered() -> bool:
            # A connection for each request: the kernel deals out those of one moment among the workers.
            copies = [pool.submit(post) for _ in range(AT_ONCE)]
            # One worker may be ready before the other.
            answers.extend(copy.result() for copy in copies if copy.result().status_code != 503)
            return len(pids(process)) == 2

        eventually(both_have_answered, "both workers have answered")
        assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
        for _ in range(5):
            posts = {"route": "/users", "method": "POST", "status": "201"}
            assert metric(process.url, "http_request_duration_seconds_count", **posts) == len(answers)
            assert metric(process.url, "writes_total", command="RegisterUser", outcome="accepted") == len(answers)
            assert metric(process.url, "appends_total", outcome="acknowledged") == 1


def pids(process: AppProcess) -> set[int]:
    """Return the workers that have registered a user, by the access log."""
    lines = [json.loads(line) for line in process.log.read_text().splitlines()]
    return {line["pid"] for line in lines if line.get("route") == "/users" and line["status"] == 201}
