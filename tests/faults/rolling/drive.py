"""Roll a running directory to the next release and back, under load, and judge it by what clients were told.

`python -m tests.faults.rolling.drive BEFORE AFTER`: two source trees; this must run from the second. Two of each
process run behind what a load balancer does: one is taken out, told to end, replaced, and put in again; of the relay
there is one.
"""

import asyncio
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

import httpx

from devstack.servers import free_port
from devstack.table import APPS, AppProcess
from tests.faults.checker import violations
from tests.faults.driver.client import Client, Knowledge
from tests.faults.driver.evidence import Evidence, gather
from tests.faults.driver.history import Operation, Recorder
from tests.faults.driver.system import Member, Scale, System, running_system
from tests.faults.driver.workload import Workload
from tests.faults.rolling.releases import python_path

_CLIENTS = 4
_TIMEOUT_SECONDS = 20
_DRAINED_SECONDS = 0.3
_WORK_SECONDS = 3
_SETTLED_SECONDS = 30
_SHOWN = 20
_MOTTO = "semper eadem"
_SCHEMA = re.compile(r'"(user\.[a-z]+/\d+)"')
_UPGRADE = ("projector", "relay", "query-api", "command-api")
# Not those of the runs with faults, but what operators get.
_SETTINGS = {
    "EVENT_DEADLINE_SECONDS": "10",
    "CLOCK_SKEW_SECONDS": "2",
    "WRITE_BUDGET_SECONDS": "8",
    "DRAIN_SECONDS": "5",
}


class ReleasedWorkload(Workload):
    """The usual clients, who give each other mottoes as soon as every command API takes them."""

    offered = False

    async def _rename(self) -> None:
        if self.offered and self._known.users:
            motto = None if self._random.random() < 0.2 else f"motto {self._random.random()}"
            await self._write("change", self._user(), fields={"motto": motto})
        else:
            await super()._rename()


class Fleet:
    """All processes of a directory, each of one release."""

    def __init__(self, system: System, relay: AppProcess, http: dict[str, httpx.AsyncClient]) -> None:
        self.system = system
        self.relay = relay
        self.http = http
        self.began = time.monotonic()

    async def roll(self, kinds: Sequence[str], tree: Path) -> None:
        """Replace every process of some kinds by that of another release, one after the other."""
        for kind in kinds:
            if kind == "relay":
                await self._replace(self.relay, tree)
            for member in self.system.of(kind):
                await self._roll_one(member, tree)
            print(f"{time.monotonic() - self.began:5.1f} s  {kind} of {tree.name}", flush=True)

    async def _roll_one(self, member: Member, tree: Path) -> None:
        balanced = self.http.pop(member.name, None)
        await asyncio.sleep(_DRAINED_SECONDS)
        await self._replace(member.process, tree)
        if balanced is not None:
            self.http[member.name] = balanced

    async def _replace(self, process: AppProcess, tree: Path) -> None:
        await self.system.call(process.stop)
        clock = process.environ["PYTHONPATH"].split(":")[0]
        process.environ["PYTHONPATH"] = f"{clock}:{python_path(tree)}"
        await self.system.call(process.start)
        await self.system.call(process.wait_ready)


@asynccontextmanager
async def _fleet(directory: Path, tree: Path) -> AsyncIterator[Fleet]:
    settings = _SETTINGS | {"PYTHONPATH": python_path(tree), "PYTHONSAFEPATH": "1"}
    async with running_system(directory, Scale(spare_projectors=0), settings) as system, AsyncExitStack() as stack:
        app = next(app for app in APPS if app.name == "relay")
        environ = system.stack.environ | {"RELAY_PORT": str(free_port())}
        # As the others have it: first what shifts their clocks, which nobody uses here.
        environ["PYTHONPATH"] = f"{directory}:{environ['PYTHONPATH']}"
        relay = AppProcess(app, directory / "relay.log", environ)
        http = {}
        for member in system.of("command-api") + system.of("query-api"):
            url = f"http://127.0.0.1:{member.clients.port}"
            client = httpx.AsyncClient(base_url=url, timeout=_TIMEOUT_SECONDS, trust_env=False)
            http[member.name] = await stack.enter_async_context(client)
        try:
            await system.call(relay.start)
            await system.call(relay.wait_ready)
            yield Fleet(system, relay, http)
        finally:
            await system.call(relay.stop)


