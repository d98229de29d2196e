"""Many users by their ids and addresses, in one request."""

import asyncio
import re
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal, Self

import falcon.asgi
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import to_json

from query_api.description_parts import CONSISTENCY, EXAMPLE_USER, FRESHNESS, FRESHNESS_PROBLEMS
from query_api.directory import Directory
from query_api.freshness import HEADER, Freshness
from query_api.parameters import UUID, refuse_all
from runtime import json_body
from runtime.observation import Request
from runtime.openapi import Operation, Response
from user_directory_events import User, comparable_email

LOOKUP_PATH: Final = "/users/lookup"
MOST_KEYS: Final = 1000
# Room for as many of the longest addresses, where MAX_BODY_BYTES is less.
LEAST_BODY_BYTES: Final = 262_144
MEDIA_TYPES: Final = ("application/json",)

# No more than the shape: an address that nobody can have is simply not found, and email-validator would take 100 ms
# for a thousand.
_ADDRESS: Final = re.compile(r'(?:"(?:[^"\\\x00-\x1f\x7f]|\\[ -~])*"|[^\s"@\x00-\x1f\x7f]+)@[^\s"@\x00-\x1f\x7f]+')
_AT_ONCE: Final = 100


def _id(text: str) -> str:
    if UUID.fullmatch(text) is None:
        raise ValueError("must be a UUID such as 01936e0a-7a3c-7d2e-9f4b-5c8d1e2f3a4b")
    return text


def _email(text: str) -> str:
    if _ADDRESS.fullmatch(text) is None:
        raise ValueError("must be an e-mail address")
    return text


Id = Annotated[str, Field(json_schema_extra={"format": "uuid"}), AfterValidator(_id)]
Address = Annotated[
    str, Field(min_length=3, max_length=254, json_schema_extra={"format": "idn-email"}), AfterValidator(_email)
]


class Lookup(BaseModel):
    """Whom to look up: at most 1,000 ids and addresses in all."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={"examples": [{"ids": [EXAMPLE_USER["id"]], "emails": ["nobody@example.org"]}]},
    )

    ids: Annotated[list[Id], Field(max_length=MOST_KEYS, description="Ids, in either case")] = []
    emails: Annotated[list[Address], Field(max_length=MOST_KEYS, description="Addresses, compared without case")] = []

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if len(self.ids) + len(self.emails) > MOST_KEYS:
            raise ValueError(f"must have at most {MOST_KEYS} ids and addresses in all")
        return self


class FoundById(BaseModel):
    """A user under an id that was asked for."""

    id: Annotated[str, Field(description="As it was asked for")]
    user: User


class FoundByEmail(BaseModel):
    """A user under an address that was asked for."""

    email: Annotated[str, Field(description="As it was asked for")]
    user: User


class MissingId(BaseModel):
    """An id under which there is no user."""

    id: Annotated[str, Field(description="As it was asked for")]
    reason: Annotated[
        Literal["unknown", "deleted", "in-quarantine"],
        Field(description="`deleted`: there was one; `in-quarantine`: there may be one, after a repair"),
    ]


class MissingEmail(BaseModel):
    """An address that no user has."""

    email: Annotated[str, Field(description="As it was asked for")]
    reason: Literal["unknown"]


class LookupResult(BaseModel):
    """One entry for each id and address, in the order asked for: among the users, or among those without one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [{"id": EXAMPLE_USER["id"], "user": EXAMPLE_USER}],
                    "missing": [{"email": "nobody@example.org", "reason": "unknown"}],
                }
            ]
        }
    )

    items: list[FoundById | FoundByEmail]
    missing: list[MissingId | MissingEmail]


LOOKUP: Final = Operation(
    "POST",
    LOOKUP_PATH,
    "lookUpUsers",
    "Many users by their ids and addresses",
    {200: Response("Who was found, and who was not.", LookupResult, {**FRESHNESS})},
    description="A read: it changes nothing. All is told from one moment. Who is asked for twice is told twice.",
    parameters=CONSISTENCY,
    request=dict.fromkeys(MEDIA_TYPES, Lookup),
    problems=("invalid-parameter", *FRESHNESS_PROBLEMS),
    tags=("users",),
)


class LookupResource:
    """Many users at once: a read, though by POST, since the keys do not fit into a URL."""

    def __init__(self, directory: Directory, freshness: Freshness, most_body_bytes: int) -> None:
        self._directory = directory
        self._freshness = freshness
        self._most_body_bytes = max(most_body_bytes, LEAST_BODY_BYTES)

    async def on_post(self, req: Request, resp: falcon.asgi.Response) -> None:
        """Answer with the documents as they stand in the read models, from one moment."""
        refuse_all(req.params)
        body: Any = await json_body.read_json(req, self._most_body_bytes, MEDIA_TYPES)
        asked = json_body.validate(Lookup, body)
        ids = [text.lower() for text in asked.ids]
        ask = partial(self._directory.lookup, ids, await _comparable(asked.emails))
        found = await self._freshness.read(req, resp, ask)
        resp.set_header(HEADER, found.token)
        keys = [b'{"id":' + to_json(text) for text in asked.ids]
        keys += [b'{"email":' + to_json(text) for text in asked.emails]
        items, missing = [], []
        for key, result in zip(keys, found.results, strict=True):
            if isinstance(result, bytes):
                items.append(key + b',"user":' + result + b"}")
            else:
                missing.append(key + b',"reason":"' + result.encode() + b'"}')
        resp.data = b'{"items":[%s],"missing":[%s]}' % (b",".join(items), b",".join(missing))


async def _comparable(emails: Sequence[str]) -> list[str]:
    """Return the forms in which the addresses are compared; other requests get their turn in between."""
    comparable: list[str] = []
    for first in range(0, len(emails), _AT_ONCE):
        comparable += map(comparable_email, emails[first : first + _AT_ONCE])
        await asyncio.sleep(0)
    return comparable
