"""The house rules, as tests: imports, sizes, names, and what the documentation must list."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tallystick import api
from tallystick.partners import registry

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"
PACKAGE = SRC / "tallystick"

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

MODULES = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if not {"tests", "versions"} & set(path.relative_to(PACKAGE).parts)
)


def name_of(path: Path) -> str:
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path) for path in MODULES}


# ── the import table ──────────────────────────────────────────────────────────────────────────


@cache
def table() -> list[tuple[str, list[str]]]:
    """(pattern of importers, patterns they may import), from docs/architecture.md."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    block = text.split("<!-- import table -->")[1]
    rows = []
    for line in block.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 2 and cells[0].startswith("`"):
            importers, allowed = (re.findall(r"`([^`]+)`", cell) for cell in cells)
            rows += [(pattern, allowed) for pattern in importers]
    return rows


def allowed_for(module: str) -> list[str]:
    """What the first row that fits a module allows it; every module needs a row."""
    short = module.removeprefix("tallystick").lstrip(".") or "tallystick"
    for pattern, allowed in table():
        if matches(pattern, short):
            partner = re.match(r"(partners\.[a-z_]+)", short)
            resource = re.match(r"(api\.[a-z_]+)", short)
            return [
                each.replace("{partner}", partner.group(1) if partner else "-").replace(
                    "{resource}", resource.group(1) if resource else "-"
                )
                for each in allowed
            ]
    raise AssertionError(f"docs/architecture.md has no row for {module}")


