"""The demo, with something happening while it runs."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from benchmarks import demo
from tests.e2e.people import made_up_people
from tests.stack import Stack


def demo_holds_through(fault: Callable[[], None], stack: Stack, *, people: int, at: int) -> list[str]:
    """Run the demo with made-up people, do something when `at` of them are settled, and expect all checks to hold.

    The fault runs in the calling thread, which a process started by it needs. Returns what the demo said.
    """
    due = threading.Event()
    settled = iter(range(1, people + 1))

    def on_outcome() -> None:
        if next(settled) == at:
            due.set()

    said: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(
            demo.run, made_up_people(people), stack.command_url, stack.query_url, say=said.append, on_outcome=on_outcome
        )
        running.add_done_callback(lambda _: due.set())
        assert due.wait(60)
        assert not running.done(), said
        fault()
        assert running.result(), "\n".join(said)
    print("\n".join(said))
    return said
