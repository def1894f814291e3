"""The vault: what it seals opens only where it was sealed, and rotation loses nothing."""

from __future__ import annotations

import asyncio
import hmac
import itertools

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings, strategies as st

from tallystick.clock import MINUTE_MS, SystemClock, VirtualClock
from tallystick.ids import SeededEntropy, SystemEntropy
from tallystick.secret import Secret
from tallystick.store import migrations
from tallystick.store.db import Statement, connect
from tallystick.store.vault import (
    LEARNED_MS,
    SEAL,
    CannotOpen,
    KeyEncryptionKey,
    Place,
    Vault,
)

pytestmark = pytest.mark.anyio

PLACE = Place("app", "exchange", "grant", "row")


async def opened(url, *keys, entropy=None, clock=None):
    await migrations.migrate(url)
    db = connect(url)
    await db.open()
    keks = [KeyEncryptionKey.of(key) for key in keys or (bytes(32),)]
    vault = Vault(keks, clock or SystemClock(), entropy or SystemEntropy())
    try:
        await vault.open(db)
    except CannotOpen:
        await db.close()
        raise
    return db, vault


async def add_application(db, vault, app):
    await db.transact(lambda tx: vault.add_application(tx, app))
    await vault.ready(db, app)


@pytest.fixture
async def vault(tmp_path):
    db, made = await opened(f"sqlite:///{tmp_path}/vault.db", entropy=SeededEntropy(7))
    for app in ("app", "other"):
        await add_application(db, made, app)
    yield made
    await db.close()


def independently_open(vault: Vault, place: Place, box: bytes) -> bytes:
    """The format of security-reliability 4.3, written a second time with the library's HKDF."""
    key = vault._by_number[int.from_bytes(box[1:5])].key.reveal()
    salt = box[5:37]

    def derive(info: bytes) -> bytes:
        return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(key)

    aad = b"tallystick/1" + b"".join(
        len(part.encode()).to_bytes(4) + part.encode() for part in ("box", *place)
    )
    assert hmac.compare_digest(derive(b"tallystick/box/1/commit"), box[37:69])
    return AESGCM(derive(b"tallystick/box/1/enc")).decrypt(bytes(12), box[69:], aad)


async def test_what_is_sealed_opens_and_the_format_is_the_documented_one(vault):
    for data in (b"", b"access-sandbox-1", bytes(range(256)) * 40):
        box = vault.seal(PLACE, data)
        assert vault.open_box(PLACE, box).reveal() == data
        assert independently_open(vault, PLACE, box) == data
        assert data == b"" or data not in box


async def test_no_box_opens_anywhere_else(vault):
    """T35: every pair among twenty cells of different rows, columns, tables and applications."""
    places = [
        Place(app, table, column, row)
        for app in ("app", "other")
        for table, column in (
            ("exchange", "grant"),
            ("exchange_intent", "grant"),
            ("exchange_intent", "proof"),
            ("funding_source", "numbers"),
            ("idempotency", "reply"),
        )
        for row in ("1", "2")
    ]
    boxes = {place: vault.seal(place, b"secret") for place in places}
    swaps = list(itertools.permutations(places, 2))
    assert len(swaps) == 380
    for here, there in swaps:
        with pytest.raises(CannotOpen):
            vault.open_box(there, boxes[here])


async def test_places_that_look_alike_when_joined_are_different(vault):
    box = vault.seal(Place("app", "ab", "c", "d"), b"secret")
    with pytest.raises(CannotOpen):
        vault.open_box(Place("app", "a", "bc", "d"), box)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_changed_box_does_not_open(data):
    vault = _vault_in_memory()
    box = bytearray(vault.seal(PLACE, b"access-sandbox-secret"))
    at = data.draw(st.integers(0, len(box) - 1))
    box[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CannotOpen):
        vault.open_box(PLACE, bytes(box))
    with pytest.raises(CannotOpen):
        vault.open_box(PLACE, bytes(box[:at]))


def _vault_in_memory() -> Vault:
    from tallystick.store.vault import DataKey

    vault = Vault([KeyEncryptionKey.of(bytes(32))], SystemClock(), SeededEntropy(1))
    key = DataKey(1, "app", SEAL, Secret(bytes(32)), retired=False, created_at=0)
    vault._by_number[1] = vault._in_use["app", SEAL] = key
    return vault


@given(st.text(max_size=200))
def test_a_text_that_is_not_ours_does_not_open(text):
    with pytest.raises(CannotOpen):
        _vault_in_memory().open_text(PLACE, text)


async def test_another_encryption_key_opens_nothing(tmp_path):
    url = f"sqlite:///{tmp_path}/vault.db"
    db, _ = await opened(url, bytes(32))
    await db.close()
    with pytest.raises(CannotOpen):
        await opened(url, b"\x01" * 32)


