"""The proxy of `tallystick exec`, by hand."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import pytest

from tallystick.cli.interception import authority
from tallystick.cli.interception.destinations import (
    Gateway,
    destinations,
    is_loopback,
    read_gateway,
)
from tallystick.cli.interception.proxy import Proxy
from tallystick.errors import ConfigurationError


@contextlib.asynccontextmanager
async def proxy(url: str, folder: Path, *allow: str):
    gateway = read_gateway(url)
    table = destinations(allow, gateway)
    context = authority.server_context(authority.issue(table.routes), folder)
    refused: list[str] = []
    async with Proxy(table, gateway, context, refused.append) as running:
        yield running, refused


async def ask(port: int, raw: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw)
        async with asyncio.timeout(20):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET http://api-sandbox.dwolla.com/ HTTP/1.1\r\n\r\n", b"401"),
        # As axios asks a proxy for https.
        (b"GET https://api-sandbox.dwolla.com/ HTTP/1.1\r\nHost: x\r\n\r\n", b"401"),
        (b"GET https://API-Sandbox.Dwolla.com.:443/ HTTP/1.1\r\n\r\n", b"401"),
        (b"GET / HTTP/1.1\r\nHost: api-sandbox.dwolla.com\r\n\r\n", b"401"),
        (b"HEAD / HTTP/1.1\r\nHost: api-sandbox.dwolla.com\r\n\r\n", b"401"),
        (b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", b"403"),
        (b"GET / HTTP/1.1\r\nHost: api-sandbox.dwolla.com\r\nHost: example.com\r\n\r\n", b"403"),
        (b"GET / HTTP/1.1\r\n\r\n", b"403"),
        (b"GET http://example.com/ HTTP/1.1\r\nHost: api-sandbox.dwolla.com\r\n\r\n", b"403"),
        (b"GET http://api-sandbox.dwolla.com@example.com/ HTTP/1.1\r\n\r\n", b"403"),
        (b"CONNECT example.com:443 HTTP/1.1\r\n\r\n", b"403"),
        (b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\n\r\n", b"403"),
        (b"CONNECT 2130706433:443 HTTP/1.1\r\n\r\n", b"403"),
        (b"CONNECT api-sandbox.dwolla.com.example.com:443 HTTP/1.1\r\n\r\n", b"403"),
        (b"CONNECT api-sandbox.dwolla.com:99999 HTTP/1.1\r\n\r\n", b"400"),
        (b"CONNECT [::1 HTTP/1.1\r\n\r\n", b"400"),
        (b"GET ftp://127.0.0.1/ HTTP/1.1\r\n\r\n", b"400"),
        (b"GET  HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost : api-sandbox.dwolla.com\r\n\r\n", b"400"),
        (b"\xff\x00\r\n\r\n", b"400"),
        (b"GET http://127.0.0.1/\nX:y HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nA: b\rHost: api.dwolla.com\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 65_536 + b"\r\n\r\n", b"431"),
        (b"CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n", b"502"),
        (b"GET http://\x07\x1bc/ HTTP/1.1\r\n\r\n", b"403"),
    ],
)
async def test_the_proxy_reads_carefully(one, tmp_path, raw, status):
    async with proxy(one.url, tmp_path) as (running, refused):
        answer = await ask(running.port, raw)
    assert answer.split(b" ")[1] == status, answer
    assert b"\x1b" not in answer
    assert all(each.isprintable() for each in refused)


@pytest.mark.anyio
async def test_an_allowed_host_passes_and_its_credentials_go_to_it_alone(one, tmp_path):
    """localhost by another name: what matters is that the name was allowed."""
    seen = asyncio.Queue[bytes]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.put_nowait(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    other = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    raw = (
        f"GET http://user@127.0.0.1:{port}/p?q=1 HTTP/1.1\r\nHost: wrong\r\nA: b\r\n"
        "Proxy-Authorization: Basic eA==\r\nConnection: keep-alive\r\n\r\n"
    )
    async with proxy(one.url, tmp_path, "example.com") as (running, refused), other:
        assert (await ask(running.port, raw.encode())).startswith(b"HTTP/1.1 204")
        tunnelled = f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n".encode()
        assert b" 204 " in await ask(running.port, tunnelled)
        assert running._destinations.permits("example.com")
        assert not running._destinations.permits("www.example.com")
    expected = f"GET /p?q=1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nA: b\r\nConnection: close\r\n\r\n"
    assert seen.get_nowait() == expected.encode()
    assert refused == []


@pytest.mark.anyio
async def test_the_end_of_a_tunnel_is_passed_on(one, tmp_path):
    ended = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == b"all"
        writer.close()
        ended.set()

    other = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    async with proxy(one.url, tmp_path) as (running, _), other:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\nall".encode())
        writer.write_eof()
        async with asyncio.timeout(20):
            assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
            await ended.wait()
        writer.close()


@pytest.mark.anyio
async def test_only_the_gateways_links_are_respelled(tmp_path):
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = "".join(
            f'["{each}"]' for each in (base, f"{base}/customers/1", f"{base}/_partners/mx/x",
                                       f"{base}0/customers", "http://127.0.0.1/customers")
        )  # fmt: skip
        writer.write(
            "HTTP/1.1 100 Continue\r\n\r\n"
            f"HTTP/1.1 200 OK\r\nLocation: {base}/customers/1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        writer.close()

    gateway = await asyncio.start_server(answer, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{gateway.sockets[0].getsockname()[1]}"
    async with proxy(base, tmp_path) as (running, _), gateway:
        raw = await ask(running.port, b"GET http://api.dwolla.com/ HTTP/1.1\r\n\r\n")
        other = await ask(running.port, b"GET http://sandbox.plaid.com/ HTTP/1.1\r\n\r\n")
    head, _, body = raw.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").partition(b"\r\n\r\n")
    there = "https://api.dwolla.com"
    assert f"Location: {there}/customers/1\r\n".encode() in head
    assert body.decode() == (
        f'["{there}"]["{there}/customers/1"]["{base}/_partners/mx/x"]["{base}0/customers"]'
        '["http://127.0.0.1/customers"]'
    )
    assert f"content-length: {len(body)}".encode() in head
    assert b"dwolla" not in other


@pytest.mark.anyio
async def test_bodies_of_any_size_pass_both_ways(tmp_path):
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(3_000_000)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + body)
        writer.close()

    gateway = await asyncio.start_server(echo, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{gateway.sockets[0].getsockname()[1]}"
    body = os.urandom(3_000_000)
    async with proxy(base, tmp_path) as (running, _), gateway:
        for host in (b"api.dwolla.com", b"sandbox.plaid.com"):
            raw = await ask(running.port, b"POST http://%s/ HTTP/1.1\r\n\r\n%s" % (host, body))
            assert raw.endswith(body)


def test_this_machine_has_many_names():
    ours = ("localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "::")
    others = ("localhost.example.com", "10.0.0.1", "::ffff:10.0.0.1", "127.0.0.1.example.com")
    assert all(is_loopback(each) for each in ours)
    assert not any(is_loopback(each) for each in others)


@pytest.mark.parametrize("wrong", ["", "a b", "a/b", "é.example", "x" * 300, "-a", "a\n"])
def test_what_is_no_host_is_not_allowed(wrong):
    with pytest.raises(ConfigurationError, match="takes the name of a host"):
        destinations([wrong], Gateway("127.0.0.1", 7420))
