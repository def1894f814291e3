"""Imported before anything that imports structlog: keeps rich out of a server.

Where rich is installed structlog imports it, and pygments with it, to colour the tracebacks of a
console; `serve` writes JSON. That would be a twelfth of the start and 4 MB. The help of the command
line, which does use rich, imports it for itself.
"""

from __future__ import annotations

import sys
from typing import Any

_modules: dict[str, Any] = sys.modules

if "structlog" not in _modules and "rich" not in _modules:
    _modules["rich"] = None
    try:
        import structlog  # noqa: F401  # finds no rich, and does without
    finally:
        del _modules["rich"]
