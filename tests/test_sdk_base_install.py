"""The base install is the SDK and needs httpx2, msgspec and what these need, and no more."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from .requirements import ROOT

BASE = ("httpx2", "msgspec", "typing-extensions")
NOT_OURS = ("starlette", "sqlalchemy", "cryptography", "jinja2", "uvicorn", "pydantic", "structlog")

SCRIPT = """
import sys
import httpx2
from tallystick import APIError, AsyncClient, Client, NotFoundError

def server(request):
    if request.url.path == "/token":
        return httpx2.Response(200, json={"access_token": "t", "expires_in": 3600})
    if request.method == "POST":
        return httpx2.Response(201, headers={"location": str(request.url) + "/1"})
    if request.url.path.endswith("/2"):
        return httpx2.Response(404, json={"code": "notFound", "message": "Customer not found."})
    return httpx2.Response(200, json={"id": "1", "_links": {}, "_embedded": {"customers": []}})

with Client(transport=httpx2.MockTransport(server)) as client:
    made = client.customers.create(first_name="A", last_name="B", email="c@example.com")
    assert made.fetch().id == "1"
    assert list(client.customers.list()) == []
    try:
        client.customers.get("2")
    except NotFoundError as error:
        assert error.message == "Customer not found."

import asyncio

async def main():
    async with AsyncClient(transport=httpx2.MockTransport(server)) as client:
        assert (await client.customers.get("1")).id == "1"

asyncio.run(main())

import tallystick
for name in tallystick.__all__:
    assert getattr(tallystick, name)
import tallystick.sdk.functions
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def needed(names: tuple[str, ...]) -> set[str]:
    """The distributions that these need, without their extras."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for line in distribution(name).requires or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder with our package and those distributions, and nothing else."""
    (tmp_path / "tallystick").symlink_to(ROOT / "src" / "tallystick")
    for name in needed(BASE):
        for file in distribution(name).files or []:
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (tmp_path / top).exists():
                (tmp_path / top).symlink_to(distribution(name).locate_file(top))
    return tmp_path


def run(bare: Path, script: str) -> str:
    """In a Python without the packages of this environment."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", "-c",
         f"import sys; sys.path.insert(0, {str(bare)!r})\n{script}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_sdk_needs_no_more_than_the_base_install(bare):
    loaded = set(run(bare, SCRIPT).split())
    assert "tallystick" in loaded
    assert not loaded & set(NOT_OURS)


def test_the_command_says_what_it_needs(bare):
    done = run(bare, "from tallystick import __main__\ntry: __main__.main()\nexcept SystemExit as e: print(e)")  # fmt: skip
    assert done.strip() == "2"


def test_a_server_s_module_does_not_load_the_sdk(bare):
    loaded = run(bare, "import tallystick.errors, tallystick.api\nprint(*sys.modules)").split()
    assert "tallystick.sdk" not in loaded
    assert "httpx2" not in loaded


def test_ours_is_not_the_slow_part_of_the_import(bare):
    """Importing the SDK takes less time than importing httpx2, which it needs anyway."""
    script = (
        "import time\nstart = time.process_time()\nimport httpx2, msgspec\n"
        "theirs = time.process_time() - start\nstart = time.process_time()\n"
        "from tallystick import AsyncClient, Client\n"
        "print(theirs, time.process_time() - start)"
    )
    measured = [tuple(map(float, run(bare, script).split())) for _ in range(5)]
    theirs, ours = (min(each) for each in zip(*measured, strict=True))
    print(f"httpx2 and msgspec {theirs * 1e3:.0f} ms, the SDK {ours * 1e3:.0f} ms of CPU")
    assert ours < theirs * 1.5
