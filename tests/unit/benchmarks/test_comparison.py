"""What the comparisons compute: a figure that is wrong here would be wrong in every table."""

import argparse
import asyncio
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.comparison import Question, Sample, arguments, compare, kept, table
from benchmarks.load import http_request, run_load
from benchmarks.machine import Machine
from benchmarks.redis_limit import parsed

MACHINE = Machine("a processor", 2, 0.5, 900.0, {"Python": "3.11"})


def rounds(number: int, *more: str) -> argparse.Namespace:
    return arguments("").parse_args(["--rounds", str(number), *more])


def sides(ours: list[float], theirs: list[float]) -> Question:
    def in_turn(rates: list[float]) -> Callable[[], Sample]:
        left = iter(rates)
        return lambda: Sample(next(left), 1.0, 2.0)

    return Question("GET", {"ours": in_turn(ours), "theirs": in_turn(theirs)})


def test_a_ratio_is_the_median_of_the_ratios_of_each_round() -> None:
    # The medians alone, 20 and 10, would tell of a ratio of 2.
    question = sides([10, 20, 300], [10, 5, 100])
    compare(MACHINE, [question], "ours", rounds(3))
    assert question.ratios("ours", "theirs") == [1.0, 3.0, 4.0]
    assert question.median("ours").rate == 20
    assert "3.00 (1.00, 4.00)" in table([question], "ours")


def test_the_order_of_the_sides_alternates() -> None:
    asked: list[str] = []

    def of(side: str) -> Callable[[], Sample]:
        def ask() -> Sample:
            asked.append(side)
            return Sample(1, 1, 1)

        return ask

    compare(MACHINE, [Question("GET", {"a": of("a"), "b": of("b")})], "a", rounds(3))
    assert asked == ["a", "b", "b", "a", "a", "b"]


def test_all_samples_and_the_machine_are_in_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    question = sides([4], [2])
    file = tmp_path / "found.json"
    compare(MACHINE, [question], "ours", rounds(1, "--json", str(file)))
    written = json.loads(file.read_text())
    assert written["questions"][0]["samples"]["theirs"] == [{"rate": 2, "p50": 1.0, "p99": 2.0}]
    assert written["machine"]["fsyncs"] == 900.0
    printed = capsys.readouterr().out
    assert "900 fsync/s" in printed
    assert kept(file.read_text()) == printed.strip()


def test_the_figures_of_redis_benchmark_are_read_by_name() -> None:
    told = (
        '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms",'
        '"max_latency_ms"\n"GET","84269.66","0.200","0.048","0.199","0.247","0.319","5.175"\n'
    )
    assert parsed(told) == Sample(84269.66, 0.199, 0.319)


async def test_a_load_counts_what_was_answered_and_how_long_it_took() -> None:
    answers = itertools.cycle([(200, 0.0), (200, 0.0), (200, 0.0), (503, 0.02)])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            status, pause = next(answers)
            await asyncio.sleep(pause)
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nok" % status)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    request = http_request("GET", "/")
    found = await run_load("127.0.0.1", port, lambda: request, connections=1, seconds=0.5, warm_up_seconds=0.1)
    server.close()
    assert set(found.statuses) == {200, 503}
    assert sum(found.statuses.values()) == found.requests
    assert found.rate == pytest.approx(found.requests / found.seconds, rel=0.01)
    assert found.p50 <= found.p90 <= found.p99 <= found.worst
    assert found.worst >= 20
