"""Visa (Tink), as the services see it. Calls and meanings: docs/partners/visa.md.

It keeps nothing: the Tink user of a customer is the one whose `external_user_id` is our name for
the customer, and tokens are made for each operation. A grant names a person, a consent, and what
the report said of the accounts, because a report is gone after an hour.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from tallystick.clock import MINUTE_MS, Clock, SystemClock
from tallystick.partners.contract import (
    Account,
    Balance,
    Grant,
    Notice,
    Proof,
    Returned,
    SessionRequest,
    SessionStarted,
)
from tallystick.partners.errors import (
    ConsentLost,
    GrantRevoked,
    PartnerError,
    PartnerRefused,
    PartnerUnavailable,
    ProofRejected,
)
from tallystick.partners.http import PartnerHttp
from tallystick.partners.visa import link, messages as tink
from tallystick.partners.visa.inbound import Inbound
from tallystick.partners.visa.proof import VisaReport
from tallystick.partners.visa.settings import VisaSettings
from tallystick.partners.visa.wire import TinkWire, refusal

# Tink publishes no lifetime of a code; ten minutes is our reading.
CODE_MS = 10 * MINUTE_MS

# How long to wait before each look at a balance refresh; then the old balance is the answer.
WAITS_S = (0.2, 0.5, 1.0, 2.0)


class Connector:
    """Every method raises a PartnerError and nothing else. None repeats a call that acts."""

    def __init__(
        self, settings: VisaSettings, http: PartnerHttp, clock: Clock | None = None
    ) -> None:
        self._clock = clock or SystemClock()
        self._settings = settings
        self._wire = TinkWire(settings, http)
        self._inbound = Inbound(settings.webhook_secret, self._clock)

    async def start_session(self, request: SessionRequest) -> SessionStarted:
        """An address of Tink Link for a first consent; good for one visit."""
        link.require_return(request)
        token = await self._wire.client_token("user:create", "authorization:grant")
        await self._ensure_user(token, request.person)
        # A user who went in between is a reason to try again: no grant is lost.
        code = await self._wire.delegate(token, request.person, gone=PartnerUnavailable)
        href = link.connect_address(self._settings, request, code)
        return SessionStarted(self._clock.now_ms() + CODE_MS, href=href)

    async def _ensure_user(self, token: str, person: str) -> None:
        body = {
            "external_user_id": person,
            "market": link.MARKET,
            "locale": link.LOCALE,
            "retention_class": "permanent",
        }
        answer = await self._wire.call("POST", "/api/v1/user/create", token, json=body)
        if answer.status == 409:
            return  # made by an earlier session
        user = self._wire.read(answer, tink.User, gone=PartnerRefused)
        if user.external_user_id not in (None, person):
            raise PartnerUnavailable("ANSWER_ABOUT_ANOTHER")

    async def start_reauth(self, request: SessionRequest) -> SessionStarted:
        """An address of Tink Link in which the person renews the grant's consent."""
        link.require_return(request)
        held = tink.decode_grant(_grant_of(request))
        token = await self._wire.client_token("authorization:grant")
        code = await self._wire.delegate(token, held.person, gone=GrantRevoked)
        href = link.update_address(self._settings, request, code, held.credentials_id)
        return SessionStarted(self._clock.now_ms() + CODE_MS, href=href)

    def read_return(self, query: Mapping[str, str]) -> Returned:
        return link.read_return(query)

    async def redeem(self, proof: Proof) -> Grant:
        """Turn a report into a grant, as often as asked while the report is there: an hour."""
        if not isinstance(proof, VisaReport):
            raise ProofRejected("UNKNOWN_KIND_OF_PROOF")
        if not proof.person:
            raise ProofRejected("NO_PERSON")
        person = proof.person
        report = await self._report(proof.report_id)
        token = await self._wire.user_token(
            person, "accounts:read", "provider-consents:read", gone=ProofRejected
        )
        shown = [each async for each in self._wire.accounts(token, gone=ProofRejected)]
        accounts = tink.accounts_of(report, shown)
        consents = await self._consents(token, ProofRejected)
        consent = tink.consent_for(consents, accounts, proof.credentials_id)
        tink.require_working(consent)
        return tink.encode_grant(tink.Held(person, consent.credentials_id, accounts), consent)

    async def _report(self, report_id: str) -> tink.Report:
        token = await self._wire.client_token("account-verification-reports:read")
        path = f"/api/v1/account-verification-reports/{report_id}"
        answer = await self._wire.call("GET", path, token)
        report = self._wire.read(answer, tink.Report, gone=ProofRejected)
        if report.id != report_id:
            raise PartnerUnavailable("ANSWER_ABOUT_ANOTHER")
        return report

    async def _consents(self, token: str, gone: type[PartnerError]) -> Sequence[tink.Consent]:
        answer = await self._wire.call("GET", "/api/v1/provider-consents", token)
        return self._wire.read(answer, tink.Consents, gone=gone).provider_consents

    async def _require_consent(self, held: tink.Held, token: str) -> None:
        consents = await self._consents(token, GrantRevoked)
        tink.require_working(tink.own_consent(consents, held.credentials_id))

    async def list_accounts(self, grant: Grant) -> Sequence[Account]:
        """The accounts of the report that the person still shares, with the report's numbers."""
        held = tink.decode_grant(grant)
        token = await self._wire.user_token(held.person, "accounts:read", "provider-consents:read")
        await self._require_consent(held, token)
        shared = {each.id async for each in self._wire.accounts(token, gone=GrantRevoked)}
        return [tink.account_of(each) for each in held.accounts if each.id in shared]

    async def read_balance(self, grant: Grant, account_external_id: str) -> Balance:
        """What Tink knows; after fifteen minutes it is asked to ask the bank again."""
        held = tink.decode_grant(grant)
        if account_external_id not in {each.id for each in held.accounts}:
            raise GrantRevoked("ACCOUNT_NOT_SHARED")
        token = await self._wire.user_token(
            held.person,
            "accounts:read",
            "accounts.balances:readonly",
            "balance-refresh",
            "balance-refresh:readonly",
            "provider-consents:read",
        )
        await self._require_consent(held, token)
        shown = await self._balances(token, account_external_id)
        if tink.is_stale(shown, self._clock.now_ms()):
            outcome = await self._refresh(token, account_external_id)
            if outcome == "failed":
                await self._require_consent(held, token)
                raise ConsentLost("BALANCE_REFRESH_FAILED")
            if outcome == "done":
                shown = await self._balances(token, account_external_id)
        return tink.balance_of(shown)

    async def _balances(self, token: str, account: str) -> tink.Balances:
        answer = await self._wire.call("GET", f"/data/v2/accounts/{account}/balances", token)
        # The consent works, so the person may share the account again by renewing it.
        shown = self._wire.read(answer, tink.Balances, gone=ConsentLost)
        if shown.account_id != account:
            raise PartnerUnavailable("ANSWER_ABOUT_ANOTHER")
        return shown

    async def _refresh(self, token: str, account: str) -> str:
        """Ask for a fresh balance, and how that went: `done`, `failed` or `busy`.

        Banks cap how often they may be asked, and a refresh may take long: the balance that is
        there, with its own time, is then the answer.
        """
        path = "/api/v1/balance-refresh"
        try:
            answer = await self._wire.call("POST", path, token, json={"accountId": account})
            refresh = self._wire.read(answer, tink.Refresh, gone=PartnerRefused)
            for wait_s in WAITS_S:
                await asyncio.sleep(wait_s)
                answer = await self._wire.call("GET", f"{path}/{refresh.balance_refresh_id}", token)
                status = self._wire.read(answer, tink.RefreshStatus, gone=PartnerRefused)
                if (outcome := tink.outcome_of(status)) != "busy":
                    return outcome
        except (PartnerRefused, PartnerUnavailable):
            return "busy"
        return "busy"

    async def revoke(self, grant: Grant) -> None:
        """Delete the credentials, and with them what Tink knows of the accounts behind them."""
        held = tink.decode_grant(grant)
        try:
            token = await self._wire.user_token(held.person, "credentials:write")
        except GrantRevoked:
            return  # the person is gone, and all credentials with them
        path = f"/api/v1/credentials/{held.credentials_id}"
        answer = await self._wire.call("DELETE", path, token)
        if not answer.ok and answer.status not in (404, 410):
            raise refusal(answer, GrantRevoked)

    async def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        return self._inbound.verify(headers, body)

    def translate(self, body: bytes) -> Sequence[Notice]:
        return self._inbound.translate(body)


def _grant_of(request: SessionRequest) -> Grant:
    if request.grant is None:
        raise GrantRevoked("NO_GRANT")
    return request.grant
