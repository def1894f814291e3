"""What may be left after a cut and what may not, on tapes of a few records."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

from tallystick.server import config

from .tape import SECTOR, Files, Record

OLD, NEW = b"o" * SECTOR * 4, b"n" * SECTOR * 4
MADE = Record("C", 1, 0, b"file")
SYNCED, FAILED = Record("S", 1, 0, b""), Record("F", 1, 0, b"")
FOLDER = Record("D", 0, 0, b"")


def left(*records: Record, name: str = "file") -> set[bytes | None]:
    """All that is found under this name after many cuts."""
    found = set()
    for seed in range(300):
        files = Files(seed)
        for record in records:
            files.move(record)
        found.add(files.after_a_cut(random.Random(seed)).get(name))
    return found


def written(content: bytes) -> Record:
    return Record("W", 1, 0, content)


def test_what_was_synced_is_there():
    assert left(MADE, FOLDER, written(OLD), SYNCED) == {OLD}


def test_what_was_not_may_be_there_or_not_or_in_sectors_old_new_or_neither():
    found = left(MADE, FOLDER, written(OLD), SYNCED, written(NEW))
    assert {OLD, NEW} < found
    sectors = {each[at : at + SECTOR] for each in found for at in range(0, len(OLD), SECTOR)}
    assert {OLD[:SECTOR], NEW[:SECTOR]} < sectors


def test_a_sync_that_failed_may_have_lost_what_a_later_one_does_not_bring_back():
    found = left(MADE, FOLDER, written(OLD), SYNCED, written(NEW), FAILED, SYNCED)
    assert found == {OLD, NEW}


def test_a_name_may_be_gone_or_back_until_the_folder_is_synced():
    beside = Record("C", 1, 0, b"beside")
    renamed = Record("R", 0, 0, b"beside\0file\0")
    assert left(beside, written(OLD), SYNCED) == {None}
    assert left(beside, written(OLD), SYNCED, renamed) == {None, OLD}
    assert left(beside, written(OLD), SYNCED, renamed, FOLDER) == {OLD}
    deleted = Record("U", 0, 0, b"file")
    assert left(MADE, FOLDER, written(OLD), SYNCED, deleted) == {None, OLD}
    assert left(MADE, FOLDER, written(OLD), SYNCED, deleted, FOLDER) == {None}


def test_a_process_that_dies_loses_nothing_that_it_wrote():
    files = Files(1)
    for record in (MADE, written(OLD), Record("T", 1, SECTOR, b"")):
        files.move(record)
    assert files.as_they_are() == {"file": OLD[:SECTOR]}


def test_of_several_processes_that_make_the_key_the_first_ones_stays(tmp_path):
    """Each of them would otherwise seal with its own."""
    settings = config.load({"data_dir": str(tmp_path / "data")}, environ={}, file=tmp_path / "none")
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: config.encryption_keys(settings)[0], range(32)))
    assert len(set(keys)) == 1
    assert [each.name for each in (tmp_path / "data").iterdir()] == ["sandbox.key"]
