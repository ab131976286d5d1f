"""DET plots as SVG: misses over false alarms on normal-deviate axes (Martin et al., Eurospeech 1997)."""

from collections.abc import Iterator, Mapping
from statistics import NormalDist
from typing import Final
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from shengdun.index.accuracy.measures import DetCurve

_TICKS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6)
_LEFT: Final = 70.0
_TOP: Final = 40.0
_SIDE: Final = 400.0
_WIDTH: Final = 640
_HEIGHT: Final = 500
_OPENING: Final = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
    'font-family="sans-serif" font-size="12">'
)
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Told apart by the colour-blind (Okabe & Ito 2008)."""
_DEVIATE: Final = NormalDist().inv_cdf
_FIRST: Final = _DEVIATE(_TICKS[0])
_LAST: Final = _DEVIATE(_TICKS[-1])


def det_plot(title: str, curves: Mapping[str, DetCurve]) -> str:
    """One plot of some curves, by the name that the legend gives each."""
    parts = [
        _OPENING,
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="24" font-size="15">{escape(title)}</text>',
        *_axes(),
    ]
    for number, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        y = _TOP + 16 + 20 * number
        x = _LEFT + _SIDE + 16
        parts += [
            f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{_points(curve)}"/>',
            f'<line x1="{x}" y1="{y - 4}" x2="{x + 20}" y2="{y - 4}" stroke="{colour}" stroke-width="2"/>',
            f'<text x="{x + 26}" y="{y}">{escape(name)}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def thinned(curve: DetCurve, points: int = 200) -> DetCurve:
    """A curve with at most so many of its points, its ends among them."""
    rows = np.unique(np.linspace(0, len(curve.misses) - 1, points).astype(np.int64))
    return DetCurve(misses=curve.misses[rows], alarms=curve.alarms[rows])


def _axes() -> Iterator[str]:
    bottom, right = _TOP + _SIDE, _LEFT + _SIDE
    for tick in _TICKS:
        at = _place(np.array([tick]))[0]
        x, y = _LEFT + at, bottom - at
        label = f"{100 * tick:g}"
        yield f'<path d="M{x:.1f} {_TOP}V{bottom}M{_LEFT} {y:.1f}H{right}" stroke="#ddd"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{label}</text>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
    yield f'<rect x="{_LEFT}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="#444"/>'
    yield f'<path d="M{_LEFT} {bottom}L{right} {_TOP}" stroke="#bbb" stroke-dasharray="4 4"/>'
    middle = _LEFT + _SIDE / 2
    yield f'<text x="{middle}" y="{bottom + 38}" text-anchor="middle">false alarms, %</text>'
    yield (
        f'<text transform="translate(20 {_TOP + _SIDE / 2}) rotate(-90)" text-anchor="middle">misses, %</text>'
    )


def _points(curve: DetCurve) -> str:
    few = thinned(curve)
    across, up = _LEFT + _place(few.alarms), _TOP + _SIDE - _place(few.misses)
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, up, strict=True))


def _place(rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance from the origin of the axes in pixels; rates beyond the axes are put at their ends."""
    deviates = np.array([_DEVIATE(r) for r in np.clip(rates, _TICKS[0], _TICKS[-1]).tolist()])
    places: NDArray[np.float64] = (deviates - _FIRST) / (_LAST - _FIRST) * _SIDE
    return places
