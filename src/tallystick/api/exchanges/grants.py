"""Grants and proofs as boxes: what is kept of them, and where each opens."""

from __future__ import annotations

from typing import Any

import msgspec

from tallystick.api.exchanges import store
from tallystick.api.exchanges.store import ExchangeRow, IntentRow
from tallystick.core import Core
from tallystick.errors import InactiveExchange
from tallystick.partners.contract import Grant, NameMatch, Partner, Proof
from tallystick.secret import Secret
from tallystick.store.vault import Place


class SealedProof(msgspec.Struct, frozen=True):
    """A proof as it is kept for `resume`: which kind it was, and its fields."""

    member: str
    fields: Any

    def __repr__(self) -> str:
        return "SealedProof(«secret»)"


class SealedGrant(msgspec.Struct, frozen=True):
    secret: str
    external_id: str
    consent_expires_at: int | None
    name_match: NameMatch | None = None
    sole: bool = False

    def __repr__(self) -> str:
        return "SealedGrant(«secret»)"


def seal_proof(core: Core, app_id: str, intent_id: str, proof: Proof) -> bytes:
    kept = SealedProof(proof.member, msgspec.to_builtins(proof))
    return core.vault.seal(
        Place(app_id, store.INTENT, store.PROOF, intent_id), msgspec.msgpack.encode(kept)
    )


def open_proof(core: Core, partner: Partner, intent: IntentRow) -> Proof:
    place = Place(intent.app_id, store.INTENT, store.PROOF, intent.id)
    box = core.vault.open_box(place, intent.proof_sealed or b"")
    kept = msgspec.msgpack.decode(box.reveal(), type=SealedProof)
    kind = next(kind for kind in partner.manifest.proofs if kind.member == kept.member)
    return msgspec.convert(kept.fields, kind)


def seal_grant(core: Core, app_id: str, table: str, row_id: str, grant: Grant) -> bytes:
    """`table` is that of the intent or that of the exchange: a grant is sealed for each anew."""
    kept = SealedGrant(
        grant.secret.reveal(),
        grant.external_id,
        grant.consent_expires_at,
        grant.name_match,
        grant.sole,
    )
    place = Place(app_id, table, store.GRANT, row_id)
    return core.vault.seal(place, msgspec.msgpack.encode(kept))


def held_grant(core: Core, intent: IntentRow) -> Grant:
    """The grant that an intent came to before it was interrupted."""
    return _open(core, Place(intent.app_id, store.INTENT, store.GRANT, intent.id), intent)


def open_grant(core: Core, row: ExchangeRow) -> Grant:
    """The grant of an exchange. Raises InactiveExchange for one that was removed."""
    return _open(core, Place(row.app_id, store.TABLE, store.GRANT, row.id), row)


def _open(core: Core, place: Place, row: ExchangeRow | IntentRow) -> Grant:
    if row.grant_sealed is None:
        raise InactiveExchange
    box = core.vault.open_box(place, row.grant_sealed)
    kept = msgspec.msgpack.decode(box.reveal(), type=SealedGrant)
    return Grant(
        Secret(kept.secret),
        kept.external_id,
        kept.consent_expires_at,
        name_match=kept.name_match,
        sole=kept.sole,
    )
