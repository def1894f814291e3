"""Starts a partner's folder from `templates/partner`: `make new-partner NAME=akoya TITLE=Akoya`.

The copy is complete: a fictional partner under the new name, whose connector, simulator and tests
work at once. It is then changed, file by file, into the real one (docs/partners/adding.md).
"""

from __future__ import annotations

import argparse
import keyword
import re
import shutil
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "templates" / "partner"
PARTNERS = ROOT / "src" / "tallystick" / "partners"
PAGES = ROOT / "docs" / "partners"

# The page of the documentation; all else of the template goes into the folder.
PAGE = "page.md"
ID, CREATED = "00000000-0000-4000-8000-000000000000", "2000-01-01T00:00:00.000Z"

# The first is a module's name, a part of settings and of paths; the second stands in Python texts
# and in HTML.
KEY = re.compile(r"[a-z]+(_[a-z]+)*", re.ASCII)
CHARS_MAX = 20
TITLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .-]{0,19}", re.ASCII)
# Members of a body, or of this package, that mean something else already.
TAKEN = frozenset({"token", "tests", "acme"})


class NotAName(Exception):
    """Why no partner can be started under this name."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="make new-partner", description=__doc__)
    parser.add_argument("name", help="its key: lower case, as in settings and paths (akoya)")
    parser.add_argument("title", nargs="?", help="its name, as clients see it (Akoya)")
    given = parser.parse_args()
    try:
        made = start(given.name, given.title)
    except NotAName as error:
        sys.exit(f"{error}")
    print("Started. Every file says what to REPLACE; in this order:")
    for path in made:
        print(f"  {path.relative_to(ROOT)}")
    print("Then: make docs, make check, make test. How: docs/partners/adding.md")


def start(key: str, title: str | None = None) -> list[Path]:
    """Make the folder and the page; the files to fill, in order. Raises NotAName."""
    shown = title or key.replace("_", " ").title()
    _check(key, shown)
    folder, page = PARTNERS / key, PAGES / f"{key}.md"
    if folder.exists() or page.exists():
        raise NotAName(f"{key} is there already: {folder if folder.exists() else page}")
    skipped = shutil.ignore_patterns("__pycache__", PAGE)
    shutil.copytree(TEMPLATE, folder, ignore=skipped)
    shutil.copy(TEMPLATE / PAGE, page)
    values = {ID: str(uuid.uuid4()), CREATED: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}"}
    for path in [page, *(each for each in folder.rglob("*") if each.is_file())]:
        path.write_text(rename(path.read_text(), key, shown, values))
    # Another name sorts imports and fills lines in another way.
    for command in (["check", "--select", "I", "--fix"], ["format"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--quiet", str(folder)]
        subprocess.run(ruff, cwd=ROOT, check=True)
    order = ["__init__", "settings", "proof", "messages", "wire", "connector", "inbound"]
    order += ["simulator/errors", "simulator/state", "simulator/app", "simulator/connect"]
    rest = [folder / "simulator/pages/connect.html", folder / "transcripts", folder / "tests"]
    return [*(folder / f"{name}.py" for name in order), *rest, page]


def _check(key: str, title: str) -> None:
    if not KEY.fullmatch(key) or len(key) > CHARS_MAX or keyword.iskeyword(key):
        raise NotAName(f"{key!r} is no key: up to {CHARS_MAX} letters a-z and single _ (akoya)")
    if key in TAKEN or (PARTNERS / f"{key}.py").exists():
        raise NotAName(f"{key!r} means something else here; choose another key")
    if not TITLE.fullmatch(title):
        raise NotAName(
            f"{title!r} is no title: up to {CHARS_MAX} letters, digits, spaces, dots and hyphens"
        )


def rename(text: str, key: str, title: str, values: dict[str, str]) -> str:
    """`text` about `key` instead of acme: AcmeWire is a class, ACME a setting, Acme the partner."""
    for old, new in values.items():
        text = text.replace(old, new)
    stem = "".join(part.title() for part in key.split("_"))
    text = re.sub(r"Acme(?=[A-Z])", stem, text)
    return text.replace("Acme", title).replace("ACME", key.upper()).replace("acme", key)


if __name__ == "__main__":
    main()
