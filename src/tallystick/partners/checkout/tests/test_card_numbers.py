"""A card's number and code are nowhere: not in the database, its log, the logs, an answer."""

from __future__ import annotations

import base64
import hashlib
import logging
import urllib.parse
from pathlib import Path

import pytest

from tallystick.partners.checkout.tests.checkout_world import (
    BRITISH_DEBIT,
    CREDIT,
    NO_FUNDS,
    World,
    codes,
    world_at,
)

REAL = "4539578763621486"  # passes the checksum, and is no test card
CODE = "739"


def spellings(number: str) -> set[bytes]:
    """The number as it could be found again: grouped, encoded, hashed."""
    grouped = [number[at : at + 4] for at in range(0, 16, 4)]
    texts = {number, " ".join(grouped), "-".join(grouped), number[::-1], number[:12], number[4:]}
    texts |= {urllib.parse.quote(" ".join(grouped)), "+".join(grouped), f"{int(number):x}"}
    found = {text.encode() for text in texts} | {number.encode("utf-16-le"), number.encode("utf-16-be")}  # fmt: skip
    found |= {int(number).to_bytes(7), int(number).to_bytes(8), bytes.fromhex(number)}
    found |= {number.encode().hex().encode(), bytes.fromhex(number).hex().encode()}
    for shift in range(3):  # wherever the number begins in what was encoded
        whole = base64.b64encode(b"x" * shift + number.encode())
        found.add(whole[4 if shift else 0 : -4])
    for method in ("md5", "sha1", "sha256"):
        digest = hashlib.new(method, number.encode())
        found |= {digest.digest(), digest.hexdigest().encode(), base64.b64encode(digest.digest())}
    return found


def test_the_search_finds_what_is_there():
    for text in (b"card 4539578763621486.", b'{"n":"4539 5787 6362 1486"}', base64.b64encode(b"ab 4539578763621486 cd"), hashlib.sha256(REAL.encode()).hexdigest().encode()):  # fmt: skip
        assert any(each in text for each in spellings(REAL)), text


def walk(world: World) -> list[str]:
    """Every way in for a number; the answers' texts."""
    answers = []
    for number in (BRITISH_DEBIT, CREDIT, NO_FUNDS, REAL):
        session = world.session()
        token = world.token(number, cvv=CODE, name="Jane Doe")
        answers.append(token)
        if token.status_code == 201:
            answers.append(world.pay(session, token.json()["token"]))
            answers.append(world.call("GET", f"/payments/{answers[-1].json()['id']}"))
        answers.append(world.complete(world.session(), card=number, cvv=CODE))
        answers.append(world.call("POST", "/payment-sessions", {"description": number}))
        answers.append(world.call("PATCH", "/instruments/src_x", {"name": number}))
        answers.append(world.token(number, name={"a": number}))
        answers.append(world.call("POST", "/tokens", {"type": number, "number": [number]}))
    assert codes(answers[-1]) == ["type_invalid"]
    return [answer.text + str(answer.headers) for answer in answers]


def test_numbers_are_nowhere(tmp_path, capfd, caplog):
    caplog.set_level(logging.DEBUG)
    with world_at(tmp_path, log_level="trace") as world:
        texts = walk(world)
        files = {path.name: path.read_bytes() for path in Path(tmp_path).iterdir()}
        assert len(files) == 3  # the database, its write-ahead log and its index
    files |= {f"after {path.name}": path.read_bytes() for path in Path(tmp_path).iterdir()}
    out, err = capfd.readouterr()
    places = {**files, "answers": "\n".join(texts).encode(), "out": out.encode(), "err": err.encode(), "log": caplog.text.encode()}  # fmt: skip
    assert b"POST /_partners/checkout/tokens" in places["out"] + places["err"] + places["log"]
    assert b"45395787" not in b"".join(files.values())  # nothing at all of what was refused
    for number in (BRITISH_DEBIT, CREDIT, NO_FUNDS, REAL):
        for spelling in spellings(number):
            for place, content in places.items():
                assert spelling not in content, (place, number)
    assert b"1157" in b"".join(files.values())  # the last four digits are known
    assert all(f'"{CODE}"'.encode() not in content for content in places.values())


@pytest.mark.parametrize("path", ["/tokens", "/payment-sessions"])
def test_a_body_that_is_no_json_is_not_repeated(tmp_path, path):
    with world_at(tmp_path) as world:
        answer = world.call("POST", path, f"number={REAL}")
        assert answer.status_code == 400
        assert REAL not in answer.text
