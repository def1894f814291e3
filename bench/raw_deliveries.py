"""Claim, POST and commit of webhooks, and nothing else: `python -m bench.raw_deliveries URL PORT`.

What a worker could do if nothing had to be composed, signed, counted or put in order: the rows of
a batch are claimed in the transaction that keeps the attempts of the batch before, and posted at
once, each on a connection of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg
import uvloop

from tallystick.store.sqlite import open_connection

# As many as a worker has under way for the subscriptions of the suite.
AT_ONCE = 50
BODY = b"{" + b"x" * 500 + b"}"
LEASE_UNTIL = 2**62

_CLAIM = (
    f"UPDATE webhook SET lease_until = {LEASE_UNTIL} WHERE id IN (SELECT id FROM webhook"
    f" WHERE state = 'due' AND lease_until = 0 AND id > {{0}} ORDER BY id LIMIT {AT_ONCE})"
    " RETURNING id, app_id, subscription_id"
)
_KEEP = (
    "INSERT INTO attempt (id, app_id, webhook_id, subscription_id, started_at, url,"
    " request_headers, request_body, ended_at, ok, status_code)"
    " VALUES ({0}, {1}, {2}, {3}, 0, 'http://127.0.0.1/', {4}, {5}, 0, TRUE, 200)"
)
_DONE = "UPDATE webhook SET state = 'delivered' WHERE id = {0}"
_HEADERS = "x" * 700
_ids = itertools.count()

Turn = Callable[[Sequence[Any], str], Awaitable[Sequence[Any]]]


async def post(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /hook HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%s"
        % (len(BODY), BODY)
    )
    assert (await reader.read(1024)).startswith(b"HTTP/1.1 200")
    writer.transport.abort()


async def deliver(turn: Turn, port: int) -> None:
    claimed: Sequence[Any] = []
    after = ""  # to look from the first row on would walk all that is done already
    while True:
        claimed = await turn(claimed, after)
        after = max((row[0] for row in claimed), default=after)
        await asyncio.gather(*(post(port) for _ in claimed))
        if not claimed:
            await asyncio.sleep(0.01)


def attempts(done: Sequence[Any]) -> list[tuple[Any, ...]]:
    return [
        (f"{next(_ids):036d}", app_id, webhook_id, subscription_id, _HEADERS, BODY.decode())
        for webhook_id, app_id, subscription_id in done
    ]


async def main(url: str, port: int) -> None:
    if url.startswith("sqlite:///"):
        db = open_connection(url.removeprefix("sqlite:///"))

        async def turn(done: Sequence[Any], after: str) -> Sequence[Any]:
            db.execute("BEGIN IMMEDIATE")
            db.executemany(_KEEP.format(*"??????"), attempts(done))
            db.executemany(_DONE.format("?"), [(row[0],) for row in done])
            claimed = db.execute(_CLAIM.format("?"), (after,)).fetchall()
            db.execute("COMMIT")
            return claimed
    else:
        connection = await asyncpg.connect(url)

        async def turn(done: Sequence[Any], after: str) -> Sequence[Any]:
            async with connection.transaction():
                values = [f"${n}" for n in range(1, 7)]
                await connection.executemany(_KEEP.format(*values), attempts(done))
                await connection.executemany(_DONE.format("$1"), [(row[0],) for row in done])
                claimed: Sequence[Any] = await connection.fetch(_CLAIM.format("$1"), after)
                return claimed

    await deliver(turn, port)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
