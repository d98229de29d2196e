"""Several gunicorn workers make one service."""

import json
import uuid
from pathlib import Path

import httpx

from tests.e2e.people import person
from tests.e2e.processes import another, eventually, metric
from tests.stack import Stack

REQUESTS = 60


def test_two_workers_share_idempotency_keys_and_add_up_their_metrics(stack: Stack, tmp_path: Path) -> None:
    key, body = {"Idempotency-Key": uuid.uuid4().hex}, person()
    with another(stack, "command-api", tmp_path, WEB_CONCURRENCY="2") as process:
        # A connection for each request: the kernel deals them out among the workers.
        with httpx.Client(base_url=process.url, headers={"Connection": "close"}, trust_env=False) as client:
            # One worker may be ready before the other.
            eventually(lambda: all(client.get("/readyz").is_success for _ in range(20)), "both workers are ready")
            answers = [client.post("/users", json=body, headers=key) for _ in range(REQUESTS)]
        assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
        posts = {"route": "/users", "method": "POST", "status": "201"}
        for _ in range(5):
            assert metric(process.url, "http_request_duration_seconds_count", **posts) == REQUESTS
            assert metric(process.url, "writes_total", command="RegisterUser", outcome="accepted") == REQUESTS
            assert metric(process.url, "appends_total", outcome="acknowledged") == 1
        lines = [json.loads(line) for line in process.log.read_text().splitlines()]
    assert len({line["pid"] for line in lines if line.get("route") == "/users"}) == 2