async def roll(directory: Path, before: Path, after: Path) -> tuple[list[Operation], Evidence, str]:
    """Go from one release to the next and back under load; return the history, the evidence, and what `verify` says."""
    with (directory / "history.jsonl").open("w", encoding="utf-8") as file:
        async with _fleet(directory, before) as fleet:
            recorder, knowledge, random = Recorder(file), Knowledge(), Random(1)
            clients = [Client(n, fleet.http, recorder, knowledge, Random(random.random())) for n in range(_CLIENTS)]
            # A user whom no other client knows, so that nobody deletes it.
            keeper = Client(_CLIENTS, fleet.http, recorder, Knowledge(), Random(random.random()))
            kept = await keeper.write("register", fields={"email": "keeper@example.org", "display_name": "first"})
            over = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                for client in clients:
                    group.create_task(ReleasedWorkload(client).run(over.is_set))
                await asyncio.sleep(_WORK_SECONDS)
                await fleet.roll(_UPGRADE, after)
                ReleasedWorkload.offered = True
                await keeper.write("change", kept.body["id"], fields={"motto": _MOTTO})
                await asyncio.sleep(_WORK_SECONDS)
                ReleasedWorkload.offered = False
                # A request that is under way has the time that it would have behind a balancer, too.
                await asyncio.sleep(_WORK_SECONDS / 2)
                await fleet.roll(_UPGRADE[::-1], before)
                await keeper.write("change", kept.body["id"], fields={"display_name": "last"})
                await asyncio.sleep(_WORK_SECONDS)
                over.set()
            await _settle(clients[0])
            evidence = await gather(fleet.system, next(h for n, h in fleet.http.items() if n.startswith("query-api")))
            said = await fleet.system.call(_verify, fleet.relay.environ)
    return recorder.operations, evidence, said


async def _settle(client: Client) -> None:
    deadline = time.monotonic() + _SETTLED_SECONDS
    while client.knowledge.pending and time.monotonic() < deadline:
        for of, location in dict(client.knowledge.pending).items():
            await client.ask_outcome(of, location)
        await asyncio.sleep(_DRAINED_SECONDS)


def _verify(environ: dict[str, str]) -> str:
    """Return what the command for consumers says of the public topics."""
    command = [sys.executable, "-m", "user_directory_events", "verify"]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False).stdout


def faults(operations: Sequence[Operation], evidence: Evidence, said: str) -> list[str]:
    """Name every request that failed, and all else that must not be."""
    found = [
        f"failed: {operation.action} at {operation.process}: {operation.status} {operation.body}"
        for operation in operations
        if operation.status is None or (operation.status >= 500 and not _asked_not_to_wait(operation))
    ]
    found += violations(operations, [], evidence)
    new = sum(1 for record in evidence.log if record.value and '"user.updated/2"' in record.value)
    last = [record.value for record in evidence.log if record.value and '"user.updated/' in record.value][-1:]
    if not new:
        found.append("the next release has written nothing")
    if not any('"user.updated/1"' in value for value in last):
        found.append("the release before has written nothing after it came back")
    if not any(document.get("motto") == _MOTTO for document in evidence.models.exported):
        found.append("the release before has lost the field of the next one")
    if not said.endswith("no fault\n"):
        found.append(f"verify: {said}")
    return found


def _asked_not_to_wait(operation: Operation) -> bool:
    """Say whether a reader wanted a state that is newer than the read models, and waited a second at most."""
    return not operation.write and operation.body["type"].endswith("not-yet-visible")


def main(before: Path, after: Path) -> int:
    """Roll there and back; return 0 if no request failed and nothing was lost."""
    with tempfile.TemporaryDirectory(prefix="rolling-") as directory:
        operations, evidence, said = asyncio.run(roll(Path(directory), before, after))
    answers = Counter(f"{operation.action} {operation.status}" for operation in operations)
    print(", ".join(f"{answer}: {count}" for answer, count in sorted(answers.items())))
    schemas = Counter(name for record in evidence.log for name in _SCHEMA.findall(record.value or ""))
    print(", ".join(f"{schema}: {count}" for schema, count in sorted(schemas.items())))
    found = faults(operations, evidence, said)
    for line in found[:_SHOWN]:
        print(f"VIOLATION  {line[:500]}")
    print(f"verdict: {f'{len(found)} violations' if found else 'no request failed, nothing is lost'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
