"""Faults on the gateway's way to a partner: the transport that its connectors call through.

A simulator knows nothing of them, and a browser on a connect page meets none: what fails is the
call, as the connector sees it. Time that passes here is real, not the sandbox's clock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextvars import ContextVar

import httpx2
import msgspec

from tallystick.sandbox import faults
from tallystick.sandbox.faults import Call, Faults, Rule

# The application whose API call is being answered, if rules ask for it; None for what the gateway
# takes up again by itself.
CALLER: ContextVar[str | None] = ContextVar("caller", default=None)

# Above what the gateway is willing to read of a partner's answer.
HUGE_BYTES = 2 * 1024 * 1024

_MS = 1_000


class FaultyTransport(httpx2.AsyncBaseTransport):
    """Passes a partner's calls on to `network`, unless a rule lets them go wrong."""

    def __init__(
        self, partner: str, prefix: str, network: httpx2.AsyncBaseTransport, rules: Faults
    ) -> None:
        self._partner = partner
        self._prefix = prefix
        self._network = network
        self._rules = rules

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path.removeprefix(self._prefix)
        call = Call(request.method, path, CALLER.get(), self._partner)
        rule = self._rules.choose(call)
        if rule is None:
            return await self._network.handle_async_request(request)
        await rule.delay()
        return await self._go_wrong(rule, request)

    async def aclose(self) -> None:
        await self._network.aclose()

    async def _go_wrong(self, rule: Rule, request: httpx2.Request) -> httpx2.Response:
        match rule.effect:
            case faults.STATUS:
                told = msgspec.json.encode(rule.given.get("body", {}))
                headers = {"content-type": "application/json"}
                # Not `json=`: that reads the body at once, and a connector could not any more.
                return httpx2.Response(
                    rule.given["status"], headers=headers, stream=_Pieces(rule, told)
                )
            case faults.RESET:
                raise httpx2.ReadError("the connection was reset by a fault")
            case faults.HANG:
                await rule.wait()
                raise httpx2.ReadTimeout("a fault let the call hang")
        answer = await self._network.handle_async_request(request)
        if rule.effect is None:
            return answer
        body = await answer.aread()
        await answer.aclose()
        if rule.effect == faults.ANSWER_LOST:
            raise httpx2.ReadError("the answer was lost by a fault")
        return httpx2.Response(
            answer.status_code,
            headers=[pair for pair in answer.headers.multi_items() if pair[0] != "content-length"],
            stream=_Pieces(rule, body),
        )


class _Pieces(httpx2.AsyncByteStream):
    """The body of an answer, spoilt as the rule says."""

    def __init__(self, rule: Rule, body: bytes) -> None:
        self._rule = rule
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        match self._rule.effect:
            case faults.SLOW_BODY:
                for byte in self._body:
                    await self._rule.wait(self._rule.given["byte_ms"] / _MS)
                    yield bytes((byte,))
            case faults.WRONG_JSON:
                yield self._body[: len(self._body) // 2] + b"<html>"
            case faults.HUGE_BODY:
                yield b'{"padding":"' + b"x" * HUGE_BYTES + b'"}'
            case _:
                yield self._body
