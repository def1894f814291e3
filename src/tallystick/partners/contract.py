"""What a partner is: the one thing a partner's folder may import of ours besides `http`.

A folder declares `PARTNER = Manifest(...)`. Its connector implements the capability protocols the
partner has, and no others: `isinstance(connector, ReadsBalances)` *is* the capability, and the
matrix in the documentation is generated from the same check.

Values go in, values come out. Timeouts, size caps, masking and the clock belong to the one caller,
`partners.http`; transactions, sealing and our own states belong to the services.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol, runtime_checkable

import msgspec

from tallystick.secret import Secret

AccountKind = Literal["checking", "savings"]
# What a card's issuer says to a name (contract 5.5).
NameMatch = Literal["full-match", "partial-match", "no-match", "not-performed", "not-supported"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A partner's settings; every partner has at least a base URL. Shows names, never values."""

    base_url: str

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.__struct_fields__)})"

    __str__ = __repr__


class Proof(msgspec.Struct, frozen=True, rename="camel"):
    """What a caller hands us to claim an exchange: a public token, a receipt, a payment id.

    `member` is the member of the request body that carries it (contract 5.7). A proof whose member
    is `token` has exactly one field, `token`; the others mirror the object under their member.
    """

    member: ClassVar[str]
    # False for a proof that comes back from the partner's own page, never out of a request body.
    posted: ClassVar[bool] = True
    # True when the token in it is one that we sealed ourselves (contract 5.11, threat T31); the
    # service then opens it and passes the connector `opened(handle)` instead.
    sealed_by_us: ClassVar[bool] = False
    # True when redeeming it only looks: it is not used up and nothing is made at the partner, so an
    # answer that got lost leaves nothing behind.
    only_looked_at: ClassVar[bool] = False

    def identity(self) -> str:
        """The text that is the same exactly when two proofs are the same. Secret."""
        raise TypeError(f"{type(self).__name__} does not say what identifies it")

    def opened(self, handle: Secret[str]) -> Proof:  # noqa: ARG002  # see sealed_by_us, posted
        """The proof that the connector redeems: with the handle it gave in `Connection`, or, for
        one that came back in a browser, with the person that the session was started for.
        """
        raise TypeError(f"{type(self).__name__} is not sealed by us")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(«secret»)"


