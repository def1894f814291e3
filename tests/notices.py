"""What every partner's notices have to stand: forgeries, lies, and the same bytes again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tallystick.server import inbound
from tallystick.store.db import Statement

from .gateway import Api, InProcess

Headers = Mapping[str, str]
_ROW = Statement("SELECT status, cause, cause_code, deadline_at FROM exchange")


async def assert_heard_as_signed(
    gateway: InProcess,
    client: Api,
    monkeypatch: Any,
    *,
    key: str,
    body: bytes,
    sign: Callable[[bytes], Headers],
    forged: Mapping[str, Headers],
    lose: Callable[[], Awaitable[Any]],
    doorbell: bool,
) -> None:
    """`body` says that the one exchange has lost its consent; `lose` makes that true.

    `forged` are the headers that `body` must not be believed under. A `doorbell` is never believed:
    it only makes the gateway look.
    """
    heeded = []
    heed = inbound.exchanges.heed

    async def counted(*args: Any) -> int:
        heeded.append(args)
        return await heed(*args)

    monkeypatch.setattr(inbound.exchanges, "heed", counted)

    async def send(content: bytes, headers: Headers) -> int:
        answer = await client.post(f"/_inbound/{key}", content=content, headers=dict(headers))
        assert answer.content == b""
        return answer.status_code

    async def row() -> tuple[Any, ...]:
        return tuple(await gateway.core.db.one(_ROW))

    well = await row()
    assert well[:2] == ("active", None)
    for name, headers in {"nothing": {}, **forged}.items():
        assert await send(body, headers) == 401, name
    tampered = body.replace(b"{", b'{"more":1,', 1)
    if sign(tampered) != sign(body):
        assert await send(tampered, sign(body)) == 401
    assert (heeded, await row()) == ([], well)
    if doorbell:
        assert await send(body, sign(body)) == 200
        assert (len(heeded), await row()) == (1, well)
        body += b" "  # other bytes: the same would not be heard again
        heeded.clear()
    await lose()
    assert await send(body, sign(body)) == 200
    assert (await row())[:2] == ("active", "person")
    assert await send(body, sign(body)) == 200
    assert len(heeded) == 1, "the same bytes were heard twice"
