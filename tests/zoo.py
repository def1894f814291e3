"""The body zoo: bodies and messages that no client means to send (threats T18, T19, T20, T22, T30).

Every body here is refused by every POST, whatever that POST would make of it: none is one clean
JSON value within the bounds of `body.py`, or it is none that we read at all.
"""

from __future__ import annotations

import gzip
import json
import zlib
from typing import NamedTuple

JSON = "application/vnd.dwolla.v1.hal+json"


class Body(NamedTuple):
    """A body, the headers that go with it, and the statuses that are right."""

    name: str
    raw: bytes
    headers: dict[str, str]
    statuses: tuple[int, ...] = (400,)


def bodies() -> list[Body]:
    found = [
        *_depth(), *_numbers(), *_duplicates(), *_characters(), *_encodings(), *_broken(), *_sizes(),
    ]  # fmt: skip
    return [Body(name, raw, {"Content-Type": JSON}) for name, raw in found] + _headers()


Named = list[tuple[str, bytes]]


def _depth() -> Named:
    found = []
    for depth in (17, 18, 64, 500, 990, 1_000, 1_010, 5_000, 10_000):
        found += [
            (f"{depth} lists", b"[" * depth + b"]" * depth),
            (f"{depth} objects", b'{"":' * depth + b"1" + b"}" * depth),
            (f"{depth} lists that do not end", b"[" * depth),
            (
                f"{depth + 1} of both",
                b'[{"a":' * (depth // 2 + 1) + b"0" + b"}]" * (depth // 2 + 1),
            ),
        ]
    return found


def _numbers() -> Named:
    digits = (21, 309, 4_300, 4_301, 5_000, 60_000)
    texts = [
        *("9" * count for count in digits), *("-" + "9" * count for count in digits),
        *("0." + "1" * count for count in digits), *("1e" + "9" * count for count in (3, 25, 5_000)),
        "-1e999", "1E+400", "NaN", "-NaN", "nan", "Infinity", "-Infinity", "+Infinity", "inf",
        "0x10", "0o7", "01", "-01", "+1", ".5", "5.", "1e", "1e+", "--1", "1_000", "１２３", "Ⅷ",
        "0b1", "1n", "1.2.3", "½", "-", "∞",
    ]  # fmt: skip
    return [
        (f"number {text[:12]} ({len(text)})", b'{"a":%s}' % text.encode()) for text in texts
    ] + [(f"number {text[:12]} in a list", b'{"a":[%s]}' % text.encode()) for text in texts[-24:]]


def _duplicates() -> Named:
    found = []
    for depth in range(1, 6):
        for first, second in (("token", "token"), ("token", "tok\\u0065n"), ("", "")):
            inner = f'{{"{first}":"a","{second}":"b"}}'
            for _ in range(depth - 1):
                inner = f'{{"a":[{inner}]}}' if depth % 2 else f'{{"a":{inner}}}'
            found.append((f"duplicate {second!r} at depth {depth}", inner.encode()))
    found.append(("1,001 members", json.dumps({str(n): n for n in range(1_001)}).encode()))
    found.append(("1,001 items", json.dumps({"a": list(range(1_001))}).encode()))
    return found


def _characters() -> Named:
    found = []
    for point in (
        *range(0x20),
        0x7F,
        *range(0x80, 0xA0, 5),
        *range(0x202A, 0x202F),
        0x2066,
        0x2069,
    ):
        found.append((f"U+{point:04X} escaped", b'{"firstName":"a\\u%04x"}' % point))
        if point < 0x20:
            found.append((f"U+{point:04X} as it is", b'{"firstName":"a%c"}' % point))
    for text in (
        "\\ud800", "\\udbff", "\\udc00", "\\udfff", "\\ud800x", "\\udc00\\ud800", "\\ud83d\\ud83d",
        "\\ud800\\u0041", "\\uD8", "\\u", "\\u12G4", "\\x41", "\\'", "\\",
    ):  # fmt: skip
        found.append((f"text {text}", b'{"firstName":"%s"}' % text.encode()))
        found.append((f"name {text}", b'{"%s":1}' % text.encode()))
    return found


def _encodings() -> Named:
    plain = '{"firstName":"Ada"}'
    wide = ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "utf-8-sig"]
    zipped = gzip.compress(plain.encode())
    wrong = (
        b"\xff", b"\xfe\xff", b"\xc0\xaf", b"\xc1\x81", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf",
        b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\x80",
        b"\xc3", b"\xe2\x82", b"\xf0\x9f\x92",
    )  # fmt: skip
    return [
        *((name, plain.encode(name)) for name in (*wide, "cp037")),
        *((f"bytes {raw.hex()}", b'{"firstName":"' + raw + b'"}') for raw in wrong),
        ("gzip without a word", zipped),
        ("zlib", zlib.compress(plain.encode())),
    ]


def _broken() -> Named:
    whole = b'{"firstName":"Ada","list":[1,true,null],"deep":{"a":-1.5e3}}'
    ends = [(f"ends after {at}", whole[:at]) for at in range(1, len(whole), 4)]
    texts = (
        "{} {}", "{}x", "{,}", '{"a":1,}', "[1,]", "{'a':1}", "{a:1}", '{"a" 1}', '{"a":}', "/*c*/{}",
        "{}//c", "True", "undefined", "None", "()", "<a/>", "a=1&b=2", "--x\r\n\r\n--x--", "\0{}",
        "\u2028{}", "\ufeff{}", ")]}',\n{}", "{}\0", "\x1e{}", "\xa0{}",
    )  # fmt: skip
    return [*ends, *((repr(text), text.encode()) for text in texts)]


