"""Answers over a socket: whole ones in one piece, all others as the server would write them."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest
import uvicorn

from tallystick.errors import SlowRequest
from tallystick.hal import ERROR_CONTENT_TYPE
from tallystick.server import protocol
from tallystick.server.intake import read_body
from tallystick.server.protocol import MESSAGE_BYTES_MAX, BoundedHttp, WholeAnswer

pytestmark = pytest.mark.anyio

LENGTH = (b"content-length", b"5")


def start(*headers):
    return {"type": "http.response.start", "status": 200, "headers": list(headers)}


def body(part, more=False):
    return {"type": "http.response.body", "body": part, "more_body": more}


ANSWERS = {
    "/whole": [start(LENGTH), body(b"hello")],
    "/empty": [start((b"content-length", b"0")), body(b"")],
    "/parts": [start(LENGTH), body(b"hel", more=True), body(b"lo")],
    "/unmeasured": [start(), body(b"hello")],
    "/closes": [start(LENGTH, (b"connection", b"close")), body(b"hello")],
    "/longer": [start((b"content-length", b"4")), body(b"hello")],
    "/splits": [start(LENGTH, (b"x", b"a\r\nset-cookie: b")), body(b"hello")],
    "/silent": [],
    "/headless": [start(LENGTH)],
}


async def application(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/read":
        try:
            said = await read_body(receive)
        except SlowRequest:
            said = b"late!"
        ANSWERS["/read"] = [start(LENGTH), body(said)]
    for message in ANSWERS[scope["path"]]:
        await send(message)


@pytest.fixture
async def port():
    config = uvicorn.Config(
        application, port=0, http=BoundedHttp, lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


async def ask(port, *lines):
    """Everything that is answered, until the server closes or is silent for a moment."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for line in lines:
        writer.write(f"{line} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
    answer = b""
    try:
        while part := await asyncio.wait_for(reader.read(65_536), 0.3):
            answer += part
    except TimeoutError:
        pass
    writer.close()
    return answer


@pytest.mark.parametrize(
    ("line", "end"),
    [
        ("GET /whole", b"\r\ncontent-length: 5\r\n\r\nhello"),
        ("GET /empty", b"\r\ncontent-length: 0\r\n\r\n"),
        ("HEAD /whole", b"\r\ncontent-length: 5\r\n\r\n"),
        ("GET /parts", b"\r\ncontent-length: 5\r\n\r\nhello"),
        ("GET /unmeasured", b"\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        ("GET /closes", b"\r\nconnection: close\r\n\r\nhello"),
    ],
)
async def test_answers_of_every_kind(port, line, end):
    answer = await ask(port, line)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
    assert answer.endswith(end)


@pytest.mark.parametrize("path", ["/longer", "/splits", "/silent", "/headless"])
async def test_an_answer_that_makes_no_sense_is_never_half_written(port, path):
    answer = await ask(port, f"GET {path}")
    assert answer == b"" or b"hello" not in answer
    assert b"set-cookie" not in answer


async def test_pipelined_requests_are_answered_in_order(port):
    answer = await ask(port, "GET /whole", "GET /empty", "GET /parts", "GET /whole")
    assert [part.split(b"\r\n")[0] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200 OK"] * 4
    assert answer.count(b"hello") == 3


async def test_a_whole_answer_is_one_write(port, monkeypatch):
    written = []
    send_whole = WholeAnswer._send_whole

    def counted(self, *messages):
        was = self.transport.write
        self.transport = Writes(self.transport, written)
        try:
            return send_whole(self, *messages)
        finally:
            self.transport = self.transport.inner
            assert self.transport.write == was

    monkeypatch.setattr(WholeAnswer, "_send_whole", counted)
    answer = await ask(port, "GET /whole", "GET /whole")
    assert b"".join(written) == answer
    assert len(written) == 2


class Writes:
    def __init__(self, inner, written):
        self.inner, self.written = inner, written

    def write(self, data):
        self.written.append(data)
        self.inner.write(data)

    def __getattr__(self, name):
        return getattr(self.inner, name)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",  # TLS on the plain port
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx: a\x01b\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_a_bad_request_in_the_envelope(port, raw):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw)
    answer = await asyncio.wait_for(reader.read(), 30)
    head, _, content = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert ERROR_CONTENT_TYPE.encode() in head
    assert b"x-request-id: " in head
    assert json.loads(content) == {
        "code": "BadRequest",
        "message": "The request is not valid HTTP.",
    }
    writer.close()


@pytest.mark.parametrize(
    ("begin", "piece", "said"),
    [
        (b"GET /", b"x" * 16_384, b"too long"),
        (b"GET / HTTP/1.1\r\nx: ", b"x" * 16_384, b"too long"),
        (b"GET / HTTP/1.1\r\n", b"a: b\r\n" * 2_048, b"too long"),
        # After the body of a request that was answered: what follows it is bounded as well.
        (
            b"POST /whole HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n",
            b"a: b\r\n" * 2_048,
            b"hello",
        ),
        (b"GET /whole HTTP/1.1\r\n\r\n", b"\r\n" * 8_192, b"hello"),
    ],
)
async def test_a_request_that_goes_on_and_on_is_ended(port, begin, piece, said):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer, sent = b"", 0
    writer.write(begin)
    try:
        while sent < 8 * MESSAGE_BYTES_MAX:
            writer.write(piece)
            sent += len(piece)
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                answer += await asyncio.wait_for(reader.read(4_096), 0.01)
            if reader.at_eof():
                break
    except ConnectionError:
        pass
    assert sent < 8 * MESSAGE_BYTES_MAX
    assert said in answer
    writer.close()


@pytest.mark.parametrize(
    ("pieces", "pause_s", "answer"),
    [
        (["hello"], 0, b"hello"),
        (["he", "llo"], 0.1, b"hello"),
        (["he", "l", "l", "o"], 0.3, b"late!"),
        (["he"], 0, b"late!"),
    ],
    ids=["whole", "in pieces", "a trickle", "no end"],
)
async def test_a_body_has_its_time(port, monkeypatch, pieces, pause_s, answer):
    """From its head on, however many pieces come meanwhile; and what follows has time again."""
    monkeypatch.setattr(protocol, "BODY_S", 0.5)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2 if answer == b"hello" else 1):
        writer.write(b"POST /read HTTP/1.1\r\ncontent-length: 5\r\n\r\n")
        for piece in pieces:
            await asyncio.sleep(pause_s)
            writer.write(piece.encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        assert head.startswith(b"HTTP/1.1 200 ")
        assert await reader.readexactly(5) == answer
        await asyncio.sleep(0.6)  # nobody ends what was in time
    writer.close()
