"""A Finicity that lies, rambles or falls silent: the answer is a PartnerError, and tells no secret.

Each answer of each call is taken apart: members dropped, and anything put in their place.
"""

from __future__ import annotations

import asyncio
import copy
import traceback
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx2
import pytest

from tallystick.partners.errors import PartnerError, PartnerUnavailable
from tallystick.partners.finicity.connector import Connector
from tallystick.partners.finicity.settings import FinicitySettings
from tallystick.partners.finicity.tests.finicity_stage import (
    ACCOUNT,
    BASE,
    RECEIPT,
    SECRET,
    Stage,
    receipt,
    transcript,
)
from tallystick.partners.http import PartnerHttp

pytestmark = pytest.mark.anyio

TOKEN = "YBh22Sb9Es6e66Q7lWdt"
NUMBER = "002345678901"
SECRETS = (SECRET, TOKEN, NUMBER, ACCOUNT, RECEIPT["customerId"])
WRONG = (
    None, True, False, 0, -1, 1.5, 1e308, "", "NaN", "<script>", "\x00", "\ud800", "١٢٣٤٥٦٧٨٩",
    "9" * 100_000, 10**30, 10**17, [], {}, [None], {"a": []},
)  # fmt: skip


async def _redeem(stage: Stage) -> object:
    return await stage.connector.redeem(receipt())


async def _accounts(stage: Stage) -> object:
    return await stage.connector.list_accounts(await stage.connector.redeem(receipt()))


async def _balance(stage: Stage) -> object:
    grant = await stage.connector.redeem(receipt())
    return await stage.connector.read_balance(grant, ACCOUNT)


# What is called, the transcripts it plays, and which of them lies.
CALLS: dict[str, tuple[Callable[[Stage], Any], tuple[str, ...], int]] = {
    "authenticate": (_redeem, ("authenticate", "read_details"), 0),
    "redeem": (_redeem, ("authenticate", "read_details"), 1),
    "accounts": (_accounts, ("authenticate", "read_details", "read_details"), 2),
    "balance": (_balance, ("authenticate", "read_details", "read_balance"), 2),
}


def mutations(node: Any) -> Iterator[Any]:
    """Every way to drop one member, or to put something wrong in its place."""
    yield from WRONG
    for key in node:
        yield {name: value for name, value in node.items() if name != key}
        for wrong in (*WRONG, *SECRETS):
            changed = copy.deepcopy(node)
            changed[key] = wrong
            yield changed


def leaks(error: BaseException) -> list[str]:
    told = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    return [secret for secret in SECRETS if secret in told]


async def failure(call: Awaitable[object]) -> PartnerError | None:
    """The PartnerError that the call ends in, or None. Any other error is a fault."""
    try:
        await call
    except PartnerError as error:
        return error
    return None


@pytest.mark.parametrize("name", CALLS)
async def test_a_lie_is_an_answer_or_a_partner_error(name):
    call, transcripts, liar = CALLS[name]
    failures = []
    for lie in mutations(transcript(transcripts[liar])["response"]["json"]):
        stage = Stage(*transcripts, answers={liar: {"status": 200, "json": lie}})
        failures.append(await failure(call(stage)))
    told = [error for error in failures if error is not None]
    assert len(told) > 20
    assert [leak for error in told for leak in leaks(error)] == []
    assert {error.__cause__ for error in told} == {None}


@pytest.mark.parametrize("raw", [b'{"availableBalance": NaN}', b"[" * 500_000, b'{"a":"\xff"}'])
@pytest.mark.parametrize("name", CALLS)
async def test_what_is_no_json(name, raw):
    call, transcripts, liar = CALLS[name]
    stage = Stage(*transcripts, answers={liar: {"status": 200, "raw": raw}})
    with pytest.raises(PartnerUnavailable):
        await call(stage)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
@pytest.mark.parametrize("name", CALLS)
async def test_an_error_that_echoes_our_secrets_is_not_repeated_by_us(name, status):
    call, transcripts, liar = CALLS[name]
    for echo in (*SECRETS, *WRONG):
        for body in (
            {"code": echo, "message": echo},
            {"Errors": {"Error": [{"ReasonCode": echo, "Details": echo}]}},
            {"Errors": {"Error": echo}},
            {"Errors": echo},
            echo,
        ):
            stage = Stage(*transcripts, answers={liar: {"status": status, "json": body}})
            with pytest.raises(PartnerError) as caught:
                await call(stage)
            assert leaks(caught.value) == []


@pytest.mark.parametrize("amount", [12.345, 0.001, 1e16, -1e16, 10**14])
async def test_amounts_that_are_none(amount):
    shown = {**transcript("read_balance")["response"]["json"], "clearedBalance": amount}
    answers = {2: {"status": 200, "json": shown}}
    with pytest.raises(PartnerUnavailable):
        await _balance(Stage(*CALLS["balance"][1], answers=answers))


async def test_an_available_balance_may_be_unknown():
    shown = {**transcript("read_balance")["response"]["json"], "availableBalance": None}
    stage = Stage(*CALLS["balance"][1], answers={2: {"status": 200, "json": shown}})
    assert (await _balance(stage)).available_cents is None  # type: ignore[attr-defined]


class Endless(httpx2.AsyncByteStream):
    async def __aiter__(self):
        for _ in range(16 * 1024):
            yield b" " * 65_536


async def _never(_request: httpx2.Request) -> httpx2.Response:
    await asyncio.sleep(30)
    raise AssertionError


def _cut(error: type[Exception]) -> Callable[[httpx2.Request], httpx2.Response]:
    def reply(request: httpx2.Request) -> httpx2.Response:
        raise error("access denied")

    return reply


@pytest.mark.parametrize(
    ("reply", "acted"),
    [
        (_never, None),
        (_cut(httpx2.ReadError), None),
        (_cut(httpx2.RemoteProtocolError), None),
        (_cut(httpx2.ConnectError), False),
        (lambda _: httpx2.Response(200, stream=Endless()), None),
        (
            lambda _: httpx2.Response(
                302, headers={"location": "https://evil.test/"}, stream=httpx2.ByteStream(b"")
            ),
            None,
        ),
        (lambda _: httpx2.Response(200, stream=httpx2.ByteStream(b"")), None),
    ],
)
async def test_no_usable_answer(reply, acted):
    http = PartnerHttp(BASE, deadline_s=0.2, transport=httpx2.MockTransport(reply))
    settings = FinicitySettings(base_url=BASE, partner_id="1", partner_secret=SECRET, app_key="key")
    with pytest.raises(PartnerUnavailable) as caught:
        await Connector(settings, http, Stage().clock).redeem(receipt())
    assert caught.value.acted is acted
    await http.close()


def test_settings_and_tokens_are_not_shown():
    settings = FinicitySettings(base_url=BASE, partner_id="1", partner_secret=SECRET, app_key="key")
    assert SECRET not in f"{settings!r}{settings}"
