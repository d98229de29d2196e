"""One link on a transport that only records: which bytes leave when, and who gets which reply."""

import asyncio
from unittest.mock import Mock

import pytest
from redis import exceptions as redis_errors

from runtime.redis_link import Overloaded, RedisLink

TIMEOUT = 0.2


class Wire:
    """A link with the transport beneath it and what it told its owner."""

    def __init__(self, *, timeout_seconds: float = 5.0, max_pending: int = 100) -> None:
        self.losses: list[str] = []
        self.transport = Mock(spec=asyncio.Transport)
        self.link = RedisLink(
            timeout_seconds=timeout_seconds,
            max_pending=max_pending,
            on_lost=lambda _link, reason: self.losses.append(reason),
        )
        self.link.connection_made(self.transport)

    @property
    def writes(self) -> list[bytes]:
        return [call.args[0] for call in self.transport.write.call_args_list]


async def next_tick() -> None:
    await asyncio.sleep(0)


async def test_commands_of_one_tick_leave_in_one_write() -> None:
    wire = Wire()
    wire.link.send(b"A")
    wire.link.send_many([b"B", b"C"])
    wire.link.send(b"D")
    assert wire.writes == []
    await next_tick()
    assert wire.writes == [b"ABCD"]
    wire.link.send(b"E")
    await next_tick()
    assert wire.writes == [b"ABCD", b"E"]


async def test_replies_go_to_their_commands_however_the_bytes_are_cut() -> None:
    wire = Wire()
    futures = [wire.link.send(b"A"), wire.link.send_many([b"B", b"C"]), wire.link.send(b"D")]
    for byte in b"+one\r\n:2\r\n$5\r\nth\r\ne\r\n*2\r\n$-1\r\n:4\r\n":
        wire.link.data_received(bytes([byte]))
    assert await asyncio.gather(*futures) == [b"one", [2, b"th\r\ne"], [None, 4]]


async def test_a_cancelled_caller_does_not_shift_the_replies() -> None:
    wire = Wire()
    first, second, third = wire.link.send(b"A"), wire.link.send_many([b"B", b"C"]), wire.link.send(b"D")
    first.cancel()
    second.cancel()
    wire.link.data_received(b"+A\r\n+B\r\n-ERR C\r\n+D\r\n")
    assert await third == b"D"
    assert not wire.link.lost


async def test_error_replies_are_values_within_a_group_and_raised_alone() -> None:
    wire = Wire()
    alone, group = wire.link.send(b"A"), wire.link.send_many([b"B", b"C"])
    wire.link.data_received(b"-NOSCRIPT none\r\n-ERR no\r\n+C\r\n")
    with pytest.raises(redis_errors.NoScriptError):
        await alone
    error, reply = await group
    assert isinstance(error, redis_errors.ResponseError)
    assert reply == b"C"


async def test_a_late_reply_while_redis_still_answers_costs_only_its_own_caller() -> None:
    wire = Wire(timeout_seconds=TIMEOUT)
    first, second = wire.link.send(b"A"), wire.link.send(b"B")
    asyncio.get_running_loop().call_later(TIMEOUT * 0.7, wire.link.data_received, b"+A\r\n")
    assert await first == b"A"
    third = wire.link.send(b"C")
    with pytest.raises(redis_errors.TimeoutError):
        await second
    wire.link.data_received(b"+B\r\n+C\r\n")
    assert await third == b"C"
    assert wire.losses == []


async def test_silence_for_the_whole_timeout_gives_the_link_up() -> None:
    wire = Wire(timeout_seconds=TIMEOUT)
    first = wire.link.send(b"A")
    loop = asyncio.get_running_loop()
    later: list[asyncio.Future[object]] = []
    loop.call_later(TIMEOUT / 2, lambda: later.append(wire.link.send(b"B")))
    started = loop.time()
    with pytest.raises(redis_errors.TimeoutError):
        await first
    with pytest.raises(redis_errors.ConnectionError):
        await later[0]
    assert TIMEOUT <= loop.time() - started < 3 * TIMEOUT
    assert len(wire.losses) == 1
    wire.transport.abort.assert_called_once()
    with pytest.raises(redis_errors.ConnectionError):
        wire.link.send(b"C")


async def test_one_timer_serves_all_commands() -> None:
    wire = Wire()
    loop = asyncio.get_running_loop()
    timers = Mock(wraps=loop.call_at)
    wire.link._loop = Mock(wraps=loop, call_at=timers)
    for _ in range(50):
        wire.link.send(b"A")
        await next_tick()
        wire.link.data_received(b"+A\r\n")
    assert timers.call_count == 1


async def test_too_many_commands_are_refused_and_not_sent() -> None:
    wire = Wire(max_pending=3)
    wire.link.send(b"A")
    wire.link.send(b"B")
    with pytest.raises(Overloaded):
        wire.link.send_many([b"C", b"D"])
    wire.link.send(b"E")
    with pytest.raises(Overloaded):
        wire.link.send(b"F")
    await next_tick()
    assert wire.writes == [b"ABE"]
    wire.link.data_received(b"+A\r\n")
    wire.link.send(b"G")


async def test_nothing_is_written_while_the_transport_is_full() -> None:
    wire = Wire()
    wire.link.pause_writing()
    wire.link.send(b"A")
    await next_tick()
    wire.link.send(b"B")
    await next_tick()
    assert wire.writes == []
    wire.link.resume_writing()
    assert wire.writes == [b"AB"]


@pytest.mark.parametrize("garbage", [b"HTTP/1.1 400 Bad Request\r\n", b"+A\r\n+nobody asked\r\n"])
async def test_a_peer_that_is_not_redis_is_left(garbage: bytes) -> None:
    wire = Wire()
    first = wire.link.send(b"A")
    second = wire.link.send(b"B") if garbage.startswith(b"HTTP") else None
    wire.link.data_received(garbage)
    assert wire.link.lost
    if second is not None:
        for future in (first, second):
            with pytest.raises(redis_errors.ConnectionError):
                await future


async def test_a_lost_connection_reaches_everyone_who_waits() -> None:
    wire = Wire()
    futures = [wire.link.send(b"A"), wire.link.send_many([b"B", b"C"]), wire.link.send(b"D")]
    wire.link.connection_lost(OSError("reset"))
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert [type(result) for result in results] == [redis_errors.ConnectionError] * 3
    assert wire.losses == ["the connection to Redis broke: reset"]


async def test_a_redis_that_became_a_replica_is_left_after_its_replies() -> None:
    wire = Wire()
    write, read = wire.link.send(b"SET"), wire.link.send(b"GET")
    wire.link.data_received(b"-READONLY You can't write against a read only replica.\r\n+value\r\n")
    with pytest.raises(redis_errors.ReadOnlyError):
        await write
    assert await read == b"value"
    assert len(wire.losses) == 1


async def test_drain_waits_for_the_replies_owed() -> None:
    wire = Wire()
    reply = wire.link.send(b"A")
    draining = asyncio.ensure_future(wire.link.drain())
    await next_tick()
    assert not draining.done()
    wire.link.data_received(b"+A\r\n")
    await draining
    assert await reply == b"A"
