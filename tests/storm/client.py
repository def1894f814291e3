"""A client that asks until there is an answer, as the documentation tells clients to."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx2

from tests import openapi
from tests.gateway import Api

from .clock import SharedClock
from .history import Answered, History

GIVE_UP_S = 60.0
# Kept answers live for a day; the clock may be moved while the repetition is under way.
REPEATABLE_MS = 20 * 3_600_000


class Unanswered(Exception):
    """The connection broke and nothing names the request: it was carried out, or it was not."""


class Client(Api):
    """One of several clients of an application; its requests go to any of the gateway's processes.

    A POST carries an idempotency key and is sent again until it is answered, except in
    `sent_once`, where it has none.
    """

    def __init__(
        self, bases: Callable[[], str], clock: SharedClock, history: History, rng: random.Random
    ) -> None:
        super().__init__(base_url=bases(), timeout=30, trust_env=False)
        self.headers["Accept"] = openapi.HAL
        self.rng = rng
        self.clock = clock
        self.history = history
        self.interrupted = False
        self.answered: list[Answered] = []
        self.credentials = ("", "")
        self.once = False
        self._bases = bases
        self._partners: dict[str, str] = {}

    async def enter(self, client_id: str, secret: str) -> None:
        self.credentials = (client_id, secret)
        await self.sign_in(client_id, secret)

    async def partner_href(self, name: str) -> str:
        if name not in self._partners:
            self._partners[name] = await super().partner_href(name)
        return self._partners[name]

    async def request(self, method: Any, url: Any, **options: Any) -> httpx2.Response:
        parts = urlsplit(str(url))
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        posts = method == "POST" and not path.startswith(("/_", "/token"))
        headers = dict(options.pop("headers", None) or {})
        if posts and not self.once:
            headers.setdefault("Idempotency-Key", str(uuid.UUID(int=self.rng.getrandbits(128))))
        key = headers.get("Idempotency-Key")
        at_ms = self.clock.now_ms()
        answer = await self._until_answered(method, path, headers, posts, options)
        openapi.check(answer, answer.content)
        if posts and key and answer.is_success:
            location = answer.headers.get("location")
            self.answered.append(
                Answered(
                    path, options.get("json"), key, at_ms,
                    answer.status_code, location, answer.content,
                )
            )  # fmt: skip
            del self.answered[:-50]
        return answer

    async def _until_answered(
        self, method: str, path: str, headers: dict[str, str], posts: bool, options: Any
    ) -> httpx2.Response:
        self.interrupted = False
        give_up_at = time.monotonic() + GIVE_UP_S
        said = "no answer"
        while time.monotonic() < give_up_at:
            try:
                answer = await httpx2.AsyncClient.request(
                    self, method, self._bases() + path, headers=headers, **options
                )
            except httpx2.HTTPError as error:
                self.history.counts["requests cut off"] += 1
                self.interrupted = True
                if self.once and posts and not isinstance(error, httpx2.ConnectError):
                    raise Unanswered from None
                await asyncio.sleep(0.05)
                continue
            if answer.status_code == 401 and _expired(answer) and path != "/token":
                await self.sign_in(*self.credentials)
            elif answer.status_code >= 500:
                self.history.counts[f"answered {answer.status_code}"] += 1
                said = answer.text
                self.interrupted = True
                if self.once and posts:
                    raise Unanswered
                await asyncio.sleep(0.05)
            elif answer.status_code == 409 and posts and not self.once:
                # The first request with this key, or one with this proof, is still at work.
                said = answer.text
                await asyncio.sleep(0.05)
            else:
                return answer
        self.history.wrong.append(f"{method} {path} was never answered: {said}")
        raise Unanswered

    async def repeat(self) -> None:
        """Send one of the last requests again: the answer is the same, and nothing is done."""
        then = self.rng.choice(self.answered)
        if self.clock.now_ms() - then.at_ms > REPEATABLE_MS:
            return
        headers = {"Idempotency-Key": then.key, "Content-Type": "application/json"}
        again = await self._until_answered("POST", then.path, headers, True, {"json": then.body})
        self.history.counts["repetitions"] += 1
        same = (again.status_code, again.headers.get("location"), again.content)
        if same != (then.status, then.location, then.content):
            self.history.wrong.append(
                f"POST {then.path} was answered {then.status} {then.location}, and repeated"
                f" {again.status_code} {again.headers.get('location')}: {again.text}"
            )


def _expired(answer: httpx2.Response) -> bool:
    return answer.json().get("code") in ("ExpiredAccessToken", "InvalidAccessToken")


def id_of(location: str) -> str:
    return location.rpartition("/")[2]
