"""Secrets that are planted, and the search for them in whatever was written (threats T3, T34)."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
import subprocess
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from tallystick.store.vault import Vault

from .gateway import InProcess
from .requirements import missing
from .witness import query

# Shorter ones turn up by chance: a bank's last four digits, a country.
CHARS_MIN = 9
_TEXT = re.compile(rb"[ -~]{%d,}" % CHARS_MIN)


def forms(secret: str) -> dict[str, bytes]:
    """A secret as it may stand somewhere: in seven encodings, and the end of a number."""
    raw = secret.encode()
    found = {
        "plain": raw,
        "percent": quote(secret, safe="").encode(),
        "JSON": json.dumps(secret)[1:-1].encode(),
        "reversed": raw[::-1],
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
    }
    for offset in range(3):
        # What is the same whatever stands before and after it.
        padded = base64.b64encode(bytes(offset) + raw)
        middle = padded[(0, 2, 3)[offset] : len(padded) // 4 * 4 - 4]
        found[f"base64 at {offset}"] = middle
        found[f"base64url at {offset}"] = middle.translate(bytes.maketrans(b"+/", b"-_"))
    if secret.isdigit():
        found["its last nine"] = raw[-9:]
    return found


def hits(where: str, raw: bytes, secrets: dict[str, str]) -> list[str]:
    """`where: whose secret, in which form` for all that is in `raw`, zipped parts included."""
    whole = raw + b"".join(_unzipped(raw))
    return [
        f"{where}: {name} ({form})"
        for name, secret in secrets.items()
        for form, text in forms(secret).items()
        if text in whole
    ]


def _unzipped(raw: bytes) -> list[bytes]:
    found = []
    for match in re.finditer(re.escape(gzip.compress(b"")[:3]), raw):
        try:
            found.append(zlib.decompressobj(31).decompress(raw[match.start() :]))
        except zlib.error:
            continue
    return found


class Sealed:
    """Every plaintext that the vault seals: so no secret that is stored can be forgotten here."""

    def __init__(self, monkeypatch: Any) -> None:
        self.secrets: dict[str, str] = {}
        real = Vault.seal

        def seal(vault: Vault, place: Any, data: bytes) -> bytes:
            # A kept answer is sealed whole, and most of it is no secret: its parts are elsewhere.
            if place.table not in ("idempotency", "health"):
                self._note(f"{place.table}.{place.column}", data)
            return real(vault, place, data)

        monkeypatch.setattr(Vault, "seal", seal)

    def _note(self, where: str, data: bytes) -> None:
        for text in _strings(_decoded(data)):
            self.secrets.setdefault(f"{where} {text[:4]}…", text)


def _decoded(data: bytes) -> Any:
    for decode in (msgspec.json.decode, msgspec.msgpack.decode):
        try:
            return decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return [each.decode() for each in _TEXT.findall(data)]


def _strings(value: Any) -> list[str]:
    if isinstance(value, str) and value[:1] in "[{":
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError:
            pass
    if isinstance(value, dict):
        return [text for each in value.values() for text in _strings(each)]
    if isinstance(value, list):
        return [text for each in value for text in _strings(each)]
    return [value] if isinstance(value, str) and len(value) >= CHARS_MIN else []


# Partners' names for consents, sessions and accounts stand in columns of their own: their notices
# use them, and nobody can do anything with one without a key (partners/contract.py, Grant).
_NAMES = (
    "SELECT external_id FROM exchange",
    "SELECT external_id FROM exchange_session",
    "SELECT account_external_id FROM funding_source",
)


async def names_of_partners(gateway: InProcess) -> set[str]:
    return {row[0] for sql in _NAMES for row in await query(gateway, sql) if row[0]}


def stored(gateway: InProcess) -> dict[str, bytes]:
    """Every file of the gateway's store as a thief finds it, or a dump of it."""
    url = gateway.settings.store_url
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        return {each.name: each.read_bytes() for each in path.parent.glob(f"{path.name}*")}
    if shutil.which("pg_dump") is None:
        missing("pg_dump")
    found = {}
    for form in ("plain", "custom"):
        dump = subprocess.run(
            ["pg_dump", f"--format={form}", "--compress=0", url], capture_output=True, check=True
        )
        found[f"pg_dump {form}"] = dump.stdout
    return found
