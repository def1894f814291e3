"""The controls of the isolation matrix: every query for one row by its id forgets whose rows it may
read. Lists, and what is read once its owner was found, are not among them.

Made from the statements themselves, so that a new query is among them (threat T1).
"""

from __future__ import annotations

import os

import pytest

from tallystick.api import routes
from tallystick.store import db

from .gateway import in_process
from .isolation import Caller, bodies_of, body_cases, caller, differences, leaks, path_cases

pytestmark = pytest.mark.anyio

OWN = "app_id = :app_id"

LONG = bool(os.environ.get("TALLYSTICK_TESTS_LONG"))


def blind_spots() -> list[db.Statement]:
    routes()
    return [
        each
        for each in db.EVERY
        if each.sql.startswith("SELECT") and OWN in each.sql and " id = :id" in each.sql
    ]


async def seen(me: Caller, other: Caller, bodies: dict) -> list[str]:
    cases = await path_cases(me, other, bodies, malformed=(), methods=("GET", "POST"))
    cases += await body_cases(me, other)
    return differences(cases) + await leaks(me, other)


@pytest.mark.slow
@pytest.mark.timeout(1_800 if LONG else 120)
async def test_every_query_that_forgets_the_application_is_seen(tmp_path, monkeypatch):
    async with in_process(tmp_path, f"sqlite:///{tmp_path}/t.db") as gateway:
        me, other = await caller(gateway), await caller(gateway)
        bodies = await bodies_of(me)
        missed, tried = [], blind_spots()[:: 1 if LONG else 5]
        for statement in tried:
            with monkeypatch.context() as blinded:
                sql = statement.sql.replace(OWN, "(app_id = :app_id OR :app_id <> '')")
                blinded.setattr(statement, "sql", sql)
                statement.__dict__.pop("numbered", None)
                found = set(await seen(me, other, bodies))
            statement.__dict__.pop("numbered", None)
            # What blindness has written may stay; only what is gone with it was the blindness.
            if not found - set(await seen(me, other, bodies)):
                missed.append(
                    " ".join(statement.sql.split())
                    .partition(" FROM ")[2]
                    .replace(f"{OWN} AND ", "")
                )
    assert not missed
    print(f"{len(tried) - len(missed)} of {len(tried)} blind queries seen")
