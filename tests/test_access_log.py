"""The access log: every call's line, whole, in writes that several processes may mix."""

from __future__ import annotations

import asyncio
import json
from select import PIPE_BUF

import pytest

from tallystick.server import logs

pytestmark = pytest.mark.anyio


def line(number: int) -> logs.AccessLine:
    return logs.AccessLine(f"{number:036d}", "a" * 36, "GET", "/exchanges/{id}", 200, 0.25, 1)


async def test_lines_of_a_turn_leave_whole_and_in_few_writes(monkeypatch):
    writes: list[bytes] = []
    monkeypatch.setattr(logs.os, "write", lambda _to, raw: writes.append(bytes(raw)))
    log = logs.AccessLog("info")
    for number in range(100):
        log.add(line(number))
    assert writes == []
    await asyncio.sleep(0)
    assert 1 < len(writes) < 10
    assert all(len(raw) <= PIPE_BUF and raw.endswith(b"\n") for raw in writes)
    told = [json.loads(each) for each in b"".join(writes).splitlines()]
    assert [int(each["request_id"]) for each in told] == list(range(100))


async def test_a_line_that_fits_no_write_is_written_all_the_same(monkeypatch):
    writes: list[bytes] = []
    monkeypatch.setattr(logs.os, "write", lambda _to, raw: writes.append(bytes(raw)))
    log = logs.AccessLog("info")
    log.add(logs.AccessLine("1", None, "X" * 2 * PIPE_BUF, None, 405, 0.25, 1))
    log.add(line(2))
    log.flush()
    assert [json.loads(each)["status"] for each in b"".join(writes).splitlines()] == [405, 200]


async def test_nothing_is_written_above_its_level(capfd):
    log = logs.AccessLog("warning")
    log.add(line(1))
    await asyncio.sleep(0)
    assert capfd.readouterr().err == ""
