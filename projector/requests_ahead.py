"""Commands sent to Redis before earlier ones are answered, so that it works while the next ones are computed."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from redis import Connection, Redis
from redis.exceptions import ResponseError

from read_models.calls import Argument
from runtime.redis_connection import pack_command

T = TypeVar("T")

Later = Callable[[], T]
"""What was asked for: the call waits for the answer. It raises what went wrong meanwhile."""
Command = Sequence[Argument]


class RequestsAhead:
    """Asks in order over one connection, which is borrowed while an answer is outstanding; for one thread.

    redis-py's pipelines send and read in one call. What is never asked for the answer is read and dropped in its turn.
    """

    def __init__(self, redis: Redis) -> None:
        self._pool = redis.connection_pool
        self._connection: Connection | None = None
        self._outstanding: deque[_Answers] = deque()

    def send(self, commands: Sequence[Command]) -> Later[list[Any]]:
        """Send commands; the answers are theirs, an error of Redis among them in its place.

        Raises:
            RedisError: the connection failed, now or when the answers are waited for; all that are outstanding fail.
        """
        if not commands:
            return list
        try:
            if self._connection is None:
                self._connection = self._pool.get_connection()
            packed = b"".join([pack_command(tuple(command)) for command in commands])
            self._connection.send_packed_command([packed])  # type: ignore[no-untyped-call]
        except BaseException as error:
            self._give_up(error)
            raise
        answers = _Answers(len(commands))
        self._outstanding.append(answers)
        return lambda: self._wait_for(answers)

    def _wait_for(self, answers: "_Answers") -> list[Any]:
        while not answers.complete:
            self._read(self._outstanding[0])
        if answers.failure is not None:
            raise answers.failure
        return answers.found

    def _read(self, answers: "_Answers") -> None:
        assert self._connection is not None  # noqa: S101 - something is outstanding
        try:
            while not answers.complete:
                try:
                    answers.found.append(self._connection.read_response())
                except ResponseError as error:
                    answers.found.append(error)
        except BaseException as error:
            self._give_up(error)
            raise
        self._outstanding.popleft()
        if not self._outstanding:
            self._pool.release(self._connection)
            self._connection = None

    def _give_up(self, error: BaseException) -> None:
        for answers in self._outstanding:
            answers.failure = error
        self._outstanding.clear()
        if self._connection is not None:
            self._connection.disconnect()  # type: ignore[no-untyped-call]
            self._pool.release(self._connection)
            self._connection = None


class _Answers:
    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self.found: list[Any] = []
        self.failure: BaseException | None = None

    @property
    def complete(self) -> bool:
        return self.failure is not None or len(self.found) == self._wanted
