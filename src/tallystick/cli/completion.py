"""`tallystick completion`: what a shell needs to complete our commands."""

from __future__ import annotations

from typing import Literal


def completion(shell: Literal["bash", "zsh", "fish"]) -> None:
    """Print the script by which a shell completes commands and options.

    Example: tallystick completion bash > ~/.local/share/bash-completion/completions/tallystick
    """
    from tallystick.cli.main import app  # which lists this command too

    print(app.generate_completion(shell=shell))
