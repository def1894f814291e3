"""Seals what must not be readable in a stolen database (security-reliability 4).

    box      = 0x01 | key number (4) | salt (32) | commit (32) | ciphertext | tag (16)
    k_enc    = HKDF-SHA256(data key, salt, "tallystick/box/1/enc")
    k_commit = HKDF-SHA256(data key, salt, "tallystick/box/1/commit")
    AAD      = version, application, table, column, row: each with its length in front

Every application has its own data key, wrapped by the key-encryption key, which is not in the
database. Every box has its own encryption key, so the nonce can be constant and there is no budget
of messages per key. The commitment is compared first, because AES-GCM alone does not bind a box to
one key. A box moved to another row, column or application does not open (threat T35).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tallystick.clock import SECOND_MS, Clock
from tallystick.ids import Entropy
from tallystick.secret import Secret
from tallystick.store.db import Database, Reads, Statement, Transaction

KEY_BYTES = 32
_VERSION = 1
_SALT = 32
_COMMIT = 32
_HEAD = 1 + 4 + _SALT + _COMMIT
_NONCE = bytes(12)
_TEXT_PREFIX = "ts1."
# Numbers are handed out before the commit: so many keys may appear after one with a higher number.
_LATE_MAX = 64
# So long after it was made every process that serves has learned a key: they look every two seconds
# (`server/reconcile.py`). Before, they could not open what is sealed with it.
LEARNED_MS = 5 * SECOND_MS

# The installation's own keys have no application.
NOBODY = ""


class Place(NamedTuple):
    """Where a box is stored; it opens nowhere else."""

    app_id: str
    table: str
    column: str
    row_id: str


class CannotOpen(Exception):
    """The box is damaged, was moved, or belongs to a key that is not here. Never says more."""


@dataclass(frozen=True, slots=True)
class KeyEncryptionKey:
    """The key over all keys. `name` tells which of several wrapped a data key."""

    name: str
    key: Secret[bytes]

    @classmethod
    def of(cls, key: bytes) -> KeyEncryptionKey:
        """Raises ValueError unless there are exactly 32 bytes."""
        if len(key) != KEY_BYTES:
            raise ValueError(f"an encryption key has {KEY_BYTES} bytes, not {len(key)}")
        name = hashlib.sha256(b"tallystick/kek/1" + key).hexdigest()[:12]
        return cls(name, Secret(key))


class DataKey(NamedTuple):
    number: int
    app_id: str
    purpose: str
    key: Secret[bytes]
    retired: bool
    created_at: int


SEAL, FINGERPRINT, PEPPER = "seal", "fingerprint", "pepper"

_COLUMNS = "number, app_id, purpose, wrapped, wrapped_by, retired, created_at"
_ALL = Statement(f"SELECT {_COLUMNS} FROM data_key")
_OF = Statement(f"SELECT {_COLUMNS} FROM data_key WHERE app_id = :app_id")
_NEWER = Statement(f"SELECT {_COLUMNS} FROM data_key WHERE number > :number ORDER BY number")
_ADD = Statement(
    "INSERT INTO data_key (app_id, purpose, wrapped, wrapped_by, retired, created_at)"
    " VALUES (:app_id, :purpose, :wrapped, :wrapped_by, :retired, :created_at)"
    " ON CONFLICT DO NOTHING"
)
_RETIRE = Statement(
    "UPDATE data_key SET retired = :retired WHERE app_id = :app_id AND purpose = :purpose"
    " AND NOT retired"
)
_REWRAP = Statement(
    "UPDATE data_key SET wrapped = :wrapped, wrapped_by = :wrapped_by WHERE number = :number"
)


class Vault:
    """Seals and opens. `keys` are the key-encryption keys, the one in use first."""

    def __init__(self, keys: Sequence[KeyEncryptionKey], clock: Clock, entropy: Entropy) -> None:
        self._keks: Mapping[str, KeyEncryptionKey] = {kek.name: kek for kek in keys}
        self._kek = keys[0]
        self._clock = clock
        self._entropy = entropy
        self._by_number: dict[int, DataKey] = {}
        self._in_use: dict[tuple[str, str], DataKey] = {}
        self._rotated: set[str] = set()

    # ── keys ──────────────────────────────────────────────────────────────────────────────────

    async def open(self, db: Database) -> None:
        """Make the installation's own key if there is none, and read all keys.

        Raises CannotOpen when a data key was wrapped by a key that is not among ours.
        """
        await db.transact(lambda tx: self._add(tx, NOBODY, PEPPER))
        rows = await db.all(_ALL)
        # The sandbox replaces all that there is: a key that is gone must not seal anything.
        self._by_number.clear()
        self._in_use.clear()
        for row in rows:
            self._learn(row)

    async def add_application(self, tx: Transaction, app_id: str) -> None:
        """Make the keys of a new application, in the transaction that makes it.

        They are ours to use when that is committed and `ready` has read them.
        """
        for purpose in (SEAL, FINGERPRINT):
            await self._add(tx, app_id, purpose)

    async def ready(self, reads: Reads, app_id: str) -> None:
        """Read the keys of an application that was made since we last looked, here or elsewhere."""
        if (app_id, SEAL) not in self._in_use:
            await self._read(reads, app_id)

    async def learn(self, reads: Reads) -> None:
        """Read the data keys that another process has made since we last looked."""
        since = max(self._by_number, default=0) - _LATE_MAX
        for row in await reads.all(_NEWER, number=since):
            if row[0] not in self._by_number:
                self._learn(row)

    async def rotate(self, db: Database, app_id: str) -> None:
        """Retire the application's data key and make a new one; old boxes still open.

        It is ours to seal with at once: who rotates waits for the others (LEARNED_MS).
        """

        async def replace(tx: Transaction) -> None:
            await tx.run(_RETIRE, app_id=app_id, purpose=SEAL, retired=True)
            await self._add(tx, app_id, SEAL)

        await db.transact(replace)
        self._rotated.add(app_id)
        await self._read(db, app_id)

    async def rewrap(self, db: Database) -> int:
        """Wrap every data key by the key-encryption key in use; how many were not before."""
        done = 0
        for row in await db.all(_ALL):
            if row[4] != self._kek.name:
                key = self._unwrap(row)
                await db.transact(
                    lambda tx, key=key: tx.run(  # type: ignore[misc]
                        _REWRAP,
                        number=key.number,
                        wrapped=self._wrap(key.app_id, key.purpose, key.key.reveal()),
                        wrapped_by=self._kek.name,
                    )
                )
                done += 1
        return done

    async def _add(self, tx: Transaction, app_id: str, purpose: str) -> None:
        await tx.run(
            _ADD,
            app_id=app_id,
            purpose=purpose,
            wrapped=self._wrap(app_id, purpose, self._entropy.bytes(KEY_BYTES)),
            wrapped_by=self._kek.name,
            retired=False,
            created_at=self._clock.now_ms(),
        )

    async def _read(self, reads: Reads, app_id: str) -> None:
        for row in await reads.all(_OF, app_id=app_id):
            self._learn(row)

    def _learn(self, row: Sequence[object]) -> None:
        key = self._unwrap(row)
        self._by_number[key.number] = key
        if not key.retired:
            self._in_use[key.app_id, key.purpose] = key

    def _wrap(self, app_id: str, purpose: str, key: bytes) -> bytes:
        nonce = self._entropy.bytes(12)
        box = AESGCM(self._kek.key.reveal()).encrypt(nonce, key, _pack("key", app_id, purpose))
        return nonce + box

    def _unwrap(self, row: Sequence[object]) -> DataKey:
        number, app_id, purpose, wrapped, wrapped_by, retired, created_at = row
        kek = self._keks.get(str(wrapped_by))
        if kek is None:
            raise CannotOpen(f"data key {number} needs the encryption key {wrapped_by}")
        box = bytes(wrapped)  # type: ignore[call-overload]  # ty: ignore[invalid-argument-type]
        try:
            key = AESGCM(kek.key.reveal()).decrypt(
                box[:12], box[12:], _pack("key", str(app_id), str(purpose))
            )
        except InvalidTag:
            raise CannotOpen(f"data key {number} does not open") from None
        return DataKey(
            int(str(number)),
            str(app_id),
            str(purpose),
            Secret(key),
            bool(retired),
            int(str(created_at)),
        )

    def _key(self, app_id: str, purpose: str) -> DataKey:
        try:
            return self._in_use[app_id, purpose]
        except KeyError:
            raise CannotOpen(f"there is no {purpose} key for this application") from None

    def _sealing(self, app_id: str) -> DataKey:
        """The key in use, or the one before it while there may be a process without it."""
        key = self._key(app_id, SEAL)
        if app_id in self._rotated or not self._is_fresh(key):
            return key
        own = [k for k in self._by_number.values() if (k.app_id, k.purpose) == (app_id, SEAL)]
        known = [each for each in own if not self._is_fresh(each)]
        return max(known) if known else min(own)

    def _is_fresh(self, key: DataKey) -> bool:
        return abs(self._clock.now_ms() - key.created_at) < LEARNED_MS

    # ── boxes ─────────────────────────────────────────────────────────────────────────────────

    def seal(self, place: Place, data: bytes) -> bytes:
        """A box that opens only at `place`."""
        key = self._sealing(place.app_id)
        salt = self._entropy.bytes(_SALT)
        encrypt, commit = _derive(key.key.reveal(), salt)
        head = bytes((_VERSION,)) + key.number.to_bytes(4)
        return b"".join(
            (head, salt, commit, AESGCM(encrypt).encrypt(_NONCE, data, _pack("box", *place)))
        )

    def open_box(self, place: Place, box: bytes) -> Secret[bytes]:
        """What was sealed at `place`. Raises CannotOpen."""
        key = self._by_number.get(int.from_bytes(box[1:5]))
        if len(box) < _HEAD or box[0] != _VERSION or key is None or key.app_id != place.app_id:
            raise CannotOpen("not a box of this application")
        encrypt, commit = _derive(key.key.reveal(), box[5 : 5 + _SALT])
        if not hmac.compare_digest(commit, box[5 + _SALT : _HEAD]):
            raise CannotOpen("the box was made with another key")
        try:
            data = AESGCM(encrypt).decrypt(_NONCE, box[_HEAD:], _pack("box", *place))
        except InvalidTag:
            raise CannotOpen("the box does not belong here") from None
        return Secret(data)

    def is_current(self, box: bytes) -> bool:
        """True if the box was made with a key in use: key rotation skips it."""
        key = self._by_number.get(int.from_bytes(box[1:5]))
        return key is not None and not key.retired

    def seal_text(self, place: Place, data: bytes) -> str:
        """A box as text: `ts1.` and base64url, so that a scanner can recognise it."""
        return _TEXT_PREFIX + base64.urlsafe_b64encode(self.seal(place, data)).decode()

    def open_text(self, place: Place, text: str) -> Secret[bytes]:
        """The reverse. Raises CannotOpen for whatever is not such a text."""
        if not text.startswith(_TEXT_PREFIX) or not text.isascii():
            raise CannotOpen("not a box of ours")
        try:
            box = base64.b64decode(text[len(_TEXT_PREFIX) :], altchars=b"-_", validate=True)
        except ValueError:
            raise CannotOpen("not a box of ours") from None
        return self.open_box(place, box)

    def check(self) -> None:
        """Seal something and open it again. Raises CannotOpen."""
        for app_id, purpose in list(self._in_use):
            if purpose == SEAL:
                place = Place(app_id, "health", "canary", "1")
                self.open_box(place, self.seal(place, b"canary"))
                return

    # ── what cannot be turned back ────────────────────────────────────────────────────────────

    def hash(self, data: bytes) -> bytes:
        """A keyed hash for looking up random secrets: tokens, client secrets, one-time proofs."""
        return hmac.digest(self._key(NOBODY, PEPPER).key.reveal(), data, "sha256")

    def fingerprint(self, app_id: str, routing: Secret[str], number: Secret[str]) -> str:
        """64 hex digits, the same for the same bank account within one application.

        Keyed, because a plain hash of an account number falls to brute force in minutes; not
        rotated, because its value is part of the contract (decision 19).
        """
        key = self._key(app_id, FINGERPRINT).key.reveal()
        account = f"\x01{routing.reveal()}\x1f{number.reveal()}".encode()
        return hmac.digest(key, account, "sha256").hex()


def _derive(key: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """HKDF-SHA256 (RFC 5869) for two outputs of 32 bytes: one extract, one expand for each.

    Spelled out with hmac.digest because it is four calls, and ten times as fast as an object.
    """
    prk = hmac.digest(salt, key, "sha256")
    return (
        hmac.digest(prk, b"tallystick/box/1/enc\x01", "sha256"),
        hmac.digest(prk, b"tallystick/box/1/commit\x01", "sha256"),
    )


def _pack(*parts: str) -> bytes:
    """Parts with their lengths in front, so that no two lists of parts look the same."""
    packed = [b"tallystick/1"]
    for part in parts:
        raw = part.encode()
        packed.append(len(raw).to_bytes(4))
        packed.append(raw)
    return b"".join(packed)
