"""The HTTP resources of the write side."""

import hashlib
import re
import uuid
from collections.abc import Sequence

import falcon.asgi

from command_api import write_tokens
from command_api.commands import (
    Command,
    DeleteUser,
    EraseUser,
    RegisterUser,
    ReinstateUser,
    ReplaceUser,
    SuspendUser,
    UpdateUser,
)
from command_api.preconditions import InvalidPrecondition, parse_if_match
from command_api.problems import problem_of
from command_api.requests import UserBody, UserPatch
from command_api.responses import Responses, WriteOutcome, outcome_body
from command_api.store import Store
from command_api.writer import Accepted, Caller, Pending, Writer
from read_models.consistency import token
from read_models.write_calls import EventRef, Idempotency
from runtime import context, metrics
from runtime.json_body import parse, read_body, validate
from runtime.problems import FieldError, Problem
from user_directory_events import partition_of

JSON = ("application/json",)
PATCH_TYPES = ("application/merge-patch+json", "application/json")

_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")


class Writes:
    """What all resources share: from a command to the response."""

    def __init__(self, writer: Writer, store: Store, responses: Responses, max_body_bytes: int) -> None:
        self._writer = writer
        self._store = store
        self._responses = responses
        self._max_body_bytes = max_body_bytes

    async def body(self, req: falcon.asgi.Request, media_types: Sequence[str]) -> bytes:
        """Read the body."""
        return await read_body(req, self._max_body_bytes, media_types)

    async def carry_out(
        self, req: falcon.asgi.Request, resp: falcon.asgi.Response, command: Command, body: bytes, status: int
    ) -> None:
        """Carry out a command and answer; `status` is that of success."""
        caller = Caller(
            actor=context.actor.get() or None,
            idempotency=_idempotency(req, body),
            correlation_id=context.request_id.get() or None,
            traceparent=context.ensure_traceparent(),
        )
        name = type(command).__name__
        try:
            result = await self._writer.write(command, caller)
        except Exception as error:
            metrics.WRITES.labels(name, _failure(error)).inc()
            raise
        outcome = (
            "accepted" if isinstance(result, Accepted) else "pending" if isinstance(result, Pending) else "unchanged"
        )
        metrics.WRITES.labels(name, outcome).inc()
        self._responses.answer(resp, result, self._store.log_id, status)


