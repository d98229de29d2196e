"""One run: start everything, let clients work while things break, mend all, and gather what is to be judged."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import httpx

from tests.faults.driver.client import Client, Knowledge
from tests.faults.driver.evidence import Evidence, gather
from tests.faults.driver.faults import process_faults, store_faults
from tests.faults.driver.history import Fault, Operation, Recorder
from tests.faults.driver.nemesis import Nemesis, supervise
from tests.faults.driver.system import BUDGET_SECONDS, DEADLINE_SECONDS, Scale, System, running_system
from tests.faults.driver.workload import Workload

_CLIENTS = 12
_CLIENT_TIMEOUT_SECONDS = BUDGET_SECONDS + 3
_BACK_SECONDS = 90
_SETTLED_SECONDS = DEADLINE_SECONDS + 60
_PAUSE_SECONDS = 0.2


class StillBroken(Exception):
    """The faults are over, and the service does not come back."""


@dataclass(frozen=True)
class Run:
    """What came of a run."""

    operations: list[Operation]
    faults: list[Fault]
    evidence: Evidence
    crashed: list[str]
    """Last words of processes that ended by themselves."""


async def run(
    directory: Path,
    *,
    seed: int,
    seconds: float,
    scale: Scale,
    only: str = "",
    environ: Mapping[str, str] | None = None,
) -> Run:
    """Run clients and faults for some time.

    Args:
        directory: an empty one, where the history (`history.jsonl`), the evidence, data and logs go.
        seed: the order and the shape of faults and operations follow from it; how they meet does not.
        seconds: how long there are faults.
        scale: how many of each process.
        only: a regular expression, found in the kinds of faults that are wanted.
        environ: variables of the product's processes that differ from the usual.

    Raises:
        StillBroken: see there.
    """
    random = Random(seed)
    crashed: list[str] = []
    with (directory / "history.jsonl").open("w", encoding="utf-8") as file:
        async with running_system(directory, scale, environ) as system, _http(system) as http:
            recorder, knowledge = Recorder(file), Knowledge()
            clients = [
                Client(number, http, recorder, knowledge, Random(random.getrandbits(64))) for number in range(_CLIENTS)
            ]
            end = time.monotonic() + seconds
            stopped = asyncio.Event()
            over: Callable[[], bool] = lambda: time.monotonic() > end  # noqa: E731
            watch = asyncio.create_task(supervise(system, stopped.is_set, crashed))
            async with asyncio.TaskGroup() as group:
                for client in clients:
                    group.create_task(Workload(client).run(over))
                for all_kinds, rest in ((process_faults(), 0.7), (store_faults(scale.brokers), 2.0)):
                    kinds = {kind: break_it for kind, break_it in all_kinds.items() if re.search(only, kind)}
                    if not kinds:
                        continue
                    nemesis = Nemesis(system, kinds, Random(random.getrandbits(64)), recorder, rest)
                    group.create_task(nemesis.run(over))
            await system.heal()
            await _come_back(clients[0])
            await _settle(clients[0])
            evidence = await gather(system, http["query-api-1"])
            stopped.set()
            await watch
    evidence.save(directory / "evidence.json")
    return Run(recorder.operations, recorder.faults, evidence, crashed)


@asynccontextmanager
async def _http(system: System) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    async with AsyncExitStack() as stack:
        yield {
            member.name: await stack.enter_async_context(
                httpx.AsyncClient(
                    base_url=f"http://127.0.0.1:{member.clients.port}",
                    timeout=_CLIENT_TIMEOUT_SECONDS,
                    trust_env=False,
                )
            )
            for member in system.of("command-api") + system.of("query-api")
        }


async def _come_back(client: Client) -> None:
    """Write until a write succeeds in each of the log's partitions, or nearly so: 16 users are spread by chance."""
    deadline = time.monotonic() + _BACK_SECONDS
    for number in range(16):
        fields = {"email": f"after{number}@example.org", "display_name": f"after {number}"}
        while (answer := await client.write("register", fields=fields)).status != httpx.codes.CREATED:
            if answer.status == httpx.codes.CONFLICT:
                break  # one of the attempts before was answered 202 or not at all, and has succeeded
            if time.monotonic() > deadline:
                raise StillBroken(f"no write succeeds {_BACK_SECONDS} s after the last fault: {answer.body}")
            await asyncio.sleep(_PAUSE_SECONDS)


async def _settle(client: Client) -> None:
    """Ask for every outcome that is open until it is known."""
    deadline = time.monotonic() + _SETTLED_SECONDS
    while pending := dict(client.knowledge.pending):
        for of, location in pending.items():
            await client.ask_outcome(of, location)
        if time.monotonic() > deadline:
            raise StillBroken(f"{len(pending)} writes are pending {_SETTLED_SECONDS} s after the last fault")
        await asyncio.sleep(_PAUSE_SECONDS)
