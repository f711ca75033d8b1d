"""Charts as SVG text: scales, labelled axes, lines with bands, bars, marks, a legend. Knows nothing of what it shows.

Colours come from the page's style by class (s1, s2, s3), so that light, dark and print each have their own. A chart
has a title and a description for those who do not see it; marks carry their value as a tooltip.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 560, 320
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 34, 48

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis. low, high: in its own unit; log: to base 2; ticks: where, and what stands there."""

    label: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value lies, from 0 to 1."""
        low, high, value = (math.log2(max(x, 1e-9)) if self.log else x for x in (self.low, self.high, value))
        return min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.5


def percent(label: str, low: float = 0.0, high: float = 1.0) -> Axis:
    """An axis of shares, ticks at a spacing that suits; low and high are widened to ticks."""
    step = next(step for step in (0.02, 0.05, 0.1, 0.2) if high - low <= 6 * step or step == 0.2)
    low, high = max(0.0, math.floor(low / step + 1e-9) * step), min(1.0, math.ceil(high / step - 1e-9) * step)
    count = round((high - low) / step)
    return Axis(label, low, high, [(low + i * step, f"{low + i * step:.0%}") for i in range(count + 1)])


def linear(label: str, high: float) -> Axis:
    """An axis of counts from 0, with about five ticks."""
    rough = max(high, 1) / 5
    power = 10 ** math.floor(math.log10(rough))
    step = max(1.0, next(m * power for m in (1, 2, 5, 10) if m * power >= rough))
    top = step * math.ceil(max(high, 1) / step)
    return Axis(label, 0, top, [(i * step, short(i * step)) for i in range(round(top / step) + 1)])


def doubling(label: str, low: float, high: float) -> Axis:
    """A logarithmic axis with ticks at powers of two, at most about eight of them."""
    first, last = math.ceil(math.log2(max(low, 1)) - 1e-9), math.floor(math.log2(max(high, 1)) + 1e-9)
    every = max(1, (last - first) // 7)
    ticks = [(2.0**power, short(2**power)) for power in range(first, last + 1, every)]
    return Axis(label, low, max(high, low * 1.0001), ticks, True)


def decimal(label: str, low: float, high: float) -> Axis:
    """A logarithmic axis with ticks at 1, 2 and 5 times powers of ten."""
    ticks = [m * 10.0**p for p in range(13) for m in (1, 2, 5) if low <= m * 10**p <= high]
    return Axis(label, low, max(high, low * 1.0001), [(tick, short(tick)) for tick in ticks], True)


def short(value: float) -> str:
    """A number in few characters: 950, 1.2k, 3M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


@dataclass(slots=True)
class Chart:
    """A chart being drawn, back to front. title: for the ear; the figure's caption says the same to the eye."""

    title: str
    description: str
    x: Axis
    y: Axis
    _parts: list[str] = field(default_factory=list)
    _legend: list[tuple[str, str, str]] = field(default_factory=list)

    def at(self, x: float, y: float) -> Point:
        """Where a value lies on the drawing."""
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        return LEFT + self.x.place(x) * (right - LEFT), bottom - self.y.place(y) * (bottom - TOP)

    def line(self, points: Sequence[Point], kind: str, name: str | None = None) -> None:
        """A line through points; named, it is in the legend."""
        self._parts.append(f'<polyline class="line {kind}" points="{self._path(points)}"/>')
        if name:
            self._legend.append((kind, name, "line"))

    def band(self, points: Sequence[tuple[float, float, float]], kind: str) -> None:
        """The area between low and high at each x."""
        edge = [(x, low) for x, low, _ in points] + [(x, high) for x, _, high in reversed(points)]
        self._parts.append(f'<polygon class="band {kind}" points="{self._path(edge)}"/>')

    def area(self, points: Sequence[Point], kind: str, name: str) -> None:
        """A filled line down to the axis; named in the legend."""
        edge = [(points[0][0], self.y.low), *points, (points[-1][0], self.y.low)]
        self._parts.append(f'<polygon class="area {kind}" points="{self._path(edge)}"/>')
        self.line(points, kind)
        self._legend.append((kind, name, "box"))

    def mark(self, x: float, y: float, kind: str, tip: str, ends: Point | None = None) -> None:
        """A point with a tooltip; ends: low and high of its interval."""
        px, py = self.at(x, y)
        inner = f"<title>{escape(tip)}</title>"
        if ends is not None:
            low, high = self.at(x, ends[0])[1], self.at(x, ends[1])[1]
            inner += f'<line class="whisker {kind}" x1="{px:.1f}" x2="{px:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>'
        self._parts.append(f'<g>{inner}<circle class="mark {kind}" cx="{px:.1f}" cy="{py:.1f}" r="4"/></g>')

    def bar(self, low: float, high: float, y: float, kind: str, tip: str, *, label: str = "") -> None:
        """A bar from x `low` to `high`, from the axis up to y; label: what stands on it."""
        (x0, top), (x1, bottom) = self.at(low, y), self.at(high, self.y.low)
        box = f'x="{x0 + 1:.1f}" y="{top:.1f}" width="{max(x1 - x0 - 2, 1):.1f}" height="{max(bottom - top, 0):.1f}"'
        self._parts.append(f'<rect class="bar {kind}" {box} rx="2"><title>{escape(tip)}</title></rect>')
        if label:
            self._parts.append(_text((x0 + x1) / 2, top - 5, label, "middle", kind="value"))

    def name(self, kind: str, name: str, shape: str = "box") -> None:
        """One more entry of the legend."""
        self._legend.append((kind, name, shape))

    def svg(self) -> str:
        """The drawing."""
        named = f"<title>{escape(self.title)}</title><desc>{escape(self.description)}</desc>"
        inside = "".join((*self._axes(), *self._parts, *self._key()))
        return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{named}{inside}</svg>'

    def _path(self, points: Sequence[Point]) -> str:
        return " ".join(f"{px:.1f},{py:.1f}" for px, py in (self.at(*point) for point in points))

    def _axes(self) -> list[str]:
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        out = []
        for value, label in self.y.ticks:
            y = self.at(self.x.low, value)[1]
            out.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
            out.append(_text(LEFT - 8, y + 4, label, "end"))
        for value, label in self.x.ticks:
            x = self.at(value, self.y.low)[0]
            out.append(f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 4}"/>')
            out.append(_text(x, bottom + 18, label, "middle"))
        out.append(f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
        out.append(_text((LEFT + right) / 2, HEIGHT - 8, self.x.label, "middle", kind="label"))
        middle = (TOP + bottom) / 2
        turned = f'transform="rotate(-90 14 {middle:.0f})"'
        return [*out, _text(14, middle, self.y.label, "middle", kind="label", more=turned)]

    def _key(self) -> list[str]:
        x, out = float(LEFT), []
        for kind, name, shape in self._legend:
            if shape == "line":
                out.append(f'<line class="line {kind}" x1="{x:.0f}" x2="{x + 18:.0f}" y1="14" y2="14"/>')
            else:
                out.append(f'<rect class="bar {kind}" x="{x + 3:.0f}" y="8" width="12" height="12" rx="2"/>')
            out.append(_text(x + 24, 18, name, "start"))
            x += 44 + 7.2 * len(name)
        return out


def _text(x: float, y: float, text: str, anchor: str, *, kind: str = "", more: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named} {more}>{escape(text)}</text>'


def steps(edges: Sequence[float], heights: Sequence[float]) -> list[Point]:
    """A histogram's outline. edges: shape (bins + 1,); heights: shape (bins,)."""
    return [point for i, height in enumerate(heights) for point in ((edges[i], height), (edges[i + 1], height))]
