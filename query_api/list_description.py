"""What the OpenAPI document says of lists and counts of users."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from query_api.cursors import Cursor
from query_api.description_parts import CONSISTENCY, EXAMPLE_USER, FRESHNESS, FRESHNESS_PROBLEMS
from query_api.directory import Start
from query_api.list_parameters import DEFAULT_LIMIT, FIELDS, LONGEST_TEXT, MOST_USERS, ORDERS, read_users_query
from query_api.lists import COUNT_PATH, USERS_PATH
from read_models.listing import Status
from runtime.openapi import Header, Operation, Parameter, Response
from user_directory_events import User

_EXAMPLE_START: Final = Start(bytes.fromhex("3a253eb5b0bb01936e0a7a3c7d2e9f4b5c8d1e2f3a4b00"))
_EXAMPLE_CURSOR: Final = str(Cursor.at(read_users_query({}).identity, _EXAMPLE_START))
_TIME: Final = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
_LINK: Final = {"Link": Header('The pages beside this one: `rel="prev"` and `rel="next"` (RFC 8288).')}

_OPTIONAL: Final[dict[str, Any]] = {name: (info.annotation, None) for name, info in User.model_fields.items()}
TrimmedUser: Final = create_model(
    "TrimmedUser", __doc__="A user with the `fields` that were asked for and are there.", **_OPTIONAL
)


class Users(BaseModel):
    """One page of users."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE_USER], "next": None}]})

    items: list[User | TrimmedUser]
    next: Annotated[str | None, Field(description="`cursor` of the next page; null: nothing follows")]


class UserCount(BaseModel):
    """A number of users."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"count": 1284}, {"count": 37, "at_least": True}]})

    count: Annotated[int, Field(ge=0)]
    at_least: Annotated[Literal[True], Field(description="There may be more: only a part was looked at")] = True


_FILTERS: Final = (
    Parameter(
        "email",
        "query",
        Annotated[str, Field(max_length=254, json_schema_extra={"format": "idn-email"})],
        "Only the user who has this address, compared without case; write `+` as `%2B`.",
        example=EXAMPLE_USER["email"],
    ),
    Parameter(
        "external_id",
        "query",
        Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)],
        "Only the user who has this id elsewhere.",
        example="hr-7",
    ),
    Parameter("status", "query", Status, "Only users who are so.", example="active"),
    Parameter(
        "q",
        "query",
        Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)],
        "Only users who have, for each word in it, one in their names or address that begins so; of any script, "
        "without regard to case and accents. What is no letter and no digit separates words, also in an address.",
        example="jo example",
    ),
    Parameter(
        "created_after",
        "query",
        _TIME,
        "Only users registered later than this (RFC 3339).",
        example="2026-11-24T08:00:00Z",
    ),
    Parameter(
        "created_before",
        "query",
        _TIME,
        "Only users registered earlier than this (RFC 3339).",
        example="2026-11-25T00:00:00+01:00",
    ),
    Parameter(
        "updated_after",
        "query",
        _TIME,
        "Only users changed, or registered, later than this (RFC 3339).",
        example="2026-11-24T08:30:00.123Z",
    ),
)

LIST: Final = Operation(
    "GET",
    USERS_PATH,
    "listUsers",
    "Users by filters, in an order, page by page",
    {200: Response("One page.", Users, {**_LINK, **FRESHNESS})},
    description="All filters can be combined. While users come, go and change, no user is listed twice whose place in "
    "the order did not change, and none is left out who was there throughout. A page of one filter costs the same at "
    "any depth. A combination looks at 10,000 users at most for a page, which may then be shorter than `limit`, even "
    "empty, while `next` leads on.",
    parameters=(
        *_FILTERS,
        Parameter(
            "sort",
            "query",
            Literal[ORDERS],
            "The order, with `-` the other way round; `name` and `email` without regard to case, `name` also to "
            "accents. "
            "Without it: `updated_at` where `updated_after` is given, else `created_at`.",
            example="-created_at",
        ),
        Parameter(
            "limit",
            "query",
            Annotated[int, Field(ge=1, le=MOST_USERS, json_schema_extra={"default": DEFAULT_LIMIT})],
            "Most users of a page.",
            example=50,
        ),
        Parameter(
            "cursor",
            "query",
            str,
            "`next` of the page before, or that of a `Link`, with the same filters and sort.",
            example=_EXAMPLE_CURSOR,
        ),
        Parameter(
            "fields",
            "query",
            str,
            f"Only these fields of each user, separated by commas: {', '.join(FIELDS)}.",
            example="id,email",
        ),
        *CONSISTENCY,
    ),
    problems=("invalid-cursor", *FRESHNESS_PROBLEMS),
    tags=("users",),
)
COUNT: Final = Operation(
    "GET",
    COUNT_PATH,
    "countUsers",
    "How many users there are",
    {200: Response("The number.", UserCount, FRESHNESS)},
    description="Exact for one filter or none, and whenever at most 10,000 users have to be looked at; else what was "
    "found among so many, with `at_least`. Each word of `q` is a filter; both times of creation are one.",
    parameters=(*_FILTERS, *CONSISTENCY),
    problems=FRESHNESS_PROBLEMS,
    tags=("users",),
)
