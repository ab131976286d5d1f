"""Line plots as SVG, drawn as the DET plots of the accuracy reports are: without a library."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from shengdun.index.accuracy.det_plot import COLOURS

_LEFT: Final = 70.0
_TOP: Final = 40.0
_ACROSS: Final = 520.0
_UP: Final = 300.0
_SIZE: Final = (800, 400)
_TICKS: Final = 6
_OPENING: Final = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_SIZE[0]} {_SIZE[1]}" '
    'font-family="sans-serif" font-size="12">'
)

Points = Sequence[tuple[float, float]]
"""Places across and up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A plot before it is drawn.

    Attributes:
        title: stands above it.
        across: what the horizontal axis is, with its unit.
        up: what the vertical axis is, with its unit.
        lines: by the name that the legend gives each; a line without points is left out.
        limit: a horizontal line to compare with, with its name.
        logarithmic: whether the vertical axis is; what is not above 0 is then left out.
    """

    title: str
    across: str
    up: str
    lines: Mapping[str, Points]
    limit: tuple[str, float] | None = None
    logarithmic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    low: float
    high: float
    length: float
    logarithmic: bool

    def place(self, value: float) -> float:
        if self.logarithmic:
            return self.length * math.log(value / self.low) / math.log(self.high / self.low)
        return self.length * (value - self.low) / (self.high - self.low)

    @property
    def ticks(self) -> Iterator[float]:
        if self.logarithmic:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            values = (digit * 10.0**decade for decade in decades for digit in (1, 2, 5))
            yield from (v for v in values if self.low <= v <= self.high * (1 + 1e-9))
            return
        rough = (self.high - self.low) / _TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough)
        first = math.ceil(self.low / step)
        yield from (step * n for n in range(first, math.floor(self.high / step + 1e-9) + 1))


def drawn(chart: Chart) -> str:
    """The plot as SVG; one without any points says so."""
    lines = {name: _shown(chart, points) for name, points in chart.lines.items()}
    lines = {name: points for name, points in lines.items() if points}
    parts = [
        _OPENING,
        f'<rect width="{_SIZE[0]}" height="{_SIZE[1]}" fill="white"/>',
        f'<text x="{_LEFT}" y="24" font-size="15">{escape(chart.title)}</text>',
    ]
    if lines:
        across, up = _axes_of(chart, lines)
        parts += [*_frame(chart, across, up), *_drawn_lines(lines, across, up)]
        if chart.limit is not None:
            parts += _limit(chart.limit, up, len(lines))
    else:
        parts.append(f'<text x="{_LEFT}" y="60">nothing was measured</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _shown(chart: Chart, points: Points) -> list[tuple[float, float]]:
    return [(x, y) for x, y in points if y > 0 or not chart.logarithmic]


def _axes_of(chart: Chart, lines: Mapping[str, Points]) -> tuple[_Axis, _Axis]:
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points]
    ys += [chart.limit[1]] if chart.limit else []
    low, high = (min(ys) / 1.5, max(ys) * 1.5) if chart.logarithmic else (0.0, max(ys) * 1.05)
    return (
        _axis(min(0.0, *xs), max(xs), length=_ACROSS, logarithmic=False),
        _axis(low, high, length=_UP, logarithmic=chart.logarithmic),
    )


def _axis(low: float, high: float, *, length: float, logarithmic: bool) -> _Axis:
    # Where all values are the same, they still need an axis to stand on.
    return _Axis(
        low=low, high=high if high > low else low + 1.0, length=length, logarithmic=logarithmic
    )


def _frame(chart: Chart, across: _Axis, up: _Axis) -> Iterator[str]:
    bottom, right = _TOP + _UP, _LEFT + _ACROSS
    for tick in across.ticks:
        x = _LEFT + across.place(tick)
        yield f'<path d="M{x:.1f} {_TOP}V{bottom}" stroke="#ddd"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{tick:g}</text>'
    for tick in up.ticks:
        y = bottom - up.place(tick)
        yield f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="#ddd"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>'
    yield f'<rect x="{_LEFT}" y="{_TOP}" width="{_ACROSS}" height="{_UP}" fill="none" stroke="#444"/>'
    middle = _LEFT + _ACROSS / 2
    yield f'<text x="{middle}" y="{bottom + 38}" text-anchor="middle">{escape(chart.across)}</text>'
    turned = f"translate(20 {_TOP + _UP / 2}) rotate(-90)"
    yield f'<text transform="{turned}" text-anchor="middle">{escape(chart.up)}</text>'


def _drawn_lines(lines: Mapping[str, Points], across: _Axis, up: _Axis) -> Iterator[str]:
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        placed = [(_LEFT + across.place(x), _TOP + _UP - up.place(y)) for x, y in points]
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        yield f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{joined}"/>'
        if len(placed) <= 40:
            yield from (
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed
            )
        yield from _legend(number, name, f'stroke="{colour}" stroke-width="2"')


def _limit(limit: tuple[str, float], up: _Axis, place: int) -> Iterator[str]:
    name, value = limit
    y = _TOP + _UP - up.place(value)
    style = 'stroke="#444" stroke-dasharray="5 4"'
    yield f'<path d="M{_LEFT} {y:.1f}H{_LEFT + _ACROSS}" {style}/>'
    yield from _legend(place, name, style)


def _legend(place: int, name: str, style: str) -> Iterator[str]:
    x, y = _LEFT + _ACROSS + 16, _TOP + 16 + 20 * place
    yield f'<line x1="{x}" y1="{y - 4}" x2="{x + 20}" y2="{y - 4}" {style}/>'
    yield f'<text x="{x + 26}" y="{y}">{escape(name)}</text>'
