"""Receivers that are slow, broken or hostile: each costs one attempt, and no more."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import gzip
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.receiver import OK, subscribe, told

from tallystick.delivery.egress import Egress
from tallystick.delivery.post import ANSWER_BYTES_MAX, READ_BYTES_MAX, NoAnswer, Poster

pytestmark = pytest.mark.anyio

QUICK_S = 0.3


def poster(**options):
    return Poster(Egress(live=False), deadline_s=QUICK_S, **options)


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    head = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join([*head, b"", body])


@pytest.mark.parametrize(
    ("said", "status", "body"),
    [
        (OK, 200, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", 200, b"hi"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"ok"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, 200, b"ok"),
        (OK + b"HTTP/1.1 500 Second\r\n\r\n", 200, b"ok"),
        (answer(b"x" * 5_000_000), 200, b"x" * ANSWER_BYTES_MAX),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\ncut", 200, b"cut"),
        (answer(b"", b"Location: http://127.0.0.1:1/", status=b"307 X"), 307, b""),
    ],
)
async def test_answers(receive, said, status, body):
    receiver = await receive(said)
    got = await poster().post(receiver.url, [("A", "b")], b"{}")
    assert (got.status, got.body) == (status, body)
    assert receiver.got[0].headers["A"] == "b"
    assert receiver.connections == 1


async def nothing(_got):
    return None


async def hang(_got):
    await asyncio.sleep(5)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (nothing, "BROKEN_OFF"),
        (hang, "TIMED_OUT"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "NOT_HTTP"),
        (b"220 smtp.example.com ESMTP\r\n", "NOT_HTTP"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            "NOT_HTTP",
        ),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"a" * 2 * READ_BYTES_MAX, "NOT_HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * READ_BYTES_MAX, "NOT_HTTP"),
        (b"\x16\x03\x01\x00\x00" * 100, "NOT_HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "NOT_HTTP"),
    ],
)
async def test_no_usable_answer(receive, said, why):
    receiver = await receive(said)
    with pytest.raises(NoAnswer, match=f"^{why}$"):
        await poster().post(receiver.url, [], b"{}")


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "more"), [(b"0\r\n", b"A: b\r\n" * 10_000), (b"1;", b"x" * 50_000)]
)
async def test_what_goes_on_for_ever_after_the_status_is_not_read_for_ever(begin, more):
    """Trailers made a process grow by 300 MB a second."""

    async def go_on(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED + begin)
        with contextlib.suppress(OSError):
            while not writer.is_closing():
                writer.write(more)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(go_on, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    got = await poster().post(f"http://127.0.0.1:{port}/", [], b"{}")
    assert (got.status, got.body) == (200, b"")
    server.close()


async def test_the_deadline_is_for_the_whole_attempt():
    """A byte now and then keeps nobody waiting for longer than the deadline."""

    async def trickle(_reader, writer):
        try:
            for byte in OK.replace(b"2\r\n", b"99\r\n") + b"x" * 1_000:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.01)
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    started = asyncio.get_running_loop().time()
    with pytest.raises(NoAnswer, match="TIMED_OUT"):
        await poster().post(f"http://127.0.0.1:{port}/", [], b"{}")
    assert asyncio.get_running_loop().time() - started < QUICK_S * 3
    server.close()


async def test_nobody_is_there(receive):
    receiver = await receive()
    with pytest.raises(NoAnswer, match="NO_CONNECTION"):
        await poster().post("http://127.0.0.1:1/", [], b"{}")
    with pytest.raises(NoAnswer, match="NO_ADDRESS"):
        await poster().post("http://nobody.invalid/", [], b"{}")
    with pytest.raises(NoAnswer, match="TIMED_OUT"):  # it waits for the rest of a request line
        await poster().post(receiver.url.replace("http:", "https:"), [], b"{}")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for hooks.test that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hooks.test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "hooks.pem"
    pem = serialization.Encoding.PEM
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(pem)
    )
    return file


async def test_tls_and_host_speak_of_the_name(receive, certificate):
    """The connection goes to the checked address; name and certificate are those of the URL."""
    asked_for = []
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    tls.sni_callback = lambda _socket, name, _context: asked_for.append(name)
    receiver = await receive(OK, tls=tls)

    async def resolve(_host, _port):
        return ["127.0.0.1"]

    trusting = ssl.create_default_context(cafile=str(certificate))
    guard = Egress(live=False, resolve=resolve)
    url = f"https://hooks.test:{receiver.port}/hook"
    got = await Poster(guard, tls=trusting).post(url, [], b"{}")
    assert got.status == 200
    assert asked_for == ["hooks.test"]
    assert receiver.got[0].headers["Host"] == f"hooks.test:{receiver.port}"
    for wrong in (url.replace("hooks", "other"), receiver.url):
        with pytest.raises(NoAnswer, match="TLS_FAILED"):
            await Poster(guard, tls=trusting).post(wrong, [], b"{}")
    with pytest.raises(NoAnswer, match="TLS_FAILED"):
        await Poster(guard).post(url, [], b"{}")
    assert len(receiver.got) == 1


async def test_what_is_kept_of_an_answer(gateway, receive):
    """Four kilobytes of readable text, and no header that grants access (threat T5)."""
    client = await gateway.application()
    hostile = answer(
        b"\x00\x1b[31mred\xff\n" + b"x" * 10_000_000,
        b"Set-Cookie: session=canary",
        b"WWW-Authenticate: canary",
        b"x-amz-security-token: canary",
        b"Metadata-Flavor: canary",
        b"X-Odd: caf\xe9",
        b"X-Long: " + b"y" * 9_000,
        status=b"500 No",
    )
    receiver = await receive(hostile)
    subscription = await subscribe(client, receiver)
    await client.customer()
    await gateway.process.drain()
    (webhook,) = await told(client, subscription)
    response = webhook["attempts"][0]["response"]
    assert response["statusCode"] == 500
    assert response["body"].startswith("\ufffd\ufffd[31mred\ufffd\n")
    assert len(response["body"]) <= ANSWER_BYTES_MAX
    kept = {each["name"].lower(): each["value"] for each in response["headers"]}
    assert "canary" not in str(kept)
    assert len(kept["x-long"]) == 1_024
    bomb = gzip.compress(b"0" * 100_000)
    receiver.answer = answer(bomb, b"Content-Encoding: gzip")
    await client.post(webhook["_links"]["retry"]["href"])
    await gateway.process.drain()
    (webhook,) = await told(client, subscription)
    assert webhook["attempts"][1]["response"]["body"] == ""


async def test_redirects_are_failures(gateway, receive):
    client, elsewhere = await gateway.application(), await receive()
    away = answer(b"", b"Location: " + elsewhere.url.encode(), status=b"302 Found")
    subscription = await subscribe(client, await receive(away))
    await client.customer()
    await gateway.process.drain()
    (webhook,) = await told(client, subscription)
    assert [each["response"]["statusCode"] for each in webhook["attempts"]] == [302]
    assert elsewhere.got == []
