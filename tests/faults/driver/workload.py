"""What the clients do: few users and few addresses, so that they get into each other's way all the time."""

import asyncio
import itertools
import uuid
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from tests.faults.driver.client import Client
from tests.faults.driver.history import Operation

ADDRESSES = [f"a{number}@example.org" for number in range(40)]
_WANTED_USERS = 24
_KEY_SHARE, _IF_MATCH_SHARE, _TOKEN_SHARE, _REPEAT_SHARE = 0.5, 0.4, 0.7, 0.1
_MORE_ATTEMPTS = 3
_LONGEST_THOUGHT_SECONDS = 0.15
_LONGEST_BACK_OFF_SECONDS = 0.6

_tags = itertools.count(1)


class Workload:
    """The behaviour of one client."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._random: Random = client.random
        self._known = client.knowledge

    async def run(self, until: Callable[[], bool]) -> None:
        """Do one thing after the other until told to stop."""
        steps: dict[Callable[[], Awaitable[None]], int] = {
            self._register: 8,
            self._register_as: 5,
            self._rename: 22,
            self._change_address: 12,
            self._swap_addresses: 6,
            self._delete: 3,
            self._delete_and_register: 5,
            self._suspend_or_reinstate: 5,
            self._read: 22,
            self._find: 10,
            self._ask_outcome: 6,
        }
        while not until():
            if len(self._known.users) < _WANTED_USERS:
                await self._register()
            (step,) = self._random.choices(list(steps), list(steps.values()))
            await step()
            await asyncio.sleep(self._random.uniform(0, _LONGEST_THOUGHT_SECONDS))

    # --- writes

    async def _register(self) -> None:
        await self._write("register", fields=self._fields(self._address()))

    async def _register_as(self) -> None:
        choices = [str(uuid.UUID(int=self._random.getrandbits(128), version=4))] * 3
        choices += self._known.gone[-3:] + ([self._user()] if self._known.users else [])
        await self._write("register_as", self._random.choice(choices), fields=self._fields(self._address()))

    async def _rename(self) -> None:
        if self._known.users:
            await self._write("change", self._user(), fields={"display_name": _name()})

    async def _change_address(self) -> None:
        if self._known.users:
            await self._write("change", self._user(), fields={"email": self._address()})

    async def _swap_addresses(self) -> None:
        """Give two users each other's address, by way of a third one."""
        if len(self._known.users) < 2:
            return
        one, other = self._random.sample(list(self._known.users), 2)
        first, second = self._known.users[one]["email"], self._known.users[other]["email"]
        spare = f"spare{next(_tags)}@example.org"
        for user, address in ((one, spare), (other, first), (one, second)):
            if not _done(await self._write("change", user, fields={"email": address})):
                return

    async def _delete(self) -> None:
        if self._known.users:
            await self._write("delete", self._user())

    async def _delete_and_register(self) -> None:
        """Give a deleted user's address to a new one at once."""
        if self._known.users:
            user = self._user()
            address = self._known.users[user]["email"]
            await self._write("delete", user)
            await self._write("register", fields=self._fields(address))

    async def _suspend_or_reinstate(self) -> None:
        if self._known.users:
            await self._write(self._random.choice(["suspend", "reinstate"]), self._user())

    async def _write(self, action: str, user: str | None = None, fields: dict[str, Any] | None = None) -> Operation:
        """Write; under a key try again where the outcome is open, and sometimes where it is not."""
        key = uuid.uuid4().hex if self._random.random() < _KEY_SHARE else None
        if_match = None
        if action not in ("register", "register_as") and self._random.random() < _IF_MATCH_SHARE:
            document = self._known.users.get(user or "")
            if_match = document["version"] if document else self._random.randint(1, 5)
        answer = await self._send(action, user, fields, if_match, key)
        for _ in range(_MORE_ATTEMPTS if key else 0):
            open_still = answer.status in (None, 202, 503)
            if not open_still and self._random.random() > _REPEAT_SHARE:
                break
            answer = await self._send(action, user, fields, if_match, key)
        return answer

    async def _send(
        self, action: str, user: str | None, fields: dict[str, Any] | None, if_match: int | None, key: str | None
    ) -> Operation:
        answer = await self._client.write(action, user, fields=fields, if_match=if_match, key=key)
        if answer.status in (None, 503):
            await asyncio.sleep(self._random.uniform(0, _LONGEST_BACK_OFF_SECONDS))
        return answer

    # --- reads

    async def _read(self) -> None:
        user = self._anyone()
        if user is not None:
            seen = self._known.tokens.get(user)
            with_token = seen is not None and self._random.random() < _TOKEN_SHARE
            wait = self._random.choice([0, 1])
            await self._client.read(user, [seen] if with_token and seen else [], wait if with_token else 0)

    async def _find(self) -> None:
        user = self._anyone()
        if user is None or user not in self._known.users or self._random.random() > _TOKEN_SHARE:
            await self._client.find(self._address())
            return
        seen = self._known.tokens.get(user)
        await self._client.find(self._known.users[user]["email"], [seen] if seen else [], 1 if seen else 0)

    async def _ask_outcome(self) -> None:
        if self._known.pending:
            of = self._random.choice(list(self._known.pending))
            await self._client.ask_outcome(of, self._known.pending[of])

    # --- choices

    def _user(self) -> str:
        return self._random.choice(list(self._known.users))

    def _anyone(self) -> str | None:
        candidates = list(self._known.users) + self._known.gone[-3:] + list(self._known.tokens)[-3:]
        return self._random.choice(candidates) if candidates else None

    def _address(self) -> str:
        return self._random.choice(ADDRESSES)

    def _fields(self, address: str) -> dict[str, str]:
        return {"email": address, "display_name": _name()}


def _name() -> str:
    """Make a name that no other write gives."""
    return f"name {next(_tags)}"


def _done(operation: Operation) -> bool:
    return operation.outcome == "ok"
