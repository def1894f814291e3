"""Every block of docs/sdk.md runs, in its order, against a server that has everything."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from importlib.util import find_spec
from typing import Any

from tallystick.sdk.facades import Resources

from .requirements import ROOT
from .sdk_operations import anything
from .sdk_world import ID, Recorder

TEXT = (ROOT / "docs" / "sdk.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_the_blocks_run():
    with Recorder(anything).client() as client:
        names: dict[str, Any] = {"client": client}
        for number, block in enumerate(BLOCKS, 1):
            if "import Depends, FastAPI" in block and find_spec("fastapi") is None:
                block = "from tallystick import Event"  # noqa: PLW2901
            exec(compile(block, f"docs/sdk.md, block {number}", "exec"), names)
        body = json.dumps({"id": ID, "topic": "customer_exchange_reauth_required"}).encode()
        signature = hmac.new(b"old secret", body, hashlib.sha256).hexdigest()
        told = names["hook"](body, {"X-Request-Signature-SHA-256": signature})
        assert told == "ask the person to sign in again"


def test_what_the_page_names_exists():
    known = set(vars(Resources(None))) | {"webhooks"}
    for resource in re.findall(r"\bclient\.(\w+)\.\w+\(", TEXT):
        assert resource in known | {"with_raw_response"}