async def test_rewrap_lets_the_old_encryption_key_go(database_url):
    old, new = bytes(32), b"\x07" * 32
    db, vault = await opened(database_url, old)
    await add_application(db, vault, "app")
    box = vault.seal(PLACE, b"secret")
    await db.close()
    db, vault = await opened(database_url, new, old)
    assert await vault.rewrap(db) == 3
    assert await vault.rewrap(db) == 0
    await db.close()
    db, vault = await opened(database_url, new)
    assert vault.open_box(PLACE, box).reveal() == b"secret"
    await db.close()


async def test_two_processes_make_one_key_for_an_application(database_url):
    db, first = await opened(database_url)
    other_db, second = await opened(database_url)
    await add_application(db, first, "app")
    await add_application(other_db, second, "app")
    assert second.open_box(PLACE, first.seal(PLACE, b"secret")).reveal() == b"secret"
    count = Statement("SELECT count(*) FROM data_key WHERE app_id = 'app' AND purpose = 'seal'")
    row = await db.one(count)
    assert row[0] == 1
    await db.close()
    await other_db.close()


async def test_a_key_that_was_not_committed_is_not_kept(database_url):
    """Another process makes the next key under the same number; it must not be taken for ours."""
    db, vault = await opened(database_url)
    other_db, other = await opened(database_url)

    async def fail_after(tx):
        await vault.add_application(tx, "never")
        raise ValueError

    with pytest.raises(ValueError):
        await db.transact(fail_after)
    with pytest.raises(CannotOpen):
        vault.seal(Place("never", "t", "c", "1"), b"")
    await add_application(other_db, other, "app")
    await vault.learn(db)
    assert vault.open_box(PLACE, other.seal(PLACE, b"secret")).reveal() == b"secret"
    await db.close()
    await other_db.close()


async def test_a_key_that_is_committed_after_a_later_one_is_learned(database_url):
    """PostgreSQL hands a number out when a row is written, not when it is committed."""
    if database_url.startswith("sqlite"):
        pytest.skip("one writer: numbers appear in their order")
    db, first = await opened(database_url)
    other_db, second = await opened(database_url)
    third_db, reader = await opened(database_url)
    written, may_commit = asyncio.Event(), asyncio.Event()

    async def slow(tx):
        await first.add_application(tx, "app")
        written.set()
        await may_commit.wait()

    late = asyncio.create_task(db.transact(slow))
    await written.wait()
    await add_application(other_db, second, "other")
    await reader.learn(third_db)
    may_commit.set()
    await late
    await first.ready(db, "app")
    await reader.learn(third_db)
    assert reader.open_box(PLACE, first.seal(PLACE, b"secret")).reveal() == b"secret"
    for each in (db, other_db, third_db):
        await each.close()


async def test_a_new_key_seals_nothing_before_everybody_has_learned_it(database_url):
    clock = VirtualClock()
    clock.freeze()
    dbs, (rotating, quick, slow) = zip(
        *[await opened(database_url, clock=clock) for _ in range(3)], strict=True
    )
    await add_application(dbs[0], rotating, "app")
    clock.advance(MINUTE_MS)
    for db, each in zip(dbs, (rotating, quick, slow), strict=True):
        await each.ready(db, "app")
    await rotating.rotate(dbs[0], "app")
    await quick.learn(dbs[1])
    db, started = await opened(database_url, clock=clock)
    for each in (quick, started):
        assert slow.open_box(PLACE, each.seal(PLACE, b"secret")).reveal() == b"secret"
    # Who rotates waits before it seals what there is; and then it is done for good.
    fresh = rotating.seal(PLACE, b"secret")
    assert quick.open_box(PLACE, fresh).reveal() == b"secret"
    clock.advance(LEARNED_MS)
    await slow.learn(dbs[2])
    for each in (quick, slow, started):
        assert each.seal(PLACE, b"")[1:5] == fresh[1:5]
    for each in (*dbs, db):
        await each.close()


async def test_a_key_that_is_no_longer_in_the_database_seals_nothing(database_url):
    """The sandbox's reset: the same application again, with a key of its own."""
    db, vault = await opened(database_url)
    await add_application(db, vault, "app")
    await db.transact(lambda tx: tx.run(Statement("DELETE FROM data_key")))
    await vault.open(db)
    await add_application(db, vault, "app")
    other_db, other = await opened(database_url)
    assert other.open_box(PLACE, vault.seal(PLACE, b"secret")).reveal() == b"secret"
    await db.close()
    await other_db.close()


async def test_fingerprints_are_keyed_by_application_and_keep_leading_zeros(vault):
    routing = Secret("222222226")
    one = vault.fingerprint("app", routing, Secret("0123"))
    assert one == vault.fingerprint("app", routing, Secret("0123"))
    assert one != vault.fingerprint("other", routing, Secret("0123"))
    assert one != vault.fingerprint("app", routing, Secret("123"))
    assert len(one) == 64


async def test_a_secret_cannot_be_shown():
    secret = Secret("access-sandbox-1")
    assert "access" not in f"{secret} {secret!r} {secret:>20} {[secret]}"
    with pytest.raises(TypeError):
        __import__("pickle").dumps(secret)
    with pytest.raises(TypeError):
        __import__("copy").deepcopy(secret)
