"""`tallystick webhooks verify`: whether a body was signed with a secret."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tallystick.cli.outcome import CommandFailed
from tallystick.errors import ConfigurationError
from tallystick.signature import SIGNATURE, verify

app = App(name="webhooks", help="What a receiver of webhooks needs.")


@app.command(name="verify")
def verify_file(
    file: Annotated[str, Parameter(allow_leading_hyphen=True)],
    *,
    secret: Annotated[str, Parameter(help="The subscription's.")],
    signature: Annotated[str, Parameter(help=f"What {SIGNATURE} said.")],
) -> None:
    """Check the signature of a webhook's raw body, in a file or, with -, from standard input.

    Example: tallystick webhooks verify --secret "$SECRET" --signature 9f86… body.json
    """
    if not secret:
        raise ConfigurationError("--secret is empty: anybody could sign with it")
    try:
        body = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a path"
        raise ConfigurationError(f"{file} cannot be read: {why}") from None
    if not verify(secret.encode("utf-8", "surrogateescape"), body, signature.strip()):
        raise CommandFailed(
            f"this secret did not sign these {len(body)} bytes so; "
            "the body must be the one that came, not one encoded again"
        )
    print("the signature is good")
