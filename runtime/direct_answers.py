"""Answers to plain requests for one thing by its id, made without a task, a framework and a second look.

What stands before and behind every other answer stands here too, in the same objects: access, rate limits, request id,
metrics, access log. Whatever is not the plain case is not answered here at all but left to the ordinary path, which
then sees the request as if nothing had been (docs/adr/0801-plain-reads-are-answered-directly.md).
"""

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Any, NamedTuple, Protocol

from redis.exceptions import RedisError

from runtime import context
from runtime.access_table import scope_of
from runtime.guards import Guards
from runtime.observation import Observation, accepted_id
from runtime.plain_requests import MOST_BYTES, PlainHead, pattern, read_head
from runtime.rate_limits import Spent

Headers = Sequence[tuple[bytes, bytes]]


class Question(NamedTuple):
    """What was asked; `asked_of` is for the route, to judge the reply."""

    reply: "asyncio.Future[Any]"
    asked_of: Any


class Document(NamedTuple):
    """The answer to a question: header lines, each with its end, and the body."""

    lines: bytes
    body: bytes


class DirectRoute(Protocol):
    """A route that gives one thing by its id."""

    @property
    def template(self) -> str:
        """Return its template as Falcon has it; it ends with the one parameter."""

    @property
    def target(self) -> str:
        """Return the regular expression of that parameter."""

    def ask(self, target: str) -> Question | None:
        """Begin to ask; None: not without waiting."""

    def answer(self, question: Question) -> Document | None:
        """Return what a question, whose reply is there, is answered with; None: anything but a document."""


class Begun:
    """One request under way; `data` is all of it."""

    __slots__ = ("data", "head", "question", "spent", "started")

    def __init__(self, data: bytes, head: PlainHead, question: Question, spent: Spent | None, started: float) -> None:
        self.data = data
        self.head = head
        self.question = question
        self.spent = spent
        self.started = started


class DirectAnswers:
    """Answer the plain requests of one route; for a protocol that owns the connections."""

    def __init__(self, route: DirectRoute, guards: Guards, observation: Observation) -> None:
        prefix, _, _ = route.template.partition("{")
        self._matching = pattern(prefix, route.target).fullmatch
        self._route = route
        self._guards = guards
        self._scope = scope_of("GET", route.template)
        self._observation = observation
        self._common: tuple[Headers, bytes | None] = ((), None)

    def begin(self, data: bytes, client: tuple[str, int] | None) -> Begun | None:
        """Take a request that arrived; None: it is for the ordinary path."""
        started = perf_counter()
        if len(data) > MOST_BYTES or (match := self._matching(data)) is None:
            return None
        target, lines = match.groups()
        head = read_head(lines)
        if head is None:
            return None
        actor = ""
        access = self._guards.access
        if access is not None:
            principal = None if head.token is None else access.remembered(head.token, self._scope)
            if principal is None:
                return None
            actor = principal.actor
        spent: Spent | None = None
        if (limits := self._guards.rate_limits) is not None:
            spent = limits.spend_at_once(client, head.forwarded_for, actor)
            if spent is None:
                return None
        try:
            question = self._route.ask(target.decode())
        except RedisError:
            question = None
        if question is None:
            self._give_back(spent)
            return None
        self._observation.begun()
        return Begun(data, head, question, spent, started)

    def finish(self, begun: Begun, default_headers: Headers) -> bytes | None:
        """Make the answer, now that the reply is there; None: the ordinary path has to, from the beginning."""
        common = self._common_lines(default_headers)
        document = None if common is None else self._document(begun.question)
        if document is None:
            self._give_back(begun.spent)
            self._observation.given_up()
            return None
        given = begun.head.request_id
        request_id = context.new_request_id() if given is None else accepted_id(given)
        lines, body = document
        limits = b"" if begun.spent is None else begun.spent.lines
        seconds = perf_counter() - begun.started
        if self._observation.logs:
            context.request_id.set(request_id)
            trace = begun.head.traceparent
            context.traceparent.set("" if trace is None else context.child_traceparent(trace) or "")
        self._observation.ended("GET", self._route.template, 200, seconds)
        return b"%sx-request-id: %s\r\n%s%scontent-length: %d\r\ncontent-type: application/json\r\n\r\n%s" % (
            common,
            request_id.encode(),
            limits,
            lines,
            len(body),
            body,
        )

    def _document(self, question: Question) -> Document | None:
        if question.reply.cancelled() or question.reply.exception() is not None:
            return None
        try:
            return self._route.answer(question)
        except BaseException:
            self._observation.given_up()
            raise

    def _give_back(self, spent: Spent | None) -> None:
        if spent is not None:
            spent.give_back()

    def _common_lines(self, headers: Headers) -> bytes | None:
        """Return the status line and the server's own headers; None: it stops, and says so in the ordinary way.

        The server makes them anew once a second.
        """
        known, lines = self._common
        if known is not headers:
            lines = b"HTTP/1.1 200 OK\r\n" + b"".join(b"%s: %s\r\n" % header for header in headers)
            if any(name == b"connection" for name, _ in headers):
                lines = None
            self._common = (headers, lines)
        return lines
