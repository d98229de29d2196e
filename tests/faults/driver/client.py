"""A client of the directory that records all it asks and is answered."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

from tests.faults.driver.history import Operation, Outcome, Recorder

_KEPT_HEADERS = ("consistency-token", "etag", "location")
_OK, _CREATED, _ACCEPTED, _NO_CONTENT = 200, 201, 202, 204
_METHODS = {
    "register": ("POST", "/users"),
    "register_as": ("PUT", "/users/{}"),
    "change": ("PATCH", "/users/{}"),
    "delete": ("DELETE", "/users/{}"),
    "suspend": ("POST", "/users/{}/suspend"),
    "reinstate": ("POST", "/users/{}/reinstate"),
    "read": ("GET", "/users/{}"),
    "find": ("GET", "/users"),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """A consistency token, and the operation that brought it."""

    token: str
    operation: str


@dataclass
class Knowledge:
    """What all clients together have been told; only hints for what to ask next, never believed."""

    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The newest document of each user who seems to exist."""
    gone: list[str] = field(default_factory=list)
    tokens: dict[str, Seen] = field(default_factory=dict)
    """The newest token about each user."""
    pending: dict[str, str] = field(default_factory=dict)
    """Locations of outcomes not known yet, by the operation that was answered 202."""

    def learn(self, operation: Operation) -> None:
        """Take in an answer."""
        user = operation.user
        if isinstance(operation.body, dict) and "version" in operation.body and "email" in operation.body:
            user = operation.body["id"]
            known = self.users.get(user)
            if user not in self.gone and (known is None or known["version"] <= operation.body["version"]):
                self.users[user] = operation.body
        elif user and ((operation.action == "delete" and operation.status == _NO_CONTENT) or operation.status == 410):
            self.users.pop(user, None)
            if user not in self.gone:
                self.gone.append(user)
        if user and "consistency-token" in operation.headers and operation.action != "outcome":
            self.tokens[user] = Seen(operation.headers["consistency-token"], operation.id)
        if operation.status == _ACCEPTED:
            self.pending[operation.id] = operation.headers["location"]


class Client:
    """One of many that ask at the same time; each sends one request after the other."""

    def __init__(
        self,
        number: int,
        http: dict[str, httpx.AsyncClient],
        recorder: Recorder,
        knowledge: Knowledge,
        random: Random,
    ) -> None:
        self.number = number
        self.random = random
        self.knowledge = knowledge
        self._http = http
        self._recorder = recorder

    async def write(
        self,
        action: str,
        user: str | None = None,
        *,
        fields: dict[str, Any] | None = None,
        if_match: int | None = None,
        key: str | None = None,
    ) -> Operation:
        """Send a write to one of the command APIs."""
        arguments = {"fields": fields, "if_match": if_match, "key": key}
        method, path = _METHODS[action]
        headers = {} if if_match is None else {"If-Match": f'"{if_match}"'}
        if key is not None:
            headers["Idempotency-Key"] = key
        if action == "register_as":
            headers["If-None-Match"] = "*"
        operation = self._operation("command-api", action, user, arguments)
        return await self._send(operation, method, path, headers, json=fields)

    async def read(self, user: str, seen: Iterable[Seen] = (), wait: int = 0) -> Operation:
        """Read a user, not older than tokens."""
        operation = self._operation("query-api", "read", user, {"seen": [one.operation for one in seen]})
        return await self._send(operation, *_METHODS["read"], _tokens(seen, wait))

    async def find(self, email: str, seen: Iterable[Seen] = (), wait: int = 0) -> Operation:
        """Ask who has an address."""
        arguments = {"email": email, "seen": [one.operation for one in seen]}
        operation = self._operation("query-api", "find", None, arguments)
        return await self._send(operation, *_METHODS["find"], _tokens(seen, wait), params={"email": email})

    async def ask_outcome(self, of: str, location: str) -> Operation:
        """Ask what became of a write that was answered 202."""
        operation = self._operation("command-api", "outcome", None, {"of": of, "location": location})
        await self._send(operation, "GET", location, {})
        if operation.status == _OK and operation.body["status"] != "pending":
            self.knowledge.pending.pop(of, None)
        return operation

    def _operation(self, kind: str, action: str, user: str | None, arguments: dict[str, Any]) -> Operation:
        process = self.random.choice([name for name in self._http if name.startswith(kind)])
        return Operation(str(uuid.uuid4()), self.number, process, action, user, arguments, 0.0)

    async def _send(
        self, operation: Operation, method: str, path: str, headers: dict[str, str], **request: Any
    ) -> Operation:
        self._recorder.invoke(operation)
        headers = {**headers, "X-Request-ID": operation.id}
        try:
            answer = await self._http[operation.process].request(
                method, path.format(operation.user), headers=headers, **request
            )
        except httpx.TransportError as error:
            operation.body = type(error).__name__
        else:
            operation.status = answer.status_code
            operation.headers = {name: answer.headers[name] for name in _KEPT_HEADERS if name in answer.headers}
            operation.body = answer.json() if answer.content else None
        self._recorder.complete(operation, _outcome(operation))
        self.knowledge.learn(operation)
        return operation


def _outcome(operation: Operation) -> Outcome:
    if operation.status is None:
        return "info" if operation.write else "fail"
    if operation.status in (_OK, _CREATED, _NO_CONTENT):
        return "ok"
    # Nothing is said about a write by a status that the service does not promise.
    refused = _ACCEPTED < operation.status < 500 or operation.status == 503
    return "fail" if refused else "info"


def _tokens(seen: Iterable[Seen], wait: int) -> dict[str, str]:
    headers = {"Consistency-Token": ",".join(sorted({one.token for one in seen}))} if seen else {}
    return headers | ({"Prefer": f"wait={wait}"} if wait else {})
