"""A Flinks that lies, rambles or falls silent: the answer is a PartnerError that tells no secret."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tallystick.partners.errors import PartnerError, PartnerUnavailable
from tallystick.partners.flinks.tests.flinks_stage import (
    ACCOUNT,
    GRANT,
    PROOF,
    SECRETS,
    Stage,
    answer_of,
    leaks,
)

pytestmark = pytest.mark.anyio

WRONG: tuple[Any, ...] = (
    None, True, -1, 1.5, "", "<script>", [], {}, [None], "\x00", "\ud800", 10**30, 1e308, *SECRETS,
)  # fmt: skip

CALLS: dict[str, Callable[[Stage], Any]] = {
    "redeem": lambda stage: stage.connector.redeem(PROOF),
    "list_accounts": lambda stage: stage.connector.list_accounts(GRANT),
    "read_balance": lambda stage: stage.connector.read_balance(GRANT, ACCOUNT),
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def mutations(node: Any) -> Iterator[Any]:
    """Every way to drop one member of `node`, or to put something wrong in its place."""
    for key in list(node) if isinstance(node, dict) else range(len(node)):
        rest = copy.deepcopy(node)
        del rest[key]
        yield rest
        inner = mutations(node[key]) if isinstance(node[key], dict | list) else iter(())
        for wrong in (*WRONG, *inner):
            changed = copy.deepcopy(node)
            changed[key] = wrong
            yield changed


async def failure(call: Any) -> PartnerError | None:
    """The PartnerError of a call, if it fails; any other exception is the test's failure."""
    try:
        await call
    except PartnerError as error:
        return error
    return None


@pytest.mark.parametrize("name", CALLS)
async def test_a_lie_is_an_answer_or_a_partner_error_and_never_tells_a_secret(name: str) -> None:
    tried = failed = 0
    for body in mutations(answer_of("partner_access")):
        error = await failure(CALLS[name](Stage(body=body)))
        tried += 1
        failed += error is not None
        assert leaks(error) == [], body
        assert error is None or error.__cause__ is None
    assert tried > 500
    assert failed > 50


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("status", [200, 202, 400, 401, 404, 500])
async def test_an_error_that_echoes_our_secrets_is_not_repeated_by_us(
    name: str, status: int
) -> None:
    for body in mutations({"FlinksCode": "X", "Message": "x", "RequestId": "y"}):
        error = await failure(CALLS[name](Stage(status=status, body=body)))
        assert error is not None
        assert leaks(error) == []


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>",
        b"{",
        b"null",
        b"[]",
        b"NaN",
        b'{"GetAccountsDetail": NaN}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'"' + b"x" * (2 * 1024 * 1024) + b'"',
    ],
    ids=lambda raw: f"{raw[:12]!r}-{len(raw)}",
)
@pytest.mark.parametrize("name", CALLS)
async def test_what_is_not_even_an_answer(name: str, raw: bytes) -> None:
    error = await failure(CALLS[name](Stage(raw=raw)))
    assert isinstance(error, PartnerUnavailable)


@pytest.mark.parametrize("amount", ["1e400", "-1e400", "0.001", "1e17", "NaN", "123456789e20"])
async def test_amounts_that_are_no_money(amount: str) -> None:
    raw = json.dumps(answer_of("partner_access")).replace("4321.4", amount).encode()
    error = await failure(CALLS["read_balance"](Stage(raw=raw)))
    assert isinstance(error, PartnerUnavailable)


@pytest.mark.parametrize("time", ["yesterday", "2026-13-01T00:00:00", "9" * 400, "Z", ""])
async def test_times_that_are_none(time: str) -> None:
    body = answer_of("partner_access")
    body["GetAccountsDetail"][0]["Login"]["LastRefresh"] = time
    error = await failure(CALLS["read_balance"](Stage(body=body)))
    assert isinstance(error, PartnerUnavailable)
