"""A Plaid that lies, rambles or falls silent: the answer is a PartnerError that tells no secret."""

import asyncio
import copy

import httpx2
import pytest

from tallystick.partners.errors import (
    PartnerError,
    PartnerUnavailable,
)
from tallystick.partners.plaid.tests.plaid_calls import (
    ACCESS,
    CALLS,
    SECRETS,
    failure,
    leaks,
)
from tallystick.partners.plaid.tests.plaid_stage import (
    Stage,
    answer_of,
    refusal,
    transcript,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


WRONG = (None, True, -1, 1.5, "", "<script>", [], {}, [None], "\x00", 10**30)


def mutations(node, put):
    """Every way to drop one member of `node`, or to put something wrong in its place."""
    members = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(members):
        rest = copy.deepcopy(node)
        del rest[key]
        yield put(rest)
        for wrong in (*WRONG, *SECRETS):
            changed = copy.deepcopy(node)
            changed[key] = wrong
            yield put(changed)
        if isinstance(value, dict | list):

            def deeper(inner, key=key):
                changed = copy.deepcopy(node)
                changed[key] = inner
                return put(changed)

            yield from mutations(value, deeper)


@pytest.mark.parametrize("name", CALLS)
async def test_a_lie_is_an_answer_or_a_partner_error_and_never_tells_a_secret(name):
    call, transcripts = CALLS[name]
    path = transcript(transcripts[0])["request"]["path"]
    failed = tried = 0
    for lie in mutations(answer_of(transcripts[0]), lambda body: body):
        stage = Stage().play("institutions-get-by-id", *transcripts).say(path, lie)
        tried += 1
        error = await failure(call(stage.partner))
        failed += error is not None
        assert leaks(error) == [], lie
        # What lies below an error may quote the answer: it is not shown with it.
        assert error is None or error.__suppress_context__ or error.__context__ is None
    assert tried > 10
    assert failed > 5 or name == "revoke"


@pytest.mark.parametrize("name", CALLS)
async def test_an_error_that_echoes_our_secrets_is_not_repeated_by_us(name):
    call, transcripts = CALLS[name]
    path = transcript(transcripts[0])["request"]["path"]
    for lie in mutations(refusal("ITEM_ERROR", "ITEM_ERROR", "x"), lambda body: body):
        stage = Stage().play(*transcripts).say(path, lie, 400)
        with pytest.raises(PartnerError) as caught:
            await call(stage.partner)
        assert leaks(caught.value) == [], lie


async def _never(_request):
    await asyncio.sleep(30)


def _html(status):
    return lambda _: httpx2.Response(status, html="<html>Sign in</html>")


def _cut(error):
    def reply(request):
        raise error("access denied", request=request)

    return reply


class Endless(httpx2.AsyncByteStream):
    sent = 0

    async def __aiter__(self):
        for _ in range(16 * 1024):
            Endless.sent += 1
            yield b" " * 65_536


NO_ANSWER = {
    "html": (_html(200), None),
    "html 502": (_html(502), None),
    "redirect": (lambda _: httpx2.Response(302, headers={"location": "https://evil.test/"}), None),
    "empty": (lambda _: httpx2.Response(200), None),
    "empty 400": (lambda _: httpx2.Response(400), None),
    "json list": (lambda _: httpx2.Response(200, json=[1]), None),
    "json string": (lambda _: httpx2.Response(200, json=ACCESS), None),
    "not utf-8": (lambda _: httpx2.Response(200, content=b'{"a":"\xff"}'), None),
    "deep": (lambda _: httpx2.Response(200, content=b"[" * 500_000), None),
    "cut off": (_cut(httpx2.RemoteProtocolError), None),
    "reset": (_cut(httpx2.ReadError), None),
    "time-out": (_cut(httpx2.ReadTimeout), None),
    "too slow": (_never, None),
    "no connection": (_cut(httpx2.ConnectError), False),
    "a gigabyte": (lambda _: httpx2.Response(200, stream=Endless()), None),
}


@pytest.mark.parametrize("kind", NO_ANSWER)
@pytest.mark.parametrize("name", CALLS)
async def test_no_usable_answer(name, kind):
    call, transcripts = CALLS[name]
    reply, acted = NO_ANSWER[kind]
    stage = Stage(deadline_s=0.2).play(*transcripts)
    stage.replies[transcript(transcripts[0])["request"]["path"]] = reply
    Endless.sent = 0
    with pytest.raises(PartnerUnavailable) as caught:
        await call(stage.partner)
    assert caught.value.acted is (False if name == "accept" else acted)
    assert len(stage.requests) == 1
    assert Endless.sent <= 32
    assert leaks(caught.value) == []
