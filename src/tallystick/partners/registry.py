"""Finds the partners and stands between them and the services.

Every sub-folder of `tallystick.partners` that declares a `PARTNER` is one; so is every entry point
of the group `tallystick.partners`, so that a private partner needs no fork. Nothing registers
itself: what is there is listed.
"""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import re
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from typing import Any, TypeVar

import httpx2
import msgspec
import structlog

import tallystick.partners as package
from tallystick.clock import Clock
from tallystick.partners.breaker import Breaker
from tallystick.partners.contract import (
    CAPABILITIES,
    Account,
    Balance,
    Card,
    Connection,
    Grant,
    Manifest,
    Notice,
    Proof,
    Returned,
    SessionRequest,
    SessionStarted,
    Settings,
)
from tallystick.partners.errors import PartnerError, PartnerUnavailable
from tallystick.partners.http import PartnerHttp

T = TypeVar("T")

# What code that reads an answer raises when the answer is not what the partner documents.
_UNREADABLE = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    msgspec.MsgspecError,
    httpx2.InvalidURL,
)

ENTRY_POINTS = "tallystick.partners"

# An `external_id` is stored and looked for. No partner's id comes near this; NUL and what no index
# holds would fail when it is written down, and lose a grant.
_EXTERNAL_ID = re.compile(r"[ -~]{1,255}")
_NAME_CHARS_MAX = 200

_log = structlog.get_logger("tallystick.partners")


@cache  # what is installed does not change under a process, and looking through it takes a while
def manifests() -> Sequence[Manifest]:
    """Every partner's manifest, oldest partner first (contract 10, no. 18)."""
    found = [
        importlib.import_module(f"{package.__name__}.{module.name}").PARTNER
        for module in pkgutil.iter_modules(package.__path__)
        if module.ispkg and module.name != "tests"
    ]
    found += [point.load() for point in entry_points(group=ENTRY_POINTS)]
    return tuple(sorted(found, key=lambda manifest: (manifest.created, manifest.key)))


