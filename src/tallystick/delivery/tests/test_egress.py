"""Where webhooks may go in live: a table of addresses, and names that change their mind."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

import pytest
from tests.receiver import OK, subscribe

from tallystick.delivery import egress, post
from tallystick.delivery.egress import Egress, Refused, Unresolved, refusal
from tallystick.delivery.post import NoAnswer, Poster

pytestmark = pytest.mark.anyio

# Smokescreen's list, the clouds' metadata services, and what embeds one address in another.
REFUSED = """
    0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1
    127.255.255.254 168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1
    172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1 192.168.255.255
    198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1
    255.255.255.255
    :: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8 ::ffff:a9fe:a9fe
    64:ff9b::a00:1 64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::a00:1 100::1 2001::1
    2001:0:53aa:64c:0:0:f5ff:fffe 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002::1
    2002:7f00:1:: 2002:a00:1::1 2002:a9fe:a9fe:: 3ffe::1 3fff::1 4000::1 5f00::1 fc00::1
    fd00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 2606:4700::1%eth0 fec0::1 ff00::1 ff02::1 ff0e::1
""".split()  # noqa: SIM905  # a table is easier to read and to add to
PUBLIC = """
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.0.0.1 128.0.0.1
    169.253.0.1 169.255.0.1 172.15.0.1 172.32.0.1 191.0.0.1 192.0.1.1 192.167.0.1 192.169.0.1
    198.17.0.1 198.20.0.1 223.255.255.255 2606:4700:4700::1111 2001:4860:4860::8888 2a00:1450::1
""".split()  # noqa: SIM905  # a table is easier to read and to add to
# Other spellings of the same: what the C library makes of them is what is checked.
SPELLINGS = """
    2130706433 0x7f000001 0x7f.1 0177.0.0.1 127.1 127.0.1 0 0x0 localhost 017700000001
    0xa9fea9fe 169.254.43518 2852039166
""".split()  # noqa: SIM905  # a table is easier to read and to add to


@pytest.mark.parametrize("address", REFUSED)
def test_refused(address):
    assert refusal(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address):
    assert refusal(address) is None


def test_the_table_is_not_that_of_the_standard_library():
    """The control: `is_global` lets through what this table refuses."""
    passed = [each for each in REFUSED if ipaddress.ip_address(each).is_global]
    assert len(passed) >= 4, passed


async def test_other_spellings_are_resolved_and_refused():
    live = Egress(live=True)
    for host in SPELLINGS:
        with pytest.raises((Refused, Unresolved)):
            await live.addresses(host, 443, secure=True)
    live.close()


def stub(*answers):
    """A resolver that gives one answer after the other, and counts."""
    left, asked = list(answers), []

    async def resolve(host, port):
        asked.append((host, port))
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return resolve, asked


async def test_one_bad_address_among_many_is_enough():
    resolve, _ = stub(["8.8.8.8", "2606:4700::1", "10.0.0.1"])
    with pytest.raises(Refused, match="private"):
        await Egress(live=True, resolve=resolve).addresses("a.test", 443, secure=True)


async def test_a_name_without_an_address():
    for answer in ([], socket.gaierror("no"), UnicodeError("label too long")):
        resolve, _ = stub(answer)
        with pytest.raises(Unresolved):
            await Egress(live=True, resolve=resolve).addresses("a.test", 443, secure=True)


async def test_rebinding_finds_no_second_look(monkeypatch):
    """The first answer is public, every later one is loopback: we connect to the first."""
    connected = []

    async def connect(host, port, **_options):
        connected.append((host, port))
        raise OSError("no route in a test")

    monkeypatch.setattr(post.asyncio, "open_connection", connect)
    resolve, asked = stub(["93.184.215.14"], ["127.0.0.1"])
    poster = Poster(Egress(live=True, resolve=resolve))
    with pytest.raises(NoAnswer, match="NO_CONNECTION"):
        await poster.post("https://rebinding.test/hook", [], b"{}")
    assert (asked, connected) == ([("rebinding.test", 443)], [("93.184.215.14", 443)])
    with pytest.raises(NoAnswer, match="ADDRESS_REFUSED"):
        await poster.post("https://rebinding.test/hook", [], b"{}")
    assert len(asked) == 2
    assert len(connected) == 1


# Every way to write this machine: plain, short, octal, hexadecimal, decimal, unspecified, and in
# the forms in which IPv6 holds an IPv4 address.
THIS_MACHINE = """
    127.0.0.1 127.1 127.0.1 127.0.0.2 0.0.0.0 0 0x0 2130706433 0x7f000001 0x7f.1 0177.0.0.1
    017700000001 localhost localhost. [::1] [::] [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1]
    [::ffff:7f00:1] [::127.0.0.1] [64:ff9b::7f00:1] [2002:7f00:1::] [::ffff:0.0.0.0]
