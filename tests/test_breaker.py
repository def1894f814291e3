"""A partner that does not answer is left alone for a while, and so are its callers' threads."""

from __future__ import annotations

import asyncio

import pytest

from tallystick.partners import breaker
from tallystick.partners.breaker import Breaker
from tallystick.partners.contract import Grant
from tallystick.partners.errors import ConsentLost, PartnerRefused, PartnerUnavailable
from tallystick.partners.registry import GuardedPartner, manifests
from tallystick.secret import Secret

pytestmark = pytest.mark.anyio

GRANT = Grant(Secret("g"), "item")


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Connector:
    """Fails as it is told to, and counts how often it was asked."""

    def __init__(self, *failures: Exception | None):
        self.failures, self.asked = list(failures), 0

    async def list_accounts(self, _grant):
        self.asked += 1
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        return []


def partner(connector, **changes):
    manifest = next(each for each in manifests() if not each.opt_in)
    changed = {name: getattr(manifest, name) for name in manifest.__slots__} | changes
    return GuardedPartner(type(manifest)(**changed), connector)


async def codes(asked, times):
    found = []
    for _ in range(times):
        try:
            found.append(await asked.list_accounts(GRANT))
        except (PartnerUnavailable, ConsentLost, PartnerRefused) as error:
            found.append(error.code)
    return found


async def test_five_failures_open_it_and_nobody_is_asked_then():
    connector = Connector(*[PartnerUnavailable("DOWN")] * 9)
    assert await codes(partner(connector), 8) == ["DOWN"] * 5 + [breaker.CODE] * 3
    assert connector.asked == 5


async def test_what_is_an_answer_does_not_count():
    answers = [PartnerUnavailable("DOWN")] * 4 + [ConsentLost("LOGIN"), PartnerRefused("KEYS")]
    bank = [PartnerUnavailable("BANK", bank=True)] * 9
    connector = Connector(*answers, *bank, *[PartnerUnavailable("DOWN")] * 4, None)
    assert breaker.CODE not in await codes(partner(connector), 20)


class Told(Connector):
    """Cannot make sense of what it is told, and says so in every way there is."""

    async def verify(self, headers, body):
        if not headers:
            raise ValueError(body)
        return True

    def translate(self, _body):
        raise PartnerUnavailable("UNREADABLE_NOTICE")

    def read_return(self, _query):
        raise PartnerUnavailable("RETURN_WITHOUT_STATE")


async def test_what_strangers_send_us_neither_opens_it_nor_closes_it():
    connector = Told(*[PartnerUnavailable("DOWN")] * 9)
    asked = partner(connector)
    for _ in range(breaker.FAILURES):
        for junk in (asked.translate, asked.read_return):
            with pytest.raises(PartnerUnavailable):
                junk({})
        with pytest.raises(PartnerUnavailable):
            await asked.verify({}, b"junk")
    assert await codes(asked, 4) == ["DOWN"] * 4
    assert await asked.verify({"name": "text"}, b"signed")
    assert await codes(asked, 2) == ["DOWN", breaker.CODE]
    assert await asked.verify({"name": "text"}, b"signed"), "a notice needs no partner that answers"
    assert await codes(asked, 1) == [breaker.CODE]


def test_one_call_finds_out_whether_it_is_over():
    now = [0.0]
    held = Breaker(lambda: now[0])
    for _ in range(breaker.FAILURES):
        held.heard(PartnerUnavailable("DOWN"))
    with pytest.raises(PartnerUnavailable) as refused:
        held.require_closed()
    assert refused.value.acted is False  # so nothing is lost by trying again
    now[0] += breaker.OPEN_S
    held.require_closed()  # this one tries
    with pytest.raises(PartnerUnavailable):
        held.require_closed()  # and the next does not
    held.answered()
    held.require_closed()


async def test_all_requests_of_a_call_share_one_deadline():
    class Slow(Connector):
        async def list_accounts(self, _grant):
            for _ in range(100):
                await asyncio.sleep(0.02)

    with pytest.raises(PartnerUnavailable) as late:
        await partner(Slow(), deadline_s=0.1).list_accounts(GRANT)
    assert (late.value.code, late.value.acted) == ("TIMED_OUT", None)
