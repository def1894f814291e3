"""The command `tallystick`, also as `python -m tallystick`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, which comes with the extra `server`."""
    try:
        from tallystick.cli.main import main as run  # not in the base install
    except ModuleNotFoundError as error:
        print(
            f"tallystick: the command needs {error.name}: pip install 'tallystick[server]'",
            file=sys.stderr,
        )
        sys.exit(2)
    run()


if __name__ == "__main__":
    main()
