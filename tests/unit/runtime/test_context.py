import re

import pytest

from runtime import context

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def test_a_child_continues_the_trace_under_its_own_span() -> None:
    child = context.child_traceparent(PARENT)
    assert child is not None
    assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-01", child)
    assert child != PARENT


def test_a_newer_version_is_continued_as_version_00() -> None:
    child = context.child_traceparent(f"cc-{TRACE}-00f067aa0ba902b7-01-what-the-future-brings")
    assert child is not None
    assert child.startswith(f"00-{TRACE}-")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        PARENT.upper(),
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"{PARENT}-more",
        f"{PARENT}\n",
    ],
)
def test_a_malformed_header_is_no_parent(header: str) -> None:
    assert context.child_traceparent(header) is None


async def test_a_trace_is_started_once_where_there_is_none() -> None:
    context.traceparent.set("")
    started = context.ensure_traceparent()
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", started)
    assert context.ensure_traceparent() == started == context.traceparent.get()
