"""Which proof a body carries: exactly one member, of a kind that its partner takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tallystick.body import problems
from tallystick.errors import FieldError, NotFound, ValidationFailed
from tallystick.partners.contract import Partner, Partners, Proof

TOKEN = "token"  # noqa: S105  # the member's name
# Open banking is for customers: the account's own exchanges take a token or a receipt.
OF_ACCOUNT = (TOKEN, "finicity")
PARTNER_HREF = "/_links/exchange-partner/href"


@dataclass(frozen=True, slots=True)
class Create:
    """What a client asks for. `members` are those of the body; one of them is the proof.

    `partner_id` is None when the link to the partner, `partner_href`, is missing or not ours.
    """

    customer_id: str | None
    partner_href: object
    partner_id: str | None
    members: Mapping[str, Any] = field(repr=False)


def read_body(partners: Partners, command: Create) -> tuple[Partner, Proof]:
    """The partner and the proof that a body names.

    Raises ValidationFailed with all that is wrong: none of the members is `Token is required.`,
    several or one of another partner is Invalid at that member (contract 10, no. 27 to 29); a
    wrong link stands first. Members that no partner knows are ignored. Raises NotFound when all is
    well but for the partner, which does not exist.
    """
    errors = []
    if command.partner_id is None:
        code = "Required" if command.partner_href is None else "Invalid"
        errors.append(FieldError(code, f"{PARTNER_HREF} is invalid", PARTNER_HREF))
    kinds = (kind for each in partners.all() for kind in each.manifest.proofs if kind.posted)
    known = {kind.member for kind in kinds} | {TOKEN}
    members = command.members
    sent = [name for name in members if name in known and members[name] not in (None, "")]
    if not sent:
        errors.append(FieldError("Required", "Token is required.", f"/{TOKEN}"))
    errors += [_unwelcome(name) for name in sent[1:]]
    if errors:
        raise ValidationFailed(errors=errors)
    partner = partners.by_id(command.partner_id or "")
    if partner is None:
        raise NotFound
    of_customer = command.customer_id is not None
    for kind in partner.manifest.proofs:
        if kind.posted and kind.member == sent[0] and (of_customer or sent[0] in OF_ACCOUNT):
            return partner, _convert(kind, command.members[sent[0]])
    raise ValidationFailed(errors=[_unwelcome(sent[0])])


def _unwelcome(member: str) -> FieldError:
    return FieldError("Invalid", f"{member} is not accepted here.", f"/{member}")


def _convert(kind: type[Proof], raw: Any) -> Proof:
    under = f"/{kind.member}"
    fields = raw
    if kind.member == TOKEN:
        fields, under = {TOKEN: raw}, ""
    try:
        proof = msgspec.convert(fields, kind)
    except msgspec.ValidationError:
        if not isinstance(fields, dict):
            raise ValidationFailed(
                errors=[FieldError("Invalid", f"{kind.member} invalid.", under)]
            ) from None
        raise ValidationFailed(errors=problems(fields, kind, under)) from None
    if not proof.identity():
        raise ValidationFailed(errors=[FieldError("Required", "Token is required.", f"/{TOKEN}")])
    return proof
