"""Lines over time as an SVG picture, one panel for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, PANEL, LEFT, GAP = 720, 120, 70, 34
_STYLE = "text{font:12px sans-serif;fill:#444}path{fill:none;stroke:#2563eb;stroke-width:1.5}"


def draw(over: str, series: Mapping[str, Sequence[float]]) -> str:
    """A panel for each series, from 0 to its largest value; `over` names the common axis."""
    panels = [
        _panel(name, values, number * (PANEL + GAP) + GAP)
        for number, (name, values) in enumerate(series.items())
    ]
    height = len(panels) * (PANEL + GAP) + GAP
    longest = max((len(values) for values in series.values()), default=0)
    axis = f'<text x="{LEFT}" y="{height - 10}">0 to {longest} {escape(over)}</text>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">'
    back = f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    return "\n".join([head, f"<style>{_STYLE}</style>", back, *panels, axis, "</svg>", ""])


def _panel(name: str, values: Sequence[float], top: float) -> str:
    most = max(values, default=0.0) or 1.0
    across = (WIDTH - LEFT - 20) / max(1, len(values) - 1)
    points = " L".join(
        f"{LEFT + number * across:.1f} {top + PANEL * (1 - value / most):.1f}"
        for number, value in enumerate(values)
    )
    frame = f'<rect x="{LEFT}" y="{top}" width="{WIDTH - LEFT - 20}" height="{PANEL}"'
    return "\n".join(
        [
            f'{frame} fill="none" stroke="#ccc"/>',
            f'<text x="{LEFT}" y="{top - 6}">{escape(name)}</text>',
            f'<text x="6" y="{top + 10}">{most:.4g}</text><text x="6" y="{top + PANEL}">0</text>',
            f'<path d="M{points}"/>',
        ]
    )
