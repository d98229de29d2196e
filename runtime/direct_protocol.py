"""The HTTP/1.1 protocol of our services: plain reads are answered at once, all else goes the ordinary way.

It is imported before the app, so it knows `runtime.direct_answers`, which has metrics, by its types only.
"""

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from runtime.guarded_protocol import GuardedProtocol
from runtime.uvicorn_protocol import OneWriteTransport

if TYPE_CHECKING:
    from runtime.direct_answers import Begun, DirectAnswers

DIRECT_ANSWERS: Final = "user_directory.direct_answers"
"""Where in the state of the ASGI lifespan an application leaves its `DirectAnswers`."""


class DirectProtocol(GuardedProtocol):
    """Offer each request to the app's `DirectAnswers` first, if it has some.

    Only between two requests: what arrives while a direct answer is under way is kept until it has left, so answers
    keep their order.
    """

    _begun: "Begun | None" = None
    _stopping = False
    _answered_at = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._direct: DirectAnswers | None = self.app_state.get(DIRECT_ANSWERS)
        self._held: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        """Take what arrived."""
        if self._begun is not None:
            self._held.append(data)
            self.flow.pause_reading()
        elif self._direct is not None and self._between_requests():
            begun = self._direct.begin(data, self.client)
            if begun is None:
                super().data_received(data)
            else:
                self._begun = begun
                if self._patience is not None:
                    self._stop_waiting()
                begun.question.reply.add_done_callback(self._answer)
        else:
            super().data_received(data)

    def shutdown(self) -> None:
        """Serve no further request of this connection; a direct answer under way still leaves."""
        if self._begun is None:
            super().shutdown()
        else:
            self._stopping = True

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection, unless it was used by direct answers since the timer was set."""
        idle = self.loop.time() - self._answered_at
        if self._begun is None and idle >= self.timeout_keep_alive:
            super().timeout_keep_alive_handler()
        else:
            self._keep_alive(self.timeout_keep_alive - (0 if self._begun is not None else idle))

    def _between_requests(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        if self._in_message or self._because is not None or self.flow.write_paused:
            return False
        return cycle is None or cycle.response_complete

    def _answer(self, _reply: "asyncio.Future[Any]") -> None:
        begun, self._begun = self._begun, None
        assert begun is not None  # noqa: S101 - who set the callback set it
        assert self._direct is not None  # noqa: S101 - likewise
        try:
            answer = self._direct.finish(begun, self.server_state.default_headers)
        except BaseException:
            self.transport.abort()  # nobody else would ever answer
            raise
        if self.transport.is_closing():
            return
        if answer is None:
            super().data_received(begun.data)
        else:
            cast("OneWriteTransport", self.transport).write_whole(answer)
            self.server_state.total_requests += 1
            self._answered_at = self.loop.time()
            if self.timeout_keep_alive_task is None:
                self._keep_alive(self.timeout_keep_alive)
        if self._held:
            self._go_on()
        if self._stopping:
            super().shutdown()

    def _go_on(self) -> None:
        """Take what arrived in the meantime."""
        held, self._held = self._held, []
        self.flow.resume_reading()
        for data in held:
            self.data_received(data)

    def _keep_alive(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)
