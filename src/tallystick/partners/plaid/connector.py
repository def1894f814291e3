"""Plaid, as the services see it. Calls and meanings: docs/partners/plaid.md.

Plaid has two kinds of grant. An Item's access token comes from our own Link session and covers all
its accounts; a processor token comes from an integrator who has his own contract with Plaid, and
covers one account. Each has its own endpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from tallystick.clock import Clock, SystemClock
from tallystick.partners.contract import (
    Account,
    Balance,
    Grant,
    Notice,
    Proof,
    SessionRequest,
    SessionStarted,
)
from tallystick.partners.errors import (
    GrantRevoked,
    NotOffered,
    PartnerError,
    PartnerRefused,
    PartnerUnavailable,
    ProofRejected,
)
from tallystick.partners.http import PartnerHttp
from tallystick.partners.plaid import messages as plaid
from tallystick.partners.plaid.inbound import Inbound, translate
from tallystick.partners.plaid.proof import PlaidProcessorToken, PlaidPublicToken
from tallystick.partners.plaid.refusals import NO_ACCOUNTS
from tallystick.partners.plaid.settings import PlaidSettings
from tallystick.partners.plaid.wire import PlaidWire

T = TypeVar("T")


class Connector:
    """Every method raises a PartnerError and nothing else. None repeats a call."""

    def __init__(
        self, settings: PlaidSettings, http: PartnerHttp, clock: Clock | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._wire = PlaidWire(settings, http)
        self._inbound = Inbound(self._wire, self._clock)

    async def start_session(self, request: SessionRequest) -> SessionStarted:
        """A link token for a first consent; it lives four hours."""
        return await self._link(plaid.link_request(self._settings, request))

    async def start_reauth(self, request: SessionRequest) -> SessionStarted:
        """A link token for update mode; it lives 30 minutes.

        The Item keeps its access token: the page's public token is not used afterwards.
        """
        held = _opened(request.grant)
        if isinstance(held, plaid.OfProcessor):
            # Update mode wants the access token, and that stayed with the integrator.
            raise NotOffered("PROCESSOR_TOKEN_WITHOUT_UPDATE_MODE")
        return await self._link(
            plaid.link_request(self._settings, request, update=held.access_token)
        )

    async def _link(self, request: plaid.LinkTokenCreate) -> SessionStarted:
        answer = await self._wire.post("/link/token/create", request, plaid.LinkTokenCreated)
        return _readable(lambda: plaid.session_started(answer))

    async def redeem(self, proof: Proof) -> Grant:
        """Turn a public or a processor token into a grant.

        A text that is no such token is refused without a call, so that a secret pasted into the
        wrong member goes nowhere.
        """
        if isinstance(proof, PlaidPublicToken):
            return await self._exchange(proof.public_token)
        if isinstance(proof, PlaidProcessorToken):
            return await self._accept(proof.token)
        raise ProofRejected("UNKNOWN_KIND_OF_PROOF")

    async def _exchange(self, public_token: str) -> Grant:
        """The one call that cannot be repeated, and therefore nothing comes after it: between the
        answer, which holds the only copy of the access token, and the service's store lies no
        further await (threat model, I7).
        """
        if not plaid.is_public_token(public_token):
            raise ProofRejected("INVALID_PUBLIC_TOKEN")
        answer = await self._wire.post(
            "/item/public_token/exchange",
            plaid.PublicTokenExchange(public_token),
            plaid.PublicTokenExchanged,
            redeeming=True,
        )
        return plaid.item_grant(answer)

    async def _accept(self, processor_token: str) -> Grant:
        """There is nothing to exchange; a call proves that Plaid knows it and grants `auth`."""
        if not plaid.is_processor_token(processor_token):
            raise ProofRejected("INVALID_PROCESSOR_TOKEN")
        answer = await self._wire.post(
            "/processor/auth/get",
            plaid.ProcessorToken(processor_token),
            plaid.ProcessorAuthAnswer,
            redeeming=True,
        )
        if not plaid.accounts([answer.account], _numbers(answer), ""):
            raise ProofRejected("NO_AUTH_ACCOUNTS")
        return plaid.processor_grant(processor_token, answer.account.account_id)

    async def list_accounts(self, grant: Grant) -> Sequence[Account]:
        """The checking and savings accounts with ACH numbers; empty when there are none.

        `institution` is empty when Plaid does not name it.
        """
        held = _opened(grant)
        try:
            if isinstance(held, plaid.OfProcessor):
                return await self._processor_account(plaid.ProcessorToken(held.processor_token))
            answer = await self._wire.post(
                "/auth/get", plaid.AccessToken(held.access_token), plaid.AuthAnswer
            )
        except PartnerRefused as refused:
            if refused.code in NO_ACCOUNTS:
                return []
            raise
        name = answer.item.institution_name or await self._institution(answer.item.institution_id)
        return plaid.accounts(answer.accounts, answer.numbers.ach, name)

    async def _processor_account(self, token: plaid.ProcessorToken) -> Sequence[Account]:
        answer = await self._wire.post("/processor/auth/get", token, plaid.ProcessorAuthAnswer)
        try:
            about = await self._wire.post(
                "/processor/account/get", token, plaid.ProcessorAccountAnswer
            )
        except PartnerError:
            about = plaid.ProcessorAccountAnswer()
        name = await self._institution(about.institution_id)
        return plaid.accounts([answer.account], _numbers(answer), name)

    async def _institution(self, institution_id: str | None) -> str:
        """The institution's name, or nothing: an account is not refused for want of it."""
        if not institution_id:
            return ""
        request = plaid.InstitutionById(institution_id, self._settings.country_codes.split(","))
        try:
            answer = await self._wire.post(
                "/institutions/get_by_id", request, plaid.InstitutionAnswer
            )
        except PartnerError:
            return ""
        return answer.institution.name

    async def read_balance(self, grant: Grant, account_external_id: str) -> Balance:
        """The balance in real time: Plaid asks the institution for it now."""
        held = _opened(grant)
        if isinstance(held, plaid.OfProcessor):
            one = await self._wire.post(
                "/processor/balance/get",
                plaid.ProcessorToken(held.processor_token),
                plaid.ProcessorBalanceAnswer,
            )
            found = [one.account]
        else:
            request = plaid.BalanceOfAccounts(
                held.access_token, plaid.OnlyAccounts((account_external_id,))
            )
            many = await self._wire.post("/accounts/balance/get", request, plaid.BalanceAnswer)
            found = many.accounts
        now_ms = self._clock.now_ms()
        return _readable(lambda: plaid.balance(found, account_external_id, now_ms))

    async def revoke(self, grant: Grant) -> None:
        """Remove the Item. A processor token has no removal of its own; its Item is not ours."""
        held = _opened(grant)
        if isinstance(held, plaid.OfProcessor):
            return
        try:
            await self._wire.post(
                "/item/remove", plaid.AccessToken(held.access_token), plaid.Message
            )
        except GrantRevoked:
            return

    async def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        return await self._inbound.verify(headers, body)

    def translate(self, body: bytes) -> Sequence[Notice]:
        return translate(body)


def _opened(grant: Grant | None) -> plaid.OfItem | plaid.OfProcessor:
    if grant is None:
        raise PartnerRefused("NO_GRANT")
    try:
        return plaid.opened(grant)
    except ValueError:
        raise PartnerRefused("UNREADABLE_GRANT") from None


def _numbers(answer: plaid.ProcessorAuthAnswer) -> list[plaid.Ach]:
    return [] if answer.numbers.ach is None else [answer.numbers.ach]


def _readable(read: Callable[[], T]) -> T:
    """What `read` makes of Plaid's answer; the cause is dropped, as it may quote the answer."""
    try:
        return read()
    except (ValueError, ArithmeticError):
        raise PartnerUnavailable("UNREADABLE_ANSWER") from None
