"""Which requests are plain, and what their headers say."""

import pytest

from runtime.plain_requests import PlainHead, pattern, read_head

PLAIN = pattern("/users/", "[0-9a-f]+")
HOST = b"Host: localhost\r\n"


def lines_of(request: bytes) -> bytes | None:
    match = PLAIN.fullmatch(request)
    return None if match is None else match[2]


@pytest.mark.parametrize(
    "request_",
    [
        b"HEAD /users/12 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /users/12 HTTP/1.0\r\n" + HOST + b"\r\n",
        b"GET /users/12? HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /users/12?version=1 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /users/12/history HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /users/%31 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET  /users/12 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /users/12 HTTP/1.1\n" + HOST + b"\r\n",
        b"GET /users/12 HTTP/1.1\r\n" + HOST,
        b"GET /users/12 HTTP/1.1\r\n" + HOST + b"\r\nG",
        b"GET /users/12 HTTP/1.1\r\n" + HOST + b"\r\nGET /users/12 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /users/12 HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"GET /users/12 HTTP/1.1\r\nHost: local\x00host\r\n\r\n",
        b"GET /users/12 HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n",
        b"GET /users/12 HTTP/1.1\r\nHost: localhost\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /users/12 HTTP/1.1\r\nHost: l\xc3\xb6calhost\r\n\r\n",
        b"GET /users/12 HTTP/1.1\r\n" + b"Dnt: 1\r\n" * 51 + b"\r\n",
    ],
)
def test_what_is_not_one_whole_get_of_one_thing_is_not_plain(request_: bytes) -> None:
    assert lines_of(request_) is None


def test_the_target_and_the_lines_of_headers_are_told() -> None:
    match = PLAIN.fullmatch(b"GET /users/12af HTTP/1.1\r\n" + HOST + b"Accept: */*\r\n\r\n")
    assert match is not None
    assert match.groups() == (b"12af", HOST + b"Accept: */*\r\n")


@pytest.mark.parametrize(
    "line",
    [
        b"Content-Length: 0",
        b"Transfer-Encoding: chunked",
        b"Connection: close",
        b"Connection: Upgrade",
        b"Expect: 100-continue",
        b"Upgrade: h2c",
        b"Accept: text/html",
        b"If-None-Match: *",
        b"If-Match: *",
        b"Consistency-Token: a.0-1",
        b"Prefer: wait=1",
        b"Authorization: Basic YTpi",
        b"Range: bytes=0-1",
        b"X-Unheard-Of: 1",
        b"Host: another",
    ],
)
def test_a_header_that_could_change_the_answer_is_for_the_ordinary_path(line: bytes) -> None:
    assert read_head(HOST) is not None
    assert read_head(HOST + line + b"\r\n") is None


def test_what_the_headers_say_is_told() -> None:
    lines = (
        HOST + b"accept: application/json\r\nAUTHORIZATION: bearer  abc \r\nX-Request-ID: r-1\r\n"
        b"Traceparent: 00-x\r\nX-Forwarded-For: 1.2.3.4, 5.6.7.8\r\nConnection: Keep-Alive\r\nUser-Agent: a b\r\n"
    )
    assert read_head(lines) == PlainHead(b"abc", b"r-1", "00-x", (b"1.2.3.4, 5.6.7.8",))


def test_two_of_one_header_are_for_the_ordinary_path() -> None:
    assert read_head(HOST + b"X-Request-Id: 1\r\nx-request-id: 2\r\n") is None