def imports_of(source: str, module: str, *, is_package: bool) -> Iterator[str]:
    """Every module of ours that `source` imports, at whatever depth."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                parts = parts[: len(parts) - node.level + (1 if is_package else 0)]
                base = ".".join([*parts, *([node.module] if node.module else [])])
            names = [
                f"{base}.{alias.name}" if f"{base}.{alias.name}" in NAMES else base
                for alias in node.names
            ]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "tallystick")


def matches(pattern: str, name: str) -> bool:
    """`api.*.store` is one level for each star; a trailing `.**` is the package and all below."""
    if pattern.endswith(".**"):
        head = pattern[:-3]
        return matches(head, name) or any(
            matches(head, name.rsplit(".", n)[0]) for n in range(1, name.count(".") + 1)
        )
    return re.fullmatch(re.escape(pattern).replace(r"\*", "[a-z0-9_]+"), name) is not None


def violations(source: str, module: str, *, is_package: bool = False) -> list[str]:
    allowed = allowed_for(module)
    found = []
    for name in imports_of(source, module, is_package=is_package):
        short = name.removeprefix("tallystick").lstrip(".") or "tallystick"
        refused = any(matches(each[1:], short) for each in allowed if each.startswith("!"))
        if name != module and (refused or not any(matches(each, short) for each in allowed)):
            found.append(f"{module} may not import {name}")
    return found


def test_imports_obey_the_table():
    found = []
    for path in MODULES:
        found += violations(path.read_text(), name_of(path), is_package=path.name == "__init__.py")
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "line"),
    [
        (
            "tallystick.partners.plaid.connector",
            "from tallystick.partners.plaid.simulator import app",
        ),
        ("tallystick.partners.plaid.connector", "from tallystick.partners.mx import messages"),
        ("tallystick.partners.mx.simulator.app", "from tallystick.partners.mx import messages"),
        ("tallystick.api.exchanges.service", "from tallystick.api.customers import store"),
        ("tallystick.api.exchanges.routes", "from tallystick.store import db"),
        ("tallystick.api.exchanges.wire", "from tallystick.store.db import Statement"),
        ("tallystick.server.app", "import tallystick.sandbox.host"),
        ("tallystick.sandbox.host", "from tallystick.server import app"),
        ("tallystick.store.db", "from tallystick.api.exchanges import store"),
    ],
)
def test_the_table_catches_a_seeded_violation(module, line):
    assert violations(line, module)


# ── sizes and names ───────────────────────────────────────────────────────────────────────────


def python_files() -> Iterator[Path]:
    """Every one in the tree, tests too, but for what was installed there."""
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [each for each in folders if each[0] != "." and each != "node_modules"]
        yield from (Path(folder, each) for each in files if each.endswith(".py"))


def test_files_are_short():
    lines = {path: len(path.read_text().splitlines()) for path in python_files()}
    assert Path(__file__) in lines
    assert not {path: count for path, count in lines.items() if count > FILE_LINES_MAX}


def test_functions_fit_a_screen():
    long = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    long.append(f"{name_of(path)}.{node.name}: {lines}")
    assert not long


def test_no_module_without_a_home():
    homeless = {"utils", "util", "helpers", "common", "misc", "manager", "base"}
    assert not [name for name in NAMES if name.rsplit(".", 1)[-1] in homeless]


def test_every_resource_has_the_same_files_or_says_why_not():
    for name in api.RESOURCES:
        folder = PACKAGE / "api" / name
        doc = importlib.import_module(f"tallystick.api.{name}").__doc__ or ""
        for part in ("wire", "routes", "service", "store"):
            assert (folder / f"{part}.py").exists() or "hence no" in doc or "no service" in doc, (
                f"api/{name} has no {part}.py and its docstring does not say why"
            )


def test_every_partner_has_the_same_files():
    for manifest in registry.manifests():
        folder = PACKAGE / "partners" / manifest.key
        for part in ("__init__.py", "connector.py", "messages.py", "proof.py", "inbound.py"):
            assert (folder / part).exists(), f"partners/{manifest.key} lacks {part}"
        for part in ("simulator/app.py", "transcripts", "tests"):
            assert (folder / part).exists(), f"partners/{manifest.key} lacks {part}"
        for name in (manifest.connector, manifest.simulator):
            assert registry.load(name), f"{name} is not there"


def test_manifests_differ():
    manifests = registry.manifests()
    assert len({each.key for each in manifests}) == len({each.id for each in manifests})
    assert len({each.key for each in manifests}) == len(manifests)


# The doors through which a secret leaves its wrapper, outside the partners' folders. A new one is
# a decision: it is made here, in sight of a reviewer.
DOORS = {
    "tallystick.api.applications.service",  # hashed
    "tallystick.api.available_connections.service",  # sealed into a token; decoded from one
    "tallystick.api.exchange_sessions.service",  # sealed; shown to the owner
    "tallystick.api.exchanges.grants",  # sealed
    "tallystick.api.funding_sources.numbers",  # sealed
    "tallystick.api.funding_sources.cards",  # sealed
    "tallystick.api.funding_sources.creation",  # into numbers, which are sealed
    "tallystick.api.reseal",  # from one box into another
    "tallystick.api.webhook_subscriptions.service",  # from one box into another, when replaced
    "tallystick.api.token.routes",  # the access token, to its owner, once
    "tallystick.cli.operate",  # a new client secret, to the operator, once
    "tallystick.cli.sandbox",  # the same, in sandbox
    "tallystick.delivery.message",  # the key of a signature
    "tallystick.store.idempotency",  # a kept answer, to its owner
    "tallystick.store.vault",
}


def test_secrets_leave_their_wrapper_only_here():
    found = {
        name_of(path)
        for path in MODULES
        if ".reveal()" in path.read_text() and not name_of(path).startswith("tallystick.partners.")
    }
    assert found == DOORS


def test_nothing_reads_the_time_or_makes_randomness_by_itself():
    """One clock, one entropy: else a frozen clock and a seed would not hold (decision 12)."""
    banned = re.compile(r"time\.time\(|datetime\.(now|utcnow)|uuid4\(\)|random\.(?!uniform|Random)")
    own = {"tallystick.clock", "tallystick.ids"}
    assert not [
        name_of(path)
        for path in MODULES
        if name_of(path) not in own and banned.search(path.read_text())
    ]


# ── what the documentation must list ──────────────────────────────────────────────────────────


def test_every_setting_is_documented():
    from tallystick.server.config import Settings

    text = (ROOT / "docs" / "reference" / "settings.md").read_text()
    for name in Settings.__struct_fields__:
        assert f"`{name}`" in text, f"docs/reference/settings.md does not list {name}"


def test_readme_is_short_and_names_the_commands():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 250
    for command in ("make demo", "make test", "make serve", "make check"):
        assert any(command in line for line in lines)


def test_generated_pages_are_fresh():
    from tests import generate

    for path, text in generate.pages().items():
        assert (ROOT / path).read_text() == text, f"{path} is stale: run `make docs`"


# ── what must not be loaded ───────────────────────────────────────────────────────────────────


def test_the_base_install_needs_no_server():
    """The SDK's users have httpx2 and msgspec, nothing else."""
    script = (
        "import sys\n"
        "for name in ('starlette', 'sqlalchemy', 'cryptography', 'alembic', 'uvicorn', 'jinja2',"
        " 'joserfc', 'structlog', 'cyclopts', 'jsonschema_rs'): sys.modules[name] = None\n"
        "import tallystick, tallystick.errors, tallystick.hal\n"
        "import tallystick.partners.plaid.proof, tallystick.partners.mx.proof\n"
        "import tallystick.api.exchanges.wire, tallystick.api.exchange_sessions.wire\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