@dataclass(frozen=True, slots=True)
class CardHolder:
    """The name that is expected on a card, for its issuer to compare with the one it knows."""

    first_name: str = field(repr=False)
    last_name: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What a connector needs to start a session.

    - `person`: our stable, opaque name for the customer at this partner; the same customer of the
      same application always has the same. Never shown to the person.
    - `redirect_url`: a URL, or an Android package name (contract 5.8), or None on the web.
    - `grant`: the grant to repair; None for a first consent.
    - `trouble`: what is wrong with that grant, in the partner's own word, where that is known;
      `ACCOUNT_NOT_SHARED` is ours, and means that the linked account is not among the shared ones.
    - `notify_url`: where the partner shall post its notices, or None.
    - `return_url`, `state`: only for a partner that `ReturnsByRedirect`. Our own address, to which
      it sends the browser back, and the opaque text it must bring along unchanged.
    - `holder`: only for a partner that `DescribesCards`. Whose name to ask the issuer
      about, or None.
    """

    person: str
    redirect_url: str | None = None
    grant: Grant | None = None
    trouble: str | None = None
    notify_url: str | None = None
    return_url: str | None = None
    state: str | None = field(default=None, repr=False)
    holder: CardHolder | None = None


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """The external-provider session: exactly one of `href`, `token`, `data` is set.

    `expires_at` is in milliseconds since the epoch. `external_id` finds the session at the partner
    again; None where the partner gives none.
    """

    expires_at: int
    href: Secret[str] | None = None
    token: Secret[str] | None = None
    data: Mapping[str, str] | None = field(default=None, repr=False)
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """An account the person has already shared with the partner (contract 5.11).

    `handle` is all that the connector needs to redeem it; it is sealed before a client sees it.
    """

    handle: Secret[str]
    name: str


@dataclass(frozen=True, slots=True)
class Grant:
    """The lasting authority that a partner gives us; sealed before it is stored.

    - `secret`: what the connector needs to act on it, as it likes (a token, or JSON of several).
    - `external_id`: the partner's name for the consent, not secret (Plaid's item_id, MX's member
      guid): it is how the partner's notices name it.
    - `consent_expires_at`: milliseconds since the epoch, or None when it has no end.
    - `person`: whom the partner says it belongs to, in the words of `SessionRequest.person`; None
      where the partner does not say. A grant of somebody else is refused (threat T9).
    - `name_match`: what came of `SessionRequest.holder`; None where nobody asked.
    - `sole`: one exchange at most stands on the consent, and a proof of the same consent brings no
      second one.
    """

    secret: Secret[str]
    external_id: str
    consent_expires_at: int | None = None
    person: str | None = None
    name_match: NameMatch | None = None
    sole: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """One bank account under a grant. `number` and `routing` are ASCII digits.

    `external_id` is the partner's id of the account.
    """

    external_id: str
    kind: AccountKind
    name: str
    mask: str
    number: Secret[str]
    routing: Secret[str]
    institution: str


@dataclass(frozen=True, slots=True)
class Card:
    """The one debit card under a grant, as far as anyone may know it: never its number.

    - `external_id`: the partner's id of the stored card. `fingerprint`: the partner's text that is
      the same for the same card number; secret enough to be hashed before it is stored.
    - `brand`: `Visa`, `Mastercard`, …, in the partner's spelling. `first_six`: the bin.
    - `country`: the issuer's, ISO 3166 alpha-2. `kind`: the partner's word, lower case (`debit`).
    """

    external_id: str
    fingerprint: Secret[str]
    brand: str
    first_six: str
    last_four: str
    expiration_month: int
    expiration_year: int
    country: str
    kind: str


@dataclass(frozen=True, slots=True)
class Balance:
    """Balances of one account in cents; `available_cents` may be unknown at the partner.

    `as_of` is when the partner last asked the institution, in milliseconds since the epoch.
    """

    current_cents: int
    available_cents: int | None
    currency: str
    as_of: int


ReturnCode = Literal["USER_CANCELLED", "AUTHENTICATION_ERROR", "TEMPORARY_ERROR"]


@dataclass(frozen=True, slots=True)
class Returned:
    """What a browser brought back from the partner's page: exactly one of `proof`, `error` is set.

    `state` is the text that `SessionRequest.state` gave; nothing in it is believed before its seal
    was checked. `error` is what the integrator gets to see (contract 7.9).
    """

    state: str = field(repr=False)
    proof: Proof | None = None
    error: ReturnCode | None = None


NoticeKind = Literal[
    "reauth_required",  # the person must sign in again before `deadline`, or already lost access
    "healthy",  # it works again
    "revoked",  # the consent is gone
    "changed",  # something changed: fetch the state, the notice itself proves nothing
]


@dataclass(frozen=True, slots=True)
class Notice:
    """What a partner's webhook means to us, after its signature was checked.

    `external_id` is the `Grant.external_id` it is about. `partner_code` is the partner's own word.
    """

    kind: NoticeKind
    external_id: str
    partner_code: str
    deadline_at: int | None = None


# ── capabilities ──────────────────────────────────────────────────────────────────────────────


@runtime_checkable
class StartsSessions(Protocol):
    async def start_session(self, request: SessionRequest) -> SessionStarted: ...


@runtime_checkable
class Reauthenticates(Protocol):
    async def start_reauth(self, request: SessionRequest) -> SessionStarted: ...


@runtime_checkable
class ListsConnections(Protocol):
    async def list_connections(self, person: str) -> Sequence[Connection]: ...


@runtime_checkable
class Redeems(Protocol):
    async def redeem(self, proof: Proof) -> Grant:
        """Turn a proof into a grant, once. Raises ProofRejected, ProofExpired, …"""
        ...


@runtime_checkable
class DescribesAccounts(Protocol):
    async def list_accounts(self, grant: Grant) -> Sequence[Account]: ...


@runtime_checkable
class DescribesCards(Protocol):
    async def read_card(self, grant: Grant) -> Card: ...


@runtime_checkable
class ReadsBalances(Protocol):
    async def read_balance(self, grant: Grant, account_external_id: str) -> Balance: ...


@runtime_checkable
class Revokes(Protocol):
    async def revoke(self, grant: Grant) -> None:
        """Give the grant back. A grant that is already gone is a success."""
        ...


@runtime_checkable
class Notifies(Protocol):
    async def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """True when this really comes from the partner. `headers` have lower-case names."""
        ...

    def translate(self, body: bytes) -> Sequence[Notice]: ...


@runtime_checkable
class ReturnsByRedirect(Protocol):
    """The partner sends the browser back to us, and we make the exchange (contract 7.9)."""

    def read_return(self, query: Mapping[str, str]) -> Returned:
        """Read the query of our `return_url`. Raises PartnerUnavailable when it is not readable."""
        ...


CAPABILITIES: Mapping[str, type] = {
    "start a session": StartsSessions,
    "re-authenticate": Reauthenticates,
    "list available connections": ListsConnections,
    "redeem a proof": Redeems,
    "describe accounts": DescribesAccounts,
    "describe a card": DescribesCards,
    "read balances": ReadsBalances,
    "revoke": Revokes,
    "notify": Notifies,
    "return by redirect": ReturnsByRedirect,
}


# ── the manifest, and a partner as the services see it ────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Manifest:
    """A partner's constant self-description, the `PARTNER` of its folder.

    - `key`: our name in paths and settings. `id`, `name`, `created`: as in contract 5.0.
    - `connector`, `simulator`: `module:attribute`; each process loads the one it may have. A
      connector is made as `Connector(settings, http, clock)`.
    - `settings`: the type of its settings; `live_hosts`: the partner's own base URLs.
    - `proofs`: the kinds of proof it accepts.
    - `deadline_s`: how long a call of ours may take, all its requests together, in seconds.
    - `opt_in`: listed only with the setting `compat.{key}` (decisions 17).
    """

    key: str
    id: str
    name: str
    created: str
    settings: type[Settings]
    live_hosts: Sequence[str]
    proofs: Sequence[type[Proof]]
    connector: str
    simulator: str | None
    opt_in: bool = False
    deadline_s: float = 20.0


class Partner(Protocol):
    """A partner as a service sees it: who it is, and a guarded way to its connector."""

    @property
    def manifest(self) -> Manifest: ...

    def has(self, capability: type) -> bool: ...

    async def start_session(self, request: SessionRequest) -> SessionStarted: ...
    async def start_reauth(self, request: SessionRequest) -> SessionStarted: ...
    async def list_connections(self, person: str) -> Sequence[Connection]: ...
    async def redeem(self, proof: Proof) -> Grant: ...
    async def list_accounts(self, grant: Grant) -> Sequence[Account]: ...
    async def read_balance(self, grant: Grant, account_external_id: str) -> Balance: ...
    async def revoke(self, grant: Grant) -> None: ...
    async def read_card(self, grant: Grant) -> Card: ...
    async def verify(self, headers: Mapping[str, str], body: bytes) -> bool: ...
    def translate(self, body: bytes) -> Sequence[Notice]: ...
    def read_return(self, query: Mapping[str, str]) -> Returned: ...


class Partners(Protocol):
    """All partners of this gateway, in the order of their `created`."""

    def all(self) -> Sequence[Partner]: ...
    def by_id(self, partner_id: str) -> Partner | None: ...
    def by_key(self, key: str) -> Partner: ...
