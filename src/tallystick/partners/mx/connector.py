"""MX, as the services see it. Calls and meanings: docs/partners/mx.md.

It keeps nothing: the MX user of a customer is the one whose `id` is our name for the customer. MX
has two kinds of grant: an account that was shared in our own Connect session, reached with our own
keys, and an account behind an integrator's authorization code, reached with a token.

It does not revoke: one MX member backs every account that was shared at one institution, so that
deleting it for one exchange would end the others, and who keeps nothing cannot know of them. To
redeem a shared account makes nothing at MX either, so there is nothing to give back (invariant I7).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from tallystick.clock import MINUTE_MS, Clock, SystemClock
from tallystick.partners.contract import (
    Account,
    Balance,
    Connection,
    Grant,
    Notice,
    Proof,
    SessionRequest,
    SessionStarted,
)
from tallystick.partners.errors import (
    ConsentLost,
    GrantRevoked,
    NotOffered,
    PartnerError,
    PartnerUnavailable,
    ProofRejected,
)
from tallystick.partners.http import Answer, PartnerHttp
from tallystick.partners.mx import messages as mx
from tallystick.partners.mx.inbound import Inbound
from tallystick.partners.mx.proof import MxAccount, MxAuthorizationCode
from tallystick.partners.mx.settings import MxSettings
from tallystick.partners.mx.wire import MxWire

# "The widget URL expires after ten minutes or upon first use" (MX, Connect widget).
WIDGET_MS = 10 * MINUTE_MS


class Connector:
    """Every method raises a PartnerError and nothing else. None repeats a call that acts."""

    def __init__(self, settings: MxSettings, http: PartnerHttp, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._base_url = settings.base_url
        self._wire = MxWire(settings, http)
        self._inbound = Inbound(settings.webhook_secret)

    async def start_session(self, request: SessionRequest) -> SessionStarted:
        """A widget URL for a first consent; ten minutes, or until it is loaded."""
        user = await self._find_user(request.person) or await self._make_user(request.person)
        # A user who went in between is a reason to try again: no grant is lost.
        return await self._widget(user, None, PartnerUnavailable)

    async def start_reauth(self, request: SessionRequest) -> SessionStarted:
        """A widget URL in which the person mends the grant's member."""
        held = mx.decode_grant(_held(request))
        if isinstance(held, mx.OfProcessor):
            # The member belongs to the integrator's own contract.
            raise NotOffered("PROCESSOR_TOKEN_WITHOUT_WIDGET")
        return await self._widget(held.user_guid, held.member_guid, GrantRevoked)

    async def _widget(
        self, user_guid: str, member_guid: str | None, gone: type[PartnerError]
    ) -> SessionStarted:
        answer = await self._wire.call(
            "POST", f"/users/{user_guid}/widget_urls", json=mx.widget_request(member_guid)
        )
        widget = self._wire.one(answer, "widget_url", mx.WidgetUrl, gone=gone)
        href = mx.read_widget_url(widget, self._base_url)
        return SessionStarted(self._clock.now_ms() + WIDGET_MS, href=href)

    async def _find_user(self, person: str) -> str | None:
        found = self._wire.all("/users", "users", mx.User, gone=PartnerUnavailable, id=person)
        async for user in found:
            if user.id == person:
                return user.guid
        return None

    async def _make_user(self, person: str) -> str:
        answer = await self._wire.call("POST", "/users", json={"user": {"id": person}})
        if not answer.ok:
            # Somebody was faster: two sessions of one customer may start at once.
            found = await self._find_user(person)
            if found is not None:
                return found
        return self._wire.one(answer, "user", mx.User, gone=PartnerUnavailable).guid

    async def list_connections(self, person: str) -> Sequence[Connection]:
        """Every checking or savings account with numbers under a member that works.

        Nobody who never opened Connect has a user at MX: for them the list is empty.
        """
        user = await self._find_user(person)
        if user is None:
            return []
        gone = PartnerUnavailable  # went while we looked: the next look tells
        shared: list[tuple[mx.Member, mx.MxAccountShown, mx.AccountNumber]] = []
        members = self._wire.all(f"/users/{user}/members", "members", mx.Member, gone=gone)
        async for member in members:
            if not mx.works(member):
                continue
            numbers = await self._numbers(user, member.guid, gone)
            path = f"/users/{user}/members/{member.guid}/accounts"
            shared += [
                (member, account, numbers[account.guid])
                async for account in self._wire.all(path, "accounts", mx.MxAccountShown, gone=gone)
                if mx.account_of(account, numbers.get(account.guid), "") is not None
            ]
        return mx.connections(user, shared)

    async def _numbers(
        self, user: str, member: str, gone: type[PartnerError]
    ) -> dict[str, mx.AccountNumber]:
        path = f"/users/{user}/members/{member}/account_numbers"
        listed = self._wire.all(path, "account_numbers", mx.AccountNumber, gone=gone)
        return {each.account_guid: each async for each in listed if each.account_guid is not None}

    async def redeem(self, proof: Proof) -> Grant:
        """Turn a shared account, or an integrator's code, into a grant.

        The first can be asked for any number of times: it only looks. The second works once, and
        nothing is awaited after its answer.
        """
        if isinstance(proof, MxAccount):
            return await self._claim(proof)
        if isinstance(proof, MxAuthorizationCode):
            return await self._exchange(proof.token)
        raise ProofRejected("UNKNOWN_KIND_OF_PROOF")

    async def _claim(self, proof: MxAccount) -> Grant:
        held = mx.OfUser(proof.user_guid, proof.member_guid, proof.account_guid)
        mx.require_working(await self._member(held, ProofRejected))
        if not await self._account(held, "", ProofRejected):
            raise ProofRejected("ACCOUNT_NOT_SHARED")
        return mx.encode_grant(held, proof.member_guid)

    async def _exchange(self, code: str) -> Grant:
        params = {"grant_type": "authorization_code", "code": code}
        answer = await self._wire.call_as_processor("POST", "/token", params=params)
        if answer.status in (400, 401, 404, 422):
            # MX documents no answer for a wrong code, and OAuth servers give all of these; only
            # the code came from outside.
            raise ProofRejected(f"HTTP_{answer.status}")
        token = self._wire.one(answer, None, mx.ProcessorToken)
        return mx.processor_grant(token, self._clock.now_ms())

    async def list_accounts(self, grant: Grant) -> Sequence[Account]:
        """The one account under a grant; empty when it is not there or has no numbers."""
        held = mx.decode_grant(grant)
        if isinstance(held, mx.OfProcessor):
            account = mx.payment_account_of(await self._payment_account(held))
            return [account] if account else []
        member = await self._member(held)
        mx.require_working(member)
        return await self._account(held, member.name or "", ConsentLost)

    async def _account(
        self, held: mx.OfUser, institution: str, gone: type[PartnerError]
    ) -> Sequence[Account]:
        numbers = await self._numbers(held.user_guid, held.member_guid, gone)
        if held.account_guid not in numbers:
            return []
        shown = await self._shown(held, gone)
        account = mx.account_of(shown, numbers[held.account_guid], institution)
        return [account] if account else []

    async def _member(self, held: mx.OfUser, gone: type[PartnerError] = GrantRevoked) -> mx.Member:
        path = f"/users/{held.user_guid}/members/{held.member_guid}"
        member = self._wire.one(await self._wire.call("GET", path), "member", mx.Member, gone=gone)
        if member.guid != held.member_guid:
            raise PartnerUnavailable("ANSWER_ABOUT_ANOTHER")
        return member

    async def _shown(self, held: mx.OfUser, gone: type[PartnerError]) -> mx.MxAccountShown:
        path = f"/users/{held.user_guid}/accounts/{held.account_guid}"
        shown = self._wire.one(
            await self._wire.call("GET", path), "account", mx.MxAccountShown, gone=gone
        )
        if shown.guid != held.account_guid:
            raise PartnerUnavailable("ANSWER_ABOUT_ANOTHER")
        if shown.member_guid != held.member_guid:
            raise gone("ACCOUNT_OF_ANOTHER_MEMBER")
        return shown

    async def _payment_account(self, held: mx.OfProcessor) -> mx.PaymentAccount:
        answer = await self._wire.call_as_processor(
            "GET", "/payment_account", bearer=held.access_token
        )
        if answer.status == 401:
            raise GrantRevoked("PROCESSOR_TOKEN_REFUSED")
        return self._wire.one(answer, "payment_account", mx.PaymentAccount)

    async def read_balance(self, grant: Grant, account_external_id: str) -> Balance:
        """What MX last heard from the institution, after it was asked to listen again.

        In verification mode MX refreshes nothing by itself (Connect widget,
        `disable_background_agg`), so a balance of three hours or more is one to ask for. MX answers
        202 and works on; this answer may still show the old balance, with its old time.
        """
        held = mx.decode_grant(grant)
        now_ms = self._clock.now_ms()
        if isinstance(held, mx.OfProcessor):
            return await self._processor_balance(held, account_external_id, now_ms)
        if held.account_guid != account_external_id:
            raise GrantRevoked("ACCOUNT_NOT_SHARED")
        member = await self._member(held)
        mx.require_working(member)
        if mx.is_stale(member.successfully_aggregated_at, now_ms):
            path = f"/users/{held.user_guid}/members/{held.member_guid}/check_balance"
            await self._refresh(lambda: self._wire.call("POST", path))
            member = await self._member(held)
            mx.require_working(member)
        shown = await self._shown(held, ConsentLost)
        if shown.is_closed:
            # The member works: the person signed in again, and not where this account is.
            raise ConsentLost("ACCOUNT_NOT_SHARED")
        return mx.balance_of(shown, member.successfully_aggregated_at or shown.updated_at)

    async def _processor_balance(
        self, held: mx.OfProcessor, account_external_id: str, now_ms: int
    ) -> Balance:
        shown = await self._payment_account(held)
        if mx.is_stale(shown.updated_at, now_ms):
            await self._refresh(
                lambda: self._wire.call_as_processor(
                    "POST", "/account/check_balance", bearer=held.access_token
                )
            )
            shown = await self._payment_account(held)
        if shown.account_guid != account_external_id:
            raise GrantRevoked("ACCOUNT_NOT_SHARED")
        return mx.balance_of(shown, shown.updated_at)

    async def _refresh(self, ask: Callable[[], Awaitable[Answer]]) -> None:
        """Ask for a fresh balance. MX may decline: the feature is sold apart, the institution may
        lack it, another job may run (400, 403, 409). The balance that is there is then the answer.
        """
        try:
            await ask()
        except PartnerUnavailable:
            return

    async def verify(self, headers: Mapping[str, str], _body: bytes) -> bool:
        return self._inbound.verify(headers)

    def translate(self, body: bytes) -> Sequence[Notice]:
        return self._inbound.translate(body)


def _held(request: SessionRequest) -> Grant:
    if request.grant is None:
        raise GrantRevoked("NO_GRANT")
    return request.grant
