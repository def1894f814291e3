"""What commands print: JSON for programs, lines for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from cyclopts import Parameter

Format = Annotated[Literal["json", "text"], Parameter(help="json for programs, text to read.")]


def show(value: Any, format: Literal["json", "text"] = "json") -> None:  # noqa: A002
    """A result: as JSON, or for people, without links. A list of like objects is a table with its
    names above.
    """
    if format == "json":
        print(json.dumps(value, indent=2))
    elif isinstance(value, dict):
        show_table([(name, _cell(each)) for name, each in value.items() if name != "_links"])
    elif value:
        show_table([list(value[0]), *([_cell(each) for each in row.values()] for row in value)])


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    if isinstance(value, dict) and all(isinstance(each, str) for each in value.values()):
        return ", ".join(f"{name}: {each}" for name, each in value.items())
    return json.dumps(value) if isinstance(value, dict | list) else value


def show_line(value: Any) -> None:
    """One JSON document on one line, at once: for what goes on."""
    print(json.dumps(value), flush=True)


def say(*words: object) -> None:
    """One line to read, at once; None is shown as a dash."""
    print("  ".join(readable(word) for word in words).rstrip(), flush=True)


def show_table(rows: Sequence[Sequence[object]]) -> None:
    """Rows of as many cells each, one below the other."""
    shown = [[readable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        say(*(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))


def readable(value: object) -> str:
    """As text in which nothing can steer a terminal: it may come from whoever called the API."""
    text = "-" if value is None else str(value)
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
