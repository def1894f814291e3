"""A live process has no simulator: no module, no route, no default credential."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tallystick.errors import ConfigurationError
from tallystick.server import config, operate
from tallystick.server.process import Process, opened

from .gateway import in_process

KEY = "ab" * 32
LIVE = {
    "TALLYSTICK_MODE": "live",
    "TALLYSTICK_ENCRYPTION_KEY": KEY,
    "TALLYSTICK_PUBLIC_URL": "https://links.example.com",
    "TALLYSTICK_CLIENT_ID": "live-client",
    "TALLYSTICK_CLIENT_SECRET": "live-secret",
    "TALLYSTICK_PLAID_BASE_URL": "https://production.plaid.com",
    "TALLYSTICK_PLAID_CLIENT_ID": "id",
    "TALLYSTICK_PLAID_SECRET": "s3cret",
    "TALLYSTICK_MX_BASE_URL": "https://api.mx.com",
    "TALLYSTICK_MX_CLIENT_ID": "id",
    "TALLYSTICK_MX_API_KEY": "s3cret",
}

SCRIPT = """
import asyncio, json, sys
import httpx2
from tallystick.cli.serve import build
from tallystick.server import config

async def main():
    settings = config.load({"log_level": "error"})
    process = build(settings)
    async with process.running() as core:
        transport = httpx2.ASGITransport(app=process)
        async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
            form = {"grant_type": "client_credentials"}
            token = await client.post("/token", data=form, auth=("live-client", "live-secret"))
            client.headers = {
                "Authorization": "Bearer " + token.json()["access_token"],
                "Accept": "application/vnd.dwolla.v1.hal+json",
            }
            sandbox = await client.post("/token", data=form, auth=("sandbox-key", "sandbox-secret"))
            paths = ["/_partners/plaid/link/token/create", "/_tallystick/control/clock",
                     "/_tallystick/openapi.json",
                     "/_partners/mx/users", "/_partners/_assets/connect.css"]
            partners = (await client.get("/exchange-partners")).json()
            print(json.dumps({
                "modules": sorted(m for m in sys.modules
                                  if "simulator" in m or m.startswith("tallystick.sandbox")
                                  or m == "tallystick.cli.sandbox"),
                "paths": {path: (await client.get(path)).status_code for path in paths},
                "sandbox_token": sandbox.status_code,
                "partners": [each["name"] for each in partners["_embedded"]["exchange-partners"]],
                "self": partners["_links"]["self"]["href"],
            }))

asyncio.run(main())
"""


def run(folder, script=SCRIPT, **environment):
    inherited = {name: value for name, value in os.environ.items() if "TALLYSTICK" not in name}
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env={**inherited, **LIVE, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_live_process_knows_no_simulator(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["modules"] == []
    assert set(found["paths"].values()) == {404}
    assert found["sandbox_token"] == 401
    assert found["partners"] == ["MX", "Plaid"]
    assert found["self"] == "https://links.example.com/exchange-partners"


@pytest.mark.anyio
async def test_a_store_that_was_a_sandbox_does_not_open_to_its_credentials(tmp_path, database_url):
    async with in_process(tmp_path, database_url, encryption_key=KEY) as gateway:
        (row,) = await operate.list_applications(gateway.core)
    live = config.load(
        {"data_dir": str(tmp_path), "database_url": database_url},
        environ=LIVE,
        file=tmp_path / "no",
    )
    with pytest.raises(ConfigurationError, match=f"app change {row.id} --status disabled"):
        async with Process(live).running():
            pass
    async with opened(live) as core:
        await operate.change_application(core, row.id, status="disabled")
    async with Process(live).running():
        pass


def test_the_check_sees_a_simulator_that_is_loaded(tmp_path):
    """The positive control: the same script after somebody imported one."""
    seeded = "import tallystick.partners.plaid.simulator.app\n" + SCRIPT
    found = json.loads(run(tmp_path, seeded).stdout)
    assert "tallystick.partners.plaid.simulator.app" in found["modules"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"TALLYSTICK_ENCRYPTION_KEY": ""}, "encryption key"),
        ({"TALLYSTICK_ENCRYPTION_KEY": "short"}, "64 hex digits"),
        ({"TALLYSTICK_SEED": "1"}, "seed"),
        ({"TALLYSTICK_CLIENT_ID": "sandbox-key"}, "sandbox"),
        ({"TALLYSTICK_CLIENT_SECRET": "sandbox-secret"}, "sandbox"),
        ({"TALLYSTICK_PUBLIC_URL": "https://links.example.com/"}, "trailing slash"),
        ({"TALLYSTICK_PLAID_BASE_URL": "http://production.plaid.com"}, "partners.plaid.base_url"),
        (
            {"TALLYSTICK_PLAID_BASE_URL": "https://127.0.0.1/_partners/plaid"},
            "partners.plaid.base_url",
        ),
        ({"TALLYSTICK_PLAID_BASE_URL": "https://localhost"}, "partners.plaid.base_url"),
        ({"TALLYSTICK_PLAID_SECRET": "sandbox"}, "sandbox credentials"),
        ({"TALLYSTICK_PORTT": "1"}, "did you mean port"),
    ],
)
def test_what_live_mode_refuses(change, said):
    with pytest.raises(ConfigurationError, match=said):
        settings = config.load({}, environ={**LIVE, **change})
        config.encryption_keys(settings)
        config.partner_settings(settings)


@pytest.mark.parametrize(
    "missing", ["TALLYSTICK_ENCRYPTION_KEY", "TALLYSTICK_PUBLIC_URL", "TALLYSTICK_PLAID_SECRET"]
)
def test_what_live_mode_needs(missing):
    environment = {name: value for name, value in LIVE.items() if name != missing}
    with pytest.raises(ConfigurationError):
        settings = config.load({}, environ=environment)
        config.partner_settings(settings)


def test_a_partner_without_settings_is_not_offered():
    environment = {name: value for name, value in LIVE.items() if "_MX_" not in name}
    settings = config.load({}, environ=environment)
    assert list(config.partner_settings(settings)) == ["plaid"]


def test_settings_come_from_flags_then_environment_then_file(tmp_path):
    file = tmp_path / "tallystick.toml"
    file.write_text(
        'port = 1\nhost = "a"\ndata_dir = "d"\n[partners.plaid]\nsecret = "from file"\n'
    )
    environment = {"TALLYSTICK_HOST": "b", "TALLYSTICK_PORT": "2"}
    settings = config.load({"port": 3}, environ=environment, file=file)
    assert (settings.port, settings.host, settings.data_dir) == (3, "b", "d")
    assert settings.partners["plaid"]["secret"] == "from file"
    assert "from file" not in repr(settings)
    for wrong, said in (
        ("prot = 1", "did you mean port"),
        ('[partners.plad]\nsecret = "s"', "no partner 'plad'"),
        ("[compat]\nvissa = true", "compat.vissa"),
    ):
        file.write_text(f"{wrong}\n")
        with pytest.raises(ConfigurationError, match=said):
            config.load({}, environ={}, file=file)
