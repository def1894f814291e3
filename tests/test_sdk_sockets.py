"""Servers that misbehave below HTTP, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time

import pytest

from tallystick import APIConnectionError, APITimeoutError, AsyncClient, Client, RetryConfig

ONCE = RetryConfig(max_retries=0)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n"


@contextlib.contextmanager
def listening(serve):
    """`serve(connection)` in a thread for each connection."""
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)

    def one(connection):
        with connection, contextlib.suppress(OSError):
            serve(connection, stop)

    def accept():
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop.set()
        thread.join(5)
        listener.close()


def silent(connection, stop):
    connection.recv(4096)
    stop.wait(60)


def hang_up(connection, stop):
    connection.recv(4096)


def garbage(connection, stop):
    connection.recv(4096)
    connection.sendall(b"\x00\xff not HTTP\r\n\r\n")


def half(connection, stop):
    connection.recv(4096)
    connection.sendall(OK + b'{"id"')


def bad_gzip(connection, stop):
    connection.recv(4096)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n"
    connection.sendall(head + b"abc")


def trickling_body(connection, stop):
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not stop.wait(0.05):
        connection.sendall(b" ")


def trickling_head(connection, stop):
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not stop.wait(0.05):
        connection.sendall(b"x")


def call(kind, url, timeout):
    options = {
        "base_url": url, "bearer_auth": "t", "retry_config": ONCE, "timeout": timeout,
    }  # fmt: skip
    if kind is Client:
        with Client(**options) as client:
            return client.customers.get("1")

    async def main():
        async with AsyncClient(**options) as client:
            return await client.customers.get("1")

    return asyncio.run(main())


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("serve", [hang_up, garbage, half, bad_gzip])
def test_what_is_no_answer_is_a_connection_error(kind, serve):
    with listening(serve) as url, pytest.raises(APIConnectionError) as caught:
        call(kind, url, 60)
    assert not isinstance(caught.value, APITimeoutError)
    assert f"from {url.removeprefix('http://')} (" in str(caught.value)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("serve", [silent, trickling_body])
def test_the_deadline_ends_the_wait(kind, serve):
    started = time.monotonic()
    with listening(serve) as url, pytest.raises(APITimeoutError):
        call(kind, url, 0.4)
    assert time.monotonic() - started < 20  # not the minute that the server waits


def test_the_async_deadline_also_ends_a_head_that_trickles():
    started = time.monotonic()
    with listening(trickling_head) as url, pytest.raises(APITimeoutError):
        call(AsyncClient, url, 0.4)
    assert time.monotonic() - started < 20  # not the minute that the server waits


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_nobody_there_is_a_connection_error(kind):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(APIConnectionError):
        call(kind, url, 60)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_connection_that_was_closed_between_calls_is_no_error(kind):
    def once(connection, stop):
        connection.recv(4096)
        connection.sendall(OK + b'{"id": "1"}')

    options = {"bearer_auth": "t", "retry_config": ONCE}
    with listening(once) as url:
        if kind is Client:
            with Client(base_url=url, **options) as client:
                for _ in range(3):
                    assert client.customers.get("1").id == "1"
                    time.sleep(0.02)
            return

        async def main():
            async with AsyncClient(base_url=url, **options) as client:
                for _ in range(3):
                    assert (await client.customers.get("1")).id == "1"
                    await asyncio.sleep(0.02)

        asyncio.run(main())
