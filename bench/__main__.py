"""`python -m bench [suite ...]`: run the suites, say which bars they met, keep the figures.

Rounds are interleaved (A B A B …), so a machine that slows down slows all of them; the figures to
quote are ratios of medians. Writes bench/latest.json; a suite that is not run keeps its last
figures, with their date.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import statistics
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import CONNECTIONS, ROUNDS, SECONDS, Bars, kept

LATEST = kept(Path(__file__).with_name("latest.json"))


def main() -> None:
    there = suites()
    names = sys.argv[1:] or [name for name in there if not hasattr(there[name], "TAKES_LONG")]
    if unknown := sorted(set(names) - set(there)):
        raise SystemExit(f"no such suite: {', '.join(unknown)}; there are {', '.join(there)}")
    for name in names:
        keep(name, measured(name, there[name]))


def suites() -> dict[str, Any]:
    """Every module of this package that has bars, by name."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
    modules = {name: importlib.import_module(f"bench.{name}") for name in names}
    return {name: module for name, module in modules.items() if hasattr(module, "BARS")}


def measured(name: str, suite: Any) -> dict[str, Any]:
    """Run one suite and print it; the answer is what latest.json keeps of it."""
    figures: dict[str, list[float]] = {}
    print(f"── {name} ──", flush=True)
    suite.run(lambda figure, value: figures.setdefault(figure, []).append(value))
    ratios = suite.ratios({figure: statistics.median(v) for figure, v in figures.items()})
    print(f"{'':<44} {'min':>10} {'median':>10} {'max':>10}   ({ROUNDS} rounds of {SECONDS} s)")
    for figure, values in sorted(figures.items()):
        spread = (min(values), statistics.median(values), max(values))
        print(f"{figure:<44}", *(f"{value:>10.2f}" for value in spread))
    print(*verdicts(suite.BARS, ratios), "", sep="\n", flush=True)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "rounds": ROUNDS,
        "seconds": SECONDS,
        "connections": CONNECTIONS,
        "figures": {
            figure: {"min": min(v), "median": statistics.median(v), "max": max(v)}
            for figure, v in sorted(figures.items())
        },
        "ratios": ratios,
        "bars": {each: f"{way} {bar}" for each, (bar, way) in suite.BARS.items()},
    }


def verdicts(bars: Bars, ratios: dict[str, float]) -> list[str]:
    """A line for each bar and each ratio; a bar that was not measured is not met."""
    lines = []
    for name, (bar, way) in bars.items():
        value = ratios.get(name)
        if value is None:
            lines.append(f"MISSED  {name:<44} not measured, {way} {bar}")
            continue
        met = value >= bar if way == "at least" else value < bar
        lines.append(f"{'met' if met else 'MISSED':<6}  {name:<44} {value:8.3f}   {way} {bar}")
    lines += [f"{'':<6}  {name:<44} {ratios[name]:8.3f}" for name in ratios if name not in bars]
    return lines


def keep(name: str, result: dict[str, Any]) -> None:
    kept = json.loads(LATEST.read_text()) if LATEST.exists() else {}
    LATEST.write_text(json.dumps({**kept, name: result}, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
