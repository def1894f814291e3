"""A Tink that lies: the answer is a PartnerError that tells no secret, or a believable result."""

from __future__ import annotations

import contextlib
import copy
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tallystick.partners.errors import PartnerError
from tallystick.partners.visa import connector
from tallystick.partners.visa.tests.visa_stage import (
    ACCOUNT,
    BALANCE,
    CLIENT_SECRET,
    LIST,
    PROOF,
    REDEEM,
    REQUEST,
    REVOKE,
    SESSION,
    Stage,
    held,
    transcript,
)

pytestmark = pytest.mark.anyio

WRONG = (None, True, -1, 1.5, "", "<script>", [], {}, [None], "\x00", 10**30, "1e400")
SECRETS = (CLIENT_SECRET, "client-token-0000", "user-token-0000", "1234567890", "222222226")

CALLS = {
    "start_session": SESSION,
    "redeem": REDEEM,
    "list_accounts": LIST,
    "read_balance": BALANCE,
    "revoke": REVOKE,
}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(connector, "WAITS_S", (0.0, 0.0))


async def call(stage: Stage, name: str, grant: Any) -> Any:
    arguments = {
        "start_session": (REQUEST,),
        "redeem": (PROOF,),
        "list_accounts": (grant,),
        "read_balance": (grant, ACCOUNT),
        "revoke": (grant,),
    }[name]
    # Not through the registry's guard, which would hide what the connector lets through.
    return await getattr(stage.connector, name)(*arguments)


def mutations(node: Any) -> Iterator[Any]:
    """Every way to drop one member of `node`, or to put something wrong in its place."""
    members = list(node.items()) if isinstance(node, dict) else list(enumerate(node))
    for key, value in members:
        rest = copy.deepcopy(node)
        del rest[key]
        yield rest
        inner = mutations(value) if isinstance(value, dict | list) else iter(())
        for wrong in (*WRONG, *inner):
            changed = copy.deepcopy(node)
            changed[key] = wrong
            yield changed


def places() -> list[tuple[str, int]]:
    return [
        (name, number)
        for name, script in CALLS.items()
        for number, each in enumerate(script)
        if transcript(each)["response"]["json"] is not None
    ]


@pytest.mark.parametrize(("name", "number"), places())
async def test_a_lie_is_an_answer_or_a_partner_error(name, number, caplog):
    caplog.set_level(logging.DEBUG)
    grant = await held()
    true = transcript(CALLS[name][number])["response"]
    told = ""
    for body in (*WRONG, *mutations(true["json"])):
        stage = Stage(*CALLS[name], **{f"_{number}": {"status": 200, "json": body}})
        # What follows a changed answer may be another call than the script's.
        stage._check_body = lambda *_: None
        with contextlib.suppress(AssertionError):
            told += await failure(stage, name, grant)
    assert not [each for each in SECRETS if each in told + caplog.text]


async def failure(stage: Stage, name: str, grant: Any) -> str:
    """All that a failed call says; empty when it worked."""
    try:
        await call(stage, name, grant)
    except PartnerError as error:
        return f"{error!r} {error} {error.code} {error.request_id}\n"
    return ""


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"NaN",
        b'{"access_token": NaN}',
        b"\xff\xfe",
        b'"' + b"x" * 2_000_000 + b'"',
        b"[" * 100_000,
        b"<html>",
    ],
    ids=["cut", "nan", "nan-inside", "bytes", "huge", "deep", "html"],
)
async def test_garbage_is_a_partner_error(name, raw):
    grant = await held()
    for number in range(len(CALLS[name]) - (name == "revoke")):
        if name == "read_balance" and number in (5, 6, 7):
            continue  # a refresh that fails leaves the balance that is there
        stage = Stage(*CALLS[name], **{f"_{number}": {"status": 200, "raw": raw}})
        with pytest.raises(PartnerError):
            await call(stage, name, grant)


async def test_a_request_id_that_is_none_is_not_repeated():
    answer = {"status": 400, "json": {}, "headers": {"X-Tink-Request-Id": "x" * 500}}
    with pytest.raises(PartnerError) as caught:
        await call(Stage(*SESSION, _0=answer), "start_session", None)
    assert caught.value.request_id is None


def test_nothing_shows_a_secret():
    stage = Stage()
    shown = repr(PROOF) + repr(stage.partner) + repr(REQUEST)
    assert PROOF.report_id not in shown
    assert "sealed" not in repr(REQUEST)