def _sizes() -> Named:
    return [
        ("text of 8,193", json.dumps({"a": "x" * 8_193}).encode()),
        ("a name of 8,193", json.dumps({"x" * 8_193: 1}).encode()),
        ("60 KiB of blanks and nothing", b" " * 60_000),
        ("60 KiB of quotes", b'"' * 60_001),
        ("60 KiB of backslashes", b'"' + b"\\" * 60_001 + b'"'),
    ]


def _headers() -> list[Body]:
    plain, large = b"{}", b'{"a":"' + b"x" * 70_000 + b'"}'
    types = (
        "text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data",
        "application/json5", "application/jsonx", "", "*/*", "application/problem+json", "jsön",
    )  # fmt: skip
    codings = ("gzip", "deflate", "br", "zstd", "gzip, gzip", "x-gzip", "GZIP", "identity, gzip")
    return [
        *(Body(f"type {each!r}", plain, {"Content-Type": each}, (415,)) for each in types),
        *(
            Body(f"coding {each}", gzip.compress(plain), {"Content-Type": JSON, "Content-Encoding": each}, (415,))
            for each in codings
        ),
        Body("70 kB", large, {"Content-Type": JSON}, (413,)),
        Body("70 kB, zipped", gzip.compress(large), {"Content-Type": JSON, "Content-Encoding": "gzip"}, (415,)),
        *(
            Body(f"idempotency key {key[:5]!r}", plain, {"Content-Type": JSON, "Idempotency-Key": key})
            for key in ("", "k" * 256, "schlüssel", "a\tb", "\x7f")
        ),
    ]  # fmt: skip


# ── messages that lie about themselves ────────────────────────────────────────────────────────


class Lie(NamedTuple):
    """A message, after its request line and Host. `statuses` are those of its one answer.

    0 is a connection closed without an answer.
    """

    name: str
    rest: bytes
    statuses: tuple[int, ...]
    trickle_s: float = 0.0


REFUSED = (400, 0)
TOO_LONG = (400, 413, 431, 0)
LATE = (408, 0)


def lies() -> list[Lie]:
    two = b'{"a":1}'
    smuggled = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    return [
        Lie("longer than it says", b"Content-Length: 2\r\n\r\n" + two, (400, 401, 415)),
        Lie("shorter than it says", b"Content-Length: 900\r\n\r\n" + two, LATE),
        Lie("far shorter", b"Content-Length: 99999999999999\r\n\r\n" + two, LATE),
        Lie("says nothing", b"\r\n" + two, (400, 401, 415)),
        *(
            Lie(f"length {each!r}", b"Content-Length: %b\r\n\r\n" % each + two, REFUSED)
            for each in (b"-1", b"abc", b"0x7", b"7.0", b"+7", b"7, 7", b"7,8", b"1" * 40, b"7 7", b"\xb2")
        ),
        Lie("two lengths", b"Content-Length: 7\r\nContent-Length: 2\r\n\r\n" + two, REFUSED),
        Lie("length and chunks", b"Content-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, REFUSED),
        Lie("chunks and length", b"Transfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n0\r\n\r\n" + smuggled, REFUSED),
        Lie("a chunk's size that is none", b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", REFUSED),
        Lie("a chunk shorter than it says", b"Transfer-Encoding: chunked\r\n\r\n900\r\n{}", LATE),
        Lie("a chunk longer than it says", b"Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n", REFUSED),
        Lie("a size beyond 64 bits", b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n", REFUSED),
        Lie("a negative chunk", b"Transfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n", REFUSED),
        Lie("chunks that do not end", b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", LATE),
        Lie("70,000 chunks of one byte", b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n{\r\n" * 70_000 + b"0\r\n\r\n", (*TOO_LONG, *LATE)),
        Lie("a coding of codings", b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", (400, 415, 501, 0)),
        Lie("a coding that is none", b"Transfer-Encoding: xchunked\r\n\r\n{}", (*REFUSED, 408)),
        Lie("a folded header", b"Content-Type: application/json\r\n folded\r\nContent-Length: 2\r\n\r\n{}", (400, 415, 0)),
        Lie("a blank before the colon", b"Content-Length : 2\r\n\r\n{}", REFUSED),
        Lie("a header without a colon", b"Content-Length\r\n\r\n", REFUSED),
        Lie("NUL in a header", b"X: a\0b\r\nContent-Length: 2\r\n\r\n{}", REFUSED),
        Lie("bare line feeds", b"Content-Length: 2\n\n{}", (400, 401, 415, 0, 408)),
        Lie("bare carriage returns", b"X: a\rContent-Length: 2\r\r{}", (*REFUSED, 408)),
        Lie("a header of 1 MB", b"X: " + b"x" * 1_000_000 + b"\r\n\r\n", (*TOO_LONG, 401, 415)),
        Lie("20,000 headers", b"X: y\r\n" * 20_000 + b"\r\n", (*TOO_LONG, 401, 415)),
        Lie("a head that does not end", b"X: y\r\n", LATE),
        Lie("a head that trickles", b"X: " + b"y" * 1_000, LATE, 0.05),
        Lie("a body that trickles", b"Content-Length: 1000\r\n\r\n" + b" " * 1_000, LATE, 0.05),
        Lie("100-continue and nothing", b"Expect: 100-continue\r\nContent-Length: 7\r\n\r\n", LATE),
        Lie("an upgrade", b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eHh4\r\n\r\n", (400, 401, 404, 415, 426, 0)),
        Lie("an upgrade to h2c", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\nContent-Length: 2\r\n\r\n{}", (400, 401, 404, 415, 0)),
    ]  # fmt: skip
