"""What can go wrong at a partner, sorted by what the caller should do about it.

PartnerError
├─ ProofRejected        the proof is unknown, used up, forged, or lacks the product we need
│  └─ ProofExpired      it was good once; the person must go through the connect page again
├─ ConsentLost          the person must sign in at the institution again (re-authentication)
├─ GrantRevoked         the consent is gone for good
├─ PartnerRefused       the partner does not accept us: our keys, our contract, our request
├─ NotOffered           the partner has no such thing for this kind of grant
└─ PartnerUnavailable   no usable answer: down, slow, cut off, or not what it documents

A connector raises these and nothing else. Messages carry the partner's error code and request id,
never a body, a URL or a token: they end up in logs.
"""

from __future__ import annotations


class PartnerError(Exception):
    """Base of all. `code` is the partner's own word for it, `request_id` the partner's."""

    def __init__(self, code: str, *, request_id: str | None = None) -> None:
        super().__init__(code if request_id is None else f"{code} (partner request {request_id})")
        self.code = code
        self.request_id = request_id


class ProofRejected(PartnerError):
    """Another try with the same proof is useless."""


class ProofExpired(ProofRejected):
    """As ProofRejected, and we know why: its time is over."""


class ConsentLost(PartnerError):
    """The grant exists but the institution wants the person to sign in again."""


class GrantRevoked(PartnerError):
    """The grant no longer exists at the partner."""


class PartnerRefused(PartnerError):
    """Nothing the end user can do: the operator must look at keys, products or our request."""


class NotOffered(PartnerError):
    """Asking again is useless, and nobody did anything wrong: so the partner's product is."""


class PartnerUnavailable(PartnerError):
    """No usable answer. `acted` says what we know of the effect at the partner.

    False: the request certainly did not reach it, so trying again is safe. None: nobody knows.
    `bank` is True when the partner itself is well and told us that the institution is not.
    """

    def __init__(
        self,
        code: str,
        *,
        request_id: str | None = None,
        acted: bool | None = None,
        bank: bool = False,
    ) -> None:
        super().__init__(code, request_id=request_id)
        self.acted = acted
        self.bank = bank
