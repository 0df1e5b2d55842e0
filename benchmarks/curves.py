"""Draw curves as an SVG picture: a small chart per curve, beside each other, over one axis."""

from collections.abc import Sequence
from typing import Final, NamedTuple

_WIDTH: Final = 250
_HEIGHT: Final = 170
_LEFT, _TOP, _RIGHT, _BOTTOM = 52, 34, 14, 30
_COLUMNS: Final = 3
_STYLE: Final = (
    "text{font:11px sans-serif;fill:#333}.title{font-weight:bold}"
    "path{fill:none;stroke:#3949ab;stroke-width:2}line{stroke:#ccc}circle{fill:#3949ab}"
)


class Chart(NamedTuple):
    """A curve: what its values are, and the values, one per place on the axis."""

    title: str
    values: Sequence[float]


def draw(places: Sequence[float], axis: str, charts: Sequence[Chart]) -> str:
    """Return the SVG of all charts.

    Args:
        places: The places on the horizontal axis, from 0.
        axis: What they are.
        charts: The curves; their vertical axes begin at 0.
    """
    rows = -(-len(charts) // _COLUMNS)
    width, height = _COLUMNS * _WIDTH, rows * _HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f'<style>{_STYLE}</style><rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for number, chart in enumerate(charts):
        x, y = number % _COLUMNS * _WIDTH, number // _COLUMNS * _HEIGHT
        parts += [f'<g transform="translate({x} {y})">', *_chart(places, axis, chart), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _chart(places: Sequence[float], axis: str, chart: Chart) -> list[str]:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    top = max(chart.values) or 1
    points = [
        (
            round(_LEFT + place / max(places) * (right - _LEFT), 1),
            round(bottom - value / top * (bottom - _TOP), 1),
        )
        for place, value in zip(places, chart.values, strict=True)
    ]
    return [
        f'<text class="title" x="8" y="18">{chart.title}</text>',
        *(f'<line x1="{_LEFT}" y1="{y}" x2="{right}" y2="{y}"/>' for y in (_TOP, bottom)),
        f'<text x="{_LEFT - 6}" y="{_TOP + 4}" text-anchor="end">{top:.3g}</text>',
        f'<text x="{_LEFT - 6}" y="{bottom + 4}" text-anchor="end">0</text>',
        f'<text x="{right}" y="{bottom + 18}" text-anchor="end">{max(places):,.0f} {axis}</text>',
        f'<path d="M{" L".join(f"{x} {y}" for x, y in points)}"/>',
        *(f'<circle cx="{x}" cy="{y}" r="3"/>' for x, y in points),
    ]
