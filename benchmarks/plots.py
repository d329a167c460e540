"""Bars as SVG, made of text: the same figures give the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Bar", "Panel", "draw"]

_LABELS, _BARS, _NUMBERS = 300, 446, 90  # pixels; the labels get more where they need it
_LETTER = 7.2  # pixels, of the font below on average
_ROW, _HEAD, _MARGIN = 24, 40, 12
_OURS, _THEIRS, _INK, _PAPER = "#2a6f97", "#b8b8b8", "#222222", "#ffffff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """``value`` with the ``low`` and ``high`` of its runs, all in the unit of the panel."""

    label: str
    value: float
    low: float
    high: float
    ours: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Bars on one scale, which begins at zero."""

    title: str
    bars: Sequence[Bar]


def draw(panels: Iterable[Panel], *, unit: str) -> str:
    """The panels below each other; a thin line goes from the lowest to the highest run."""
    panels = tuple(panels)
    longest = max((len(bar.label) for panel in panels for bar in panel.bars), default=0)
    left = _MARGIN + max(_LABELS, round(longest * _LETTER))
    body: list[str] = []
    top = _MARGIN
    for panel in panels:
        body += _panel(panel, top=top, left=left, unit=unit)
        top += _HEAD + _ROW * len(panel.bars)
    width, height = left + _BARS + _NUMBERS + _MARGIN, top + _MARGIN
    size = f'width="{width}" height="{height}"'
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="13" fill="{_INK}">'
    )
    return "\n".join((opening, f'<rect {size} fill="{_PAPER}"/>', *body, "</svg>\n"))


def _panel(panel: Panel, *, top: int, left: int, unit: str) -> Iterator[str]:
    longest = max((bar.high for bar in panel.bars), default=0.0) or 1.0
    scale = _BARS / longest
    yield (f'<text x="{_MARGIN}" y="{top + 24}" font-weight="bold">{escape(panel.title)}</text>')
    for number, bar in enumerate(panel.bars):
        yield from _bar(bar, top=top + _HEAD + _ROW * number, left=left, scale=scale, unit=unit)


def _bar(bar: Bar, *, top: int, left: int, scale: float, unit: str) -> Iterator[str]:
    middle = top + _ROW // 2 - 2
    colour = _OURS if bar.ours else _THEIRS
    end = left + max(bar.value, bar.high) * scale
    yield f'<text x="{left - 8}" y="{top + 14}" text-anchor="end">{escape(bar.label)}</text>'
    yield (
        f'<rect x="{left}" y="{top}" width="{bar.value * scale:.1f}" height="{_ROW - 5}" '
        f'fill="{colour}"/>'
    )
    if bar.high > bar.low:
        yield (
            f'<path d="M{left + bar.low * scale:.1f} {middle}H{left + bar.high * scale:.1f}" '
            f'stroke="{_INK}"/>'
        )
    yield f'<text x="{end + 6:.1f}" y="{top + 14}">{number_text(bar.value)} {unit}</text>'


def number_text(value: float) -> str:
    """Three digits that count."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
