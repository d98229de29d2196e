"""What a write is answered with."""

from typing import Annotated, Literal

import falcon.asgi
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from command_api import write_tokens
from command_api.examples import EXAMPLE_LOCATION, EXAMPLE_USER
from command_api.writer import Accepted, Pending, Result, Unchanged
from read_models.consistency import token
from user_directory_events import User

RETRY_AFTER_SECONDS = "1"


class PendingWrite(BaseModel):
    """The outcome is not known yet; it can be read at `location` later."""

    model_config = ConfigDict(
        frozen=True, json_schema_extra={"examples": [{"status": "pending", "location": EXAMPLE_LOCATION}]}
    )

    status: Literal["pending"] = "pending"
    location: Annotated[str, Field(description="Where the outcome can be read")]


class WriteOutcome(BaseModel):
    """What became of a write."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={"examples": [{"status": "accepted", "user_id": EXAMPLE_USER["id"], "version": 1}]},
    )

    status: Annotated[
        Literal["pending", "accepted", "void", "never_written"],
        Field(description="`accepted`: it happened; `void`, `never_written`: it never will; `pending`: ask again"),
    ]
    user_id: str
    version: Annotated[int, Field(description="The user's version after the write, if it is accepted")]


class Responses:
    """Turns results of writes into responses."""

    def __init__(self, public_url: str | None) -> None:
        self._base = (public_url or "").rstrip("/")

    def location(self, path: str) -> str:
        """Return a path as `Location` carries it: relative, or under the public URL."""
        return self._base + path

    def answer(self, resp: falcon.asgi.Response, result: Result, log_id: str, status: int) -> None:
        """Answer a write; `status` is that of success."""
        match result:
            case Pending(event, offset):
                location = self.location(f"/writes/{write_tokens.encode(event)}")
                resp.status = 202
                resp.set_headers({"Location": location, "Retry-After": RETRY_AFTER_SECONDS})
                resp.data = PendingWrite(location=location).model_dump_json().encode()
                if offset is not None:
                    resp.set_header("Consistency-Token", token(log_id, event.partition, offset))
            case Accepted(state, partition, offset) | Unchanged(state, partition, offset):
                resp.status = status
                resp.set_header("Consistency-Token", token(log_id, partition, offset))
                if isinstance(state, User):
                    resp.set_header("ETag", f'"{state.version}"')
                    resp.data = state.to_json()
                    if resp.status_code == 201:
                        resp.set_header("Location", self.location(f"/users/{state.id}"))


def outcome_body(outcome: WriteOutcome) -> bytes:
    """Return the document of a write's outcome."""
    return to_json(outcome)
