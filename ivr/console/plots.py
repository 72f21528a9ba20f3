"""Plots as SVG, made here: shapes with classes that the style sheet colours, and words for who does
not see them."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 720, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 8, 12, 26
_PARTS = (10, 20, 25, 50)


@dataclass(frozen=True, slots=True)
class Series:
    """One figure an hour; `style`: the class of its bars; `name`: in the reader's language."""

    name: str
    style: str
    values: Sequence[int]


def hourly(title: str, series: Sequence[Series]) -> Markup:
    """Bars by the hour, the series on top of each other."""
    hours = len(series[0].values)
    top = _round_up(max(sum(each.values[hour] for each in series) for hour in range(hours)))
    plot_width, plot_height = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
    step, foot = plot_width / hours, HEIGHT - _BOTTOM
    shapes = []
    for part in range(5):
        y = foot - plot_height * part / 4
        shapes.append(
            f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:g}" y2="{y:g}"/>'
        )
        if top * part % 4 == 0:
            shapes.append(
                f'<text x="{_LEFT - 8}" y="{y + 4:g}" text-anchor="end">{top * part // 4}</text>'
            )
    for hour in range(hours):
        x, y = _LEFT + hour * step, float(foot)
        if hour % 3 == 0:
            shapes.append(
                f'<text x="{x + step / 2:g}" y="{HEIGHT - 8}" text-anchor="middle">{hour}</text>'
            )
        for each in series:
            if value := each.values[hour]:
                height = plot_height * value / top
                y -= height
                shapes.append(
                    f'<rect class="{each.style}" x="{x + step * 0.15:.1f}" y="{y:.1f}" '
                    f'width="{step * 0.7:.1f}" height="{height:.1f}">'
                    f"<title>{hour}:00 {escape(each.name)}: {value}</title></rect>"
                )
    return Markup(  # noqa: S704 - numbers, our own class names, and escaped names
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">{"".join(shapes)}</svg>'
    )


def _round_up(value: int) -> int:
    """The top of an axis with 4 parts of a round number each: 4 or more."""
    power = 1
    while True:
        for tenths in _PARTS:
            part, rest = divmod(tenths * power, 10)
            if not rest and 4 * part >= value:
                return 4 * part
        power *= 10