class Users:
    """`/users`."""

    def __init__(self, writes: Writes) -> None:
        self._writes = writes

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Register a user under an id that the directory chooses."""
        body = await self._writes.body(req, JSON)
        fields = validate(UserBody, parse(body)).to_data()
        await self._writes.carry_out(req, resp, RegisterUser(None, fields), body, 201)


class OneUser:
    """`/users/{user_id}`."""

    def __init__(self, writes: Writes) -> None:
        self._writes = writes

    async def on_patch(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, user_id: str) -> None:
        """Change some fields."""
        user_id = valid_user_id(user_id)
        if_match = parse_if_match(req.get_header("If-Match"))
        body = await self._writes.body(req, PATCH_TYPES)
        patch = validate(UserPatch, parse(body)).to_patch()
        await self._writes.carry_out(req, resp, UpdateUser(user_id, patch, if_match), body, 200)

    async def on_put(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, user_id: str) -> None:
        """Replace all fields, or, with `If-None-Match: *`, register a user under this id."""
        user_id = valid_user_id(user_id)
        create = req.get_header("If-None-Match")
        if create is not None and create.strip() != "*":
            raise InvalidPrecondition("If-None-Match must be * here")
        if_match = parse_if_match(req.get_header("If-Match"))
        if create is not None and if_match is not None:
            raise InvalidPrecondition("If-Match and If-None-Match exclude each other here")
        body = await self._writes.body(req, JSON)
        fields = validate(UserBody, parse(body)).to_data()
        if create is None:
            await self._writes.carry_out(req, resp, ReplaceUser(user_id, fields, if_match), body, 200)
        else:
            await self._writes.carry_out(req, resp, RegisterUser(_registrable(user_id), fields), body, 201)

    async def on_delete(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, user_id: str) -> None:
        """Delete a user."""
        command = DeleteUser(valid_user_id(user_id), parse_if_match(req.get_header("If-Match")))
        await self._writes.carry_out(req, resp, command, b"", 204)


class Suspension:
    """`/users/{user_id}/suspend` and `/users/{user_id}/reinstate`."""

    def __init__(self, writes: Writes, command: type[SuspendUser | ReinstateUser]) -> None:
        self._writes = writes
        self._command = command

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, user_id: str) -> None:
        """Suspend or reinstate a user; one who is so already stays so."""
        command = self._command(valid_user_id(user_id), parse_if_match(req.get_header("If-Match")))
        await self._writes.carry_out(req, resp, command, b"", 200)


class Erasure:
    """`/users/{user_id}/erase`."""

    def __init__(self, writes: Writes) -> None:
        self._writes = writes

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, user_id: str) -> None:
        """Erase a user, who may have been deleted before; one who was erased stays so."""
        command = EraseUser(valid_user_id(user_id), parse_if_match(req.get_header("If-Match")))
        await self._writes.carry_out(req, resp, command, b"", 204)


class Outcomes:
    """`/writes/{write_token}`."""

    def __init__(self, store: Store, partitions: int) -> None:
        self._store = store
        self._partitions = partitions

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, write_token: str) -> None:
        """Tell what became of a write."""
        event = self._event(write_token)
        outcome = await self._store.outcome(event)
        resp.set_header("Cache-Control", "no-store")
        if outcome.offset is not None:
            resp.set_header("Consistency-Token", token(self._store.log_id, event.partition, outcome.offset))
        if outcome.status == "pending":
            resp.set_header("Retry-After", "1")
        resp.data = outcome_body(WriteOutcome(status=outcome.status, user_id=event.user_id, version=event.sequence))

    def _event(self, write_token: str) -> EventRef:
        event = write_tokens.decode(write_token)
        if event.partition != partition_of(event.user_id, self._partitions):
            raise write_tokens.InvalidWriteToken
        return event


def valid_user_id(text: str) -> str:
    """Return a user id in its canonical form.

    Raises:
        Problem: not a UUID (RFC 9562).
    """
    if _UUID.fullmatch(text) is None:
        errors = [FieldError("/id", "must be a UUID such as 0192d3a0-5b6c-7def-8123-456789abcdef")]
        raise Problem("invalid-parameter", "The user id in the path is no UUID.", errors=errors)
    return text.lower()


def _registrable(user_id: str) -> str:
    if uuid.UUID(user_id).version is None:
        errors = [FieldError("/id", "must be a UUID of RFC 9562 with a version, not the nil or the max UUID")]
        raise Problem("invalid-parameter", "The user id in the path cannot be registered.", errors=errors)
    return user_id


def idempotency_key(req: falcon.asgi.Request) -> str | None:
    """Return the request's idempotency key.

    Raises:
        Problem: it has another form than a key has.
    """
    key = req.get_header("Idempotency-Key")
    if key is not None and _IDEMPOTENCY_KEY.fullmatch(key) is None:
        raise Problem("idempotency-key-invalid", "Idempotency-Key must be 1 to 255 visible ASCII characters.")
    return key


def _idempotency(req: falcon.asgi.Request, body: bytes) -> Idempotency | None:
    key = idempotency_key(req)
    if key is None:
        return None
    # A user's id is the same in capitals.
    digest = hashlib.blake2b(f"{req.method} {req.path.lower()}\n".encode() + body, digest_size=16).hexdigest()
    return Idempotency(context.actor.get(), key, digest)


def _failure(error: Exception) -> str:
    return "unavailable" if problem_of(error).status == 503 else "refused"
