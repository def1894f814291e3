"""The gateway as a child of a test run: `python -P child.py OWNER_PID FILE serve …`.

It is `python -m tallystick serve …` with a lifeline. It ends when the owner is gone or the file is,
so a run that was killed leaves no server behind. It is started as a file, because importing
`tallystick.pytest` would load pytest into the gateway.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path

LOOK_S = 0.2
# Longer than the gateway takes to drain.
DRAIN_S = 15.0


def main() -> None:
    owner, lifeline, *arguments = sys.argv[1:]
    watch = threading.Thread(target=_watch, args=(int(owner), Path(lifeline)), daemon=True)
    watch.start()
    # Found even where only pytest's own `pythonpath` leads to it; last, so that it shadows nothing.
    sys.path.append(str(Path(__file__).parents[2]))
    sys.argv = ["tallystick", *arguments]
    runpy.run_module("tallystick", run_name="__main__", alter_sys=True)


def _watch(owner: int, lifeline: Path) -> None:
    while _is_alive(owner) and lifeline.exists():
        time.sleep(LOOK_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(DRAIN_S)
    os._exit(1)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    main()
