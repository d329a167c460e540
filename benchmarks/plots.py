"""Bars as SVG, made of text: the same figures give the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Bar", "Panel", "draw"]

_WIDTH, _LABELS, _NUMBERS = 860, 300, 90  # pixels
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
    body: list[str] = []
    top = _MARGIN
    for panel in panels:
        body += _panel(panel, top=top, unit=unit)
        top += _HEAD + _ROW * len(panel.bars)
    height = top + _MARGIN
    size = f'width="{_WIDTH}" height="{height}"'
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {_WIDTH} {height}" '
        f'font-family="sans-serif" font-size="13" fill="{_INK}">'
    )
    return "\n".join((opening, f'<rect {size} fill="{_PAPER}"/>', *body, "</svg>\n"))


def _panel(panel: Panel, *, top: int, unit: str) -> Iterator[str]:
    longest = max((bar.high for bar in panel.bars), default=0.0) or 1.0
    scale = (_WIDTH - _LABELS - _NUMBERS - 2 * _MARGIN) / longest
    yield (f'<text x="{_MARGIN}" y="{top + 24}" font-weight="bold">{escape(panel.title)}</text>')
    for number, bar in enumerate(panel.bars):
        yield from _bar(bar, top=top + _HEAD + _ROW * number, scale=scale, unit=unit)


def _bar(bar: Bar, *, top: int, scale: float, unit: str) -> Iterator[str]:
    left, middle = _MARGIN + _LABELS, top + _ROW // 2 - 2
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
