"""`tallystick exec` as a person runs it, on programs that know nothing of us."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from .requirements import ROOT, node

TALLYSTICK = (sys.executable, "-m", "tallystick")
PLAYED = "https://api-sandbox.dwolla.com"


def environment(**more: str) -> dict[str, str]:
    """This process's, without what would make a difference, and with our sources first."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if "PROXY" not in name.upper() and not name.startswith(("TALLYSTICK_", "NODE_OPTIONS"))
    }
    return {**kept, "PYTHONPATH": str(ROOT / "src"), "PYTHONWARNINGS": "ignore", **more}


def execute(
    url: str, *command: str, options: tuple[str, ...] = (), cwd: Path = ROOT, **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TALLYSTICK, "exec", *(("--url", url) if url else ()), *options, "--", *command],
        cwd=cwd, env=environment(**more), capture_output=True, text=True, check=False, timeout=90,
    )  # fmt: skip


def python(url: str, code: str, **more: str) -> subprocess.CompletedProcess[str]:
    return execute(url, sys.executable, "-c", textwrap.dedent(code), **more)


def javascript(url: str, code: str, *, suffix: str = "cjs", **more: str):
    """A script beside the official clients, so that they are found as in any project."""
    script = ROOT / "tests" / "node" / f"exec_{os.getpid()}.{suffix}"
    script.write_text(textwrap.dedent(code))
    try:
        return execute(url, node(), str(script), **more)
    finally:
        script.unlink()


PLAID_CALL = """
from plaid.model.sandbox_public_token_create_request import SandboxPublicTokenCreateRequest
from plaid.model.products import Products
asked = SandboxPublicTokenCreateRequest(institution_id="ins_109508", initial_products=[Products("auth")])
print(client.sandbox_public_token_create(asked).public_token)
"""
MX_CALL = """
import mx_platform_python as mx
asked = mx.UserCreateRequestBody(user=mx.UserCreateRequest())
print(mx.UsersApi(client).create_user(asked).user.guid)
"""