""".split()  # noqa: SIM905  # a table is easier to read and to add to


async def trap():
    """Listens on every address of this machine, and counts who comes."""
    came = []

    async def serve(_reader, writer):
        came.append(writer.get_extra_info("sockname"))
        writer.write(OK)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, ["0.0.0.0", "::"], 0)
    by_family = {each.family: each.getsockname()[1] for each in server.sockets}
    return server, came, [by_family.pop(socket.AF_INET), *by_family.values()]


async def test_nothing_reaches_a_trap_in_live():
    """Whatever its port: what keeps out is the address, and https alone, and the list of ports."""
    server, came, ports = await trap()
    async with server:
        every = Egress(live=True, ports=ports)
        few = Egress(live=True)
        for port in set(ports):
            for host in THIS_MACHINE:
                for scheme, guard in (("https", every), ("http", every), ("https", few)):
                    with pytest.raises(NoAnswer, match=r"ADDRESS_REFUSED|NO_ADDRESS"):
                        await Poster(guard).post(f"{scheme}://{host}:{port}/hook", [], b"{}")
        assert came == []
        # The control: the same trap is reached where it may be.
        url = f"http://127.0.0.1:{ports[0]}/"
        await Poster(Egress(live=False)).post(url, [], b"{}")
        await Poster(Egress(live=True, hosts=["127.0.0.1"])).post(url, [], b"{}")
        assert len(came) == 2
        every.close()
        few.close()


async def test_a_redirect_to_the_trap_is_not_followed_in_live(receive):
    """The one who redirects is allowed by name; where it points to is not."""
    server, came, ports = await trap()
    async with server:
        for status in (301, 302, 303, 307, 308):
            head = f"HTTP/1.1 {status} Away\r\nLocation: http://127.0.0.1:{ports[0]}/\r\n"
            redirecting = await receive(f"{head}Content-Length: 0\r\n\r\n".encode())
            resolve, _ = stub(["127.0.0.1"])
            guard = Egress(live=True, hosts=["hooks.internal"], resolve=resolve)
            url = f"http://hooks.internal:{redirecting.port}/"
            answer = await Poster(guard).post(url, [], b"{}")
            assert (answer.status, len(redirecting.got)) == (status, 1)
        assert came == []


async def test_rebinding_reaches_no_trap_in_live():
    """A name that is public when it is checked and ours a moment later, or both at once."""
    server, came, ports = await trap()
    async with server:
        for answers in (
            [["127.0.0.1"]],
            [["::1"]],
            [["93.184.215.14", "127.0.0.1"]],
            [["::ffff:127.0.0.1"]],
            [["0.0.0.0"]],
            [["fe80::1%lo"]],
        ):
            resolve, _ = stub(*answers)
            guard = Egress(live=True, ports=ports, resolve=resolve)
            with pytest.raises(NoAnswer, match="ADDRESS_REFUSED"):
                await Poster(guard).post(f"https://rebinding.test:{ports[0]}/", [], b"{}")
        assert came == []


async def test_ports_in_live():
    resolve, asked = stub(["93.184.215.14"])
    for port, ports, refused in (
        (443, (443, 8443), False),
        (8443, (443, 8443), False),
        (6379, (443, 8443), True),
        (443, (9443,), True),
        (9443, (9443,), False),
    ):
        guard = Egress(live=True, ports=ports, resolve=resolve)
        if refused:
            with pytest.raises(Refused, match="port"):
                await guard.addresses("a.test", port, secure=True)
        else:
            assert await guard.addresses("a.test", port, secure=True)
    assert len(asked) == 3, "a port that is refused is not even looked up"
    listed = Egress(live=True, hosts=["a.test"], resolve=resolve)
    assert await listed.addresses("a.test", 6379, secure=False)


async def test_many_who_ask_for_one_name_share_the_look_up():
    going = asyncio.Event()
    asked = []

    async def resolve(host, _port):
        asked.append(host)
        await going.wait()
        return ["8.8.8.8"]

    guard = Egress(live=True, resolve=resolve)
    waiting = [asyncio.ensure_future(guard.addresses("a.test", 443, secure=True)) for _ in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    going.set()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert (done[1:], asked) == ([["8.8.8.8"]] * 4, ["a.test"])
    await guard.addresses("a.test", 443, secure=True)
    assert len(asked) == 2


async def test_a_refused_address_is_an_attempt_without_a_response(gateway, receive):
    """Nothing of an answer can be kept, for there was none (threat T5)."""
    client, trap = await gateway.application(), await receive()
    subscription = await subscribe(client, trap)
    delivery = gateway.process._delivery
    delivery._poster = Poster(egress.Egress(live=True))
    await client.customer()
    await gateway.process.drain()
    listed = (await client.get(f"{subscription}/webhooks")).json()
    (attempt,) = listed["_embedded"]["webhooks"][0]["attempts"]
    assert "response" not in attempt
    assert trap.connections == 0
