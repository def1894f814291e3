"""What may be wrong with a process, on purpose: the run must notice each of them."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from tallystick.api.exchanges import redemption
from tallystick.core import Bearers
from tallystick.store import idempotency, postgres

# The standby is asynchronous: this one is the database's, not a process's.
ASYNCHRONOUS = "asynchronous"


def keys_in_memory() -> None:
    """Each process knows the keys that it was sent, and no others."""
    honest = idempotency.Claim.of

    def of(*arguments: Any) -> Any:
        claim = honest(*arguments)
        own = claim.key_hash[:-4] + os.getpid().to_bytes(4, "big")
        return dataclasses.replace(claim, key_hash=own)

    idempotency.Claim.of = of


def proofs_without_constraint() -> None:
    """Each process knows the proofs that it was sent, and no others."""
    honest = redemption._intent

    def intent(*arguments: Any) -> Any:
        import msgspec

        made = honest(*arguments)
        own = made.proof_hash[:-4] + os.getpid().to_bytes(4, "big")
        return msgspec.structs.replace(made, proof_hash=own)

    redemption._intent = intent


def tokens_for_ever() -> None:
    """Who was let in once is let in again without a look."""
    Bearers.LIFETIME_S = 3_600.0


def commits_cancelled() -> None:
    """As it was: who waits too long for a COMMIT asks the server to cancel it."""

    async def commit(connection: Any) -> None:
        await connection.execute("COMMIT")

    postgres._commit = commit


BUGS = {
    "memory": keys_in_memory,
    "proofs": proofs_without_constraint,
    "for-ever": tokens_for_ever,
    "cancelled": commits_cancelled,
    ASYNCHRONOUS: lambda: None,
}
