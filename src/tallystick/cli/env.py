"""`tallystick env`: the lines that point an SDK here."""


def show() -> None:
    """Print."""
