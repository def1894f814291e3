"""`tallystick env`: the lines that point an SDK here."""

from __future__ import annotations

import json
import os
import sys
from typing import Annotated

from cyclopts import Parameter

from tallystick.cli.output import Format


def show(
    *,
    sdk: Annotated[str | None, Parameter(help="Which SDK; without it, the names.")] = None,
    url: Annotated[str | None, Parameter(help="The gateway (http://localhost:7420).")] = None,
    format: Format = "text",  # noqa: A002  # the option's name
) -> None:
    """Print the lines that point an SDK at the gateway here.

    Example: tallystick env --sdk dwollav2
    """
    from tallystick.cli.interception.destinations import read_gateway  # imports the partners
    from tallystick.cli.recipes import RECIPES

    if sdk is None:
        names = {recipe.sdk: recipe.package for recipe in RECIPES.values()}
        width = max(map(len, names))
        lines = (f"{name:<{width}}  {package}" for name, package in names.items())
        print(json.dumps(names, indent=2) if format == "json" else "\n".join(lines))
        return
    recipe = RECIPES.get(sdk)
    if recipe is None:
        names_of_all = "\n  ".join(RECIPES)
        print(
            f"tallystick: there is no recipe for {sdk!r}; there is\n  {names_of_all}",
            file=sys.stderr,
        )
        sys.exit(2)
    given = url or os.environ.get("TALLYSTICK_URL") or "http://localhost:7420"
    made = recipe.render(read_gateway(given).url)
    if format == "json":
        print(json.dumps(made, indent=2))
        return
    comment = recipe.comment
    print(f"{comment[0]}{recipe.package}, {recipe.language}. {recipe.note}{comment[1]}")
    print("\n".join(made["lines"]))
