"""Every documented error of the operations that we serve, by resource.

A case is (operation, status, code, message) and a function that makes it happen.
"""

from __future__ import annotations

import importlib
import pkgutil

from .case import CASES, Case


def every_case() -> list[Case]:
    """The cases of every module here: who adds a module need not add it anywhere else."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return CASES
