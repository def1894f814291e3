"""Strict reading of JSON (threats T18 to T20) and the list of everything that is wrong."""

from __future__ import annotations

import json
from typing import Annotated

import msgspec
import pytest
from hypothesis import given, strategies as st

from tallystick.body import DEPTH_MAX, parse, read
from tallystick.errors import BadRequest, ValidationFailed

REFUSED = {
    "not json": b"{",
    "two values": b"{} {}",
    "duplicate member": b'{"token":"a","token":"b"}',
    "duplicate member, escaped": b'{"token":"a","tok\\u0065n":"b"}',
    "duplicate member, deep": b'{"a":[{"b":1,"b":2}]}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":-Infinity}',
    "a number too large": b'{"a":1e999}',
    "a number too long": b'{"a":' + b"9" * 5_000 + b"}",
    "a fraction too long": b'{"a":0.' + b"1" * 5_000 + b"}",
    "NUL": b'{"a":"\\u0000"}',
    "a lone surrogate": b'{"a":"\\ud800"}',
    "a lone surrogate in a name": b'{"\\udfff":1}',
    "a newline": b'{"a":"222222226\\n"}',
    "text turned around": '{"a":"\u202egnp"}'.encode(),
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"a":1}',
    "not UTF-8": b'{"a":"\xff"}',
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "just too deep": b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1),
    "many members": json.dumps({str(n): n for n in range(1_001)}).encode(),
    "many items": json.dumps(list(range(1_001))).encode(),
    "long text": json.dumps({"a": "x" * 8_193}).encode(),
}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED.keys())
def test_refused(raw):
    with pytest.raises(BadRequest):
        parse(raw)


def test_depth_up_to_the_limit_is_read():
    assert parse(b"[" * DEPTH_MAX + b"]" * DEPTH_MAX)


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(_json)
def test_whatever_is_read_is_what_was_sent(value):
    try:
        assert parse(json.dumps(value).encode()) == value
    except BadRequest:
        # Refused only for a bare null, which is no body, or for the characters that are refused.
        assert value is None or any(
            ord(c) < 32 or 127 <= ord(c) < 160 or 0xD800 <= ord(c) < 0xE000
            or 0x202A <= ord(c) <= 0x202E or 0x2066 <= ord(c) <= 0x2069
            for c in json.dumps(value, ensure_ascii=False)
        ) or "\\u" in json.dumps(value) or "\\" in json.dumps(value)  # fmt: skip


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_read_or_refused(raw):
    try:
        parse(raw)
    except BadRequest:
        pass


class Shape(msgspec.Struct, rename="camel"):
    first_name: Annotated[str, msgspec.Meta(max_length=3)]
    e_mail: str
    kind: Annotated[str, msgspec.Meta(pattern="^[a-z]+$")] = "x"


def test_all_problems_are_listed_in_the_order_of_the_shape():
    with pytest.raises(ValidationFailed) as caught:
        read({"kind": "1", "firstName": 5, "unknown": 1}, Shape)
    found = [(each.code, each.path, each.message) for each in caught.value.errors]
    assert found == [
        ("Invalid", "/firstName", "FirstName invalid."),
        ("Required", "/eMail", "EMail required."),
        ("InvalidFormat", "/kind", "Kind invalid."),
    ]


@pytest.mark.parametrize("value", [None, [], "text", 5, True])
def test_a_body_that_is_no_object_is_bad(value):
    with pytest.raises(BadRequest):
        read(value, Shape)