def load(name: str) -> Any:
    """The object that `module:attribute` names."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


class GuardedPartner:
    """A partner whose calls can only fail with a PartnerError; failures are timed and logged."""

    def __init__(self, manifest: Manifest, connector: Any) -> None:
        self.manifest = manifest
        self._connector = connector
        self._breaker = Breaker()
        self._capabilities = frozenset(
            each for each in CAPABILITIES.values() if isinstance(connector, each)
        )

    def has(self, capability: type) -> bool:
        return capability in self._capabilities

    async def start_session(self, request: SessionRequest) -> SessionStarted:
        return await self._guard("start_session", self._connector.start_session(request))

    async def start_reauth(self, request: SessionRequest) -> SessionStarted:
        return await self._guard("start_reauth", self._connector.start_reauth(request))

    async def list_connections(self, person: str) -> Sequence[Connection]:
        return await self._guard("list_connections", self._connector.list_connections(person))

    async def redeem(self, proof: Proof) -> Grant:
        try:
            return await self._guard("redeem", self._redeem(proof))
        except PartnerUnavailable as error:
            if proof.only_looked_at:
                error.acted = False
            raise

    async def _redeem(self, proof: Proof) -> Grant:
        grant: Grant = await self._connector.redeem(proof)
        if _EXTERNAL_ID.fullmatch(grant.external_id):
            return grant
        # What it opens came only once. Without a name no notice finds it, but every check does.
        return replace(grant, external_id="", sole=False)

    async def list_accounts(self, grant: Grant) -> Sequence[Account]:
        return await self._guard("list_accounts", self._list_accounts(grant))

    async def _list_accounts(self, grant: Grant) -> Sequence[Account]:
        accounts: Sequence[Account] = await self._connector.list_accounts(grant)
        if not all(_EXTERNAL_ID.fullmatch(each.external_id) for each in accounts):
            raise PartnerUnavailable("UNREADABLE_ANSWER")
        return [
            replace(each, name=_shown(each.name), institution=_shown(each.institution))
            for each in accounts
        ]

    async def read_balance(self, grant: Grant, account_external_id: str) -> Balance:
        return await self._guard(
            "read_balance", self._connector.read_balance(grant, account_external_id)
        )

    async def revoke(self, grant: Grant) -> None:
        await self._guard("revoke", self._connector.revoke(grant))

    async def read_card(self, grant: Grant) -> Card:
        return await self._guard("read_card", self._connector.read_card(grant))

    async def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Without the breaker, as the two below: anybody may send us anything, and what comes of it
        says nothing of how the partner is.
        """
        return await self._timed("verify", self._connector.verify(headers, body))

    def translate(self, body: bytes) -> Sequence[Notice]:
        with self._guarded("translate"):
            notices: Sequence[Notice] = self._connector.translate(body)
            return notices

    def read_return(self, query: Mapping[str, str]) -> Returned:
        with self._guarded("read_return"):
            returned: Returned = self._connector.read_return(query)
            return returned

    async def _guard(self, operation: str, call: Coroutine[Any, Any, T]) -> T:
        """A call that goes to the partner, unless that is useless now."""
        try:
            self._breaker.require_closed()
        except PartnerUnavailable:
            call.close()
            raise
        try:
            answer = await self._timed(operation, call)
        except PartnerError as error:
            self._breaker.heard(error)
            raise
        self._breaker.answered()
        return answer

    async def _timed(self, operation: str, call: Coroutine[Any, Any, T]) -> T:
        """One deadline, however many requests it makes."""
        with self._guarded(operation):
            try:
                async with asyncio.timeout(self.manifest.deadline_s):
                    return await call
            except TimeoutError:
                raise PartnerUnavailable("TIMED_OUT") from None

    @contextmanager
    def _guarded(self, operation: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        except PartnerError as error:
            self._note(operation, f"{type(error).__name__} {error}", started)
            raise
        except _UNREADABLE as error:
            # An answer that is JSON but not what the partner documents. The cause is dropped on
            # purpose: its message may quote the answer, and the answer may hold a token.
            self._note(operation, f"unreadable answer ({type(error).__name__})", started)
            raise PartnerUnavailable("UNREADABLE_ANSWER") from None

    def _note(self, operation: str, outcome: str, started: float) -> None:
        _log.warning(
            "partner call",
            partner=self.manifest.key,
            operation=operation,
            outcome=outcome,
            ms=round((time.perf_counter() - started) * 1000, 1),
        )


def _shown(name: str) -> str:
    """As we may store and show it: no control characters, not endless (threat T36)."""
    return "".join(char for char in name if char.isprintable())[:_NAME_CHARS_MAX].strip()


class Registry:
    """The partners of one gateway. `settings` maps a partner's key to its settings."""

    def __init__(
        self,
        settings: Mapping[str, Settings],
        *,
        clock: Clock,
        only: Iterable[Manifest] | None = None,
        transport: Callable[[str], httpx2.AsyncBaseTransport | None] = lambda _key: None,
    ) -> None:
        self._https: list[PartnerHttp] = []
        self._partners: list[GuardedPartner] = []
        for manifest in manifests() if only is None else only:
            own = settings[manifest.key]
            http = PartnerHttp(own.base_url, transport=transport(manifest.key))
            self._https.append(http)
            connector = load(manifest.connector)(own, http, clock)
            self._partners.append(GuardedPartner(manifest, connector))
        self._by_id = {partner.manifest.id: partner for partner in self._partners}
        # What was linked through a partner that is no longer in use is still there to be read.
        self._by_key = {each.key: GuardedPartner(each, None) for each in manifests()}
        self._by_key |= {partner.manifest.key: partner for partner in self._partners}

    def all(self) -> Sequence[GuardedPartner]:
        return self._partners

    def by_id(self, partner_id: str) -> GuardedPartner | None:
        return self._by_id.get(partner_id)

    def by_key(self, key: str) -> GuardedPartner:
        """One that is installed and not in use has no capabilities."""
        return self._by_key[key]

    async def close(self) -> None:
        for http in self._https:
            await http.close()


def read_settings(manifest: Manifest, given: Mapping[str, str]) -> Settings:
    """A partner's settings from text. Raises msgspec.ValidationError naming what is wrong."""
    return msgspec.convert(dict(given), manifest.settings, strict=False)
