"""A flow drawn as SVG, to be read at a glance: a colour for what each node is to the caller, keys
on the arrows, time-outs dashed, dead ends red."""

from collections.abc import Mapping
from html import escape
from itertools import pairwise

from ivr.dialplan.captions import caption
from ivr.dialplan.graph import Arrow, FlowGraph, GraphNode, Role
from ivr.dialplan.layout import KEYS, Box, Line, arranged
from ivr.dialplan.nodes import Way

MARGIN = 28.0
LEAST_WIDTH = 820.0
TITLE_CHAR, SMALL_CHAR = 7.7, 6.2  # px, about: nothing measures fonts here
NODE_HEIGHT, FLAG_HEIGHT = 46.0, 24.0
EXCERPT = 27  # characters of what is said

COLOURS = {
    Role.ASKS: ("#fff1bf", "#8a6100"),
    Role.SPEAKS: ("#dcecfa", "#1f5f99"),
    Role.DECIDES: ("#eeeef2", "#565662"),
    Role.ACTS: ("#ece1f9", "#63359a"),
    Role.ENDS: ("#d8f0dd", "#1d6433"),
}
RED, PINK = "#c4161c", "#fde3e3"
LINE = "#4a5560"

STYLE = f"""
text {{ font-family: system-ui, "DejaVu Sans", Arial, sans-serif; fill: #1c2024; }}
.heading {{ font-size: 18px; font-weight: 700; }}
.title {{ font-size: 13px; font-weight: 600; }}
.small {{ font-size: 11px; fill: #4a4f55; }}
.label {{ font-size: 11px; paint-order: stroke; stroke: #fff; stroke-width: 4px; }}
.key {{ font-size: 12px; font-weight: 700; }}
.way {{ fill: none; stroke: {LINE}; stroke-width: 1.5px; marker-end: url(#head); }}
.gives-up {{ stroke-dasharray: 6 4; }}
.wrong {{ stroke: {RED}; marker-end: url(#red-head); }}
.cap {{ fill: #fff; stroke: #1c2024; stroke-width: 1.3px; }}
.flag {{ fill: #fff; stroke: {LINE}; stroke-width: 1.2px; }}
a:hover .flag, a:focus .flag {{ fill: #e8eef5; }}
""".strip()


def draw(graph: FlowGraph, texts: Mapping[str, str] | None = None, title: str = "") -> str:
    """The picture as an SVG document, in the graph's language. `texts`: what each prompt says, by
    its id.

    Elements have the ids `node-NAME` and `way-NAME-KEY` (a `GraphNode.name`, an `Arrow.key`), for
    whoever shows something on them.
    """
    said = texts or {}
    title = title or caption(graph.language, "dialplan")

    def size(node: GraphNode, arrow: Arrow | None) -> tuple[float, float]:
        if arrow is not None:
            return len(node.title) * SMALL_CHAR + 44, FLAG_HEIGHT
        lines = (len(node.title) * TITLE_CHAR, len(_below(node, said, graph.language)) * SMALL_CHAR)
        return max(70.0, *lines) + 26, NODE_HEIGHT

    picture = arranged(graph, size)
    heading, heading_width, heading_height = _heading(graph, title)
    width = max(picture.width, heading_width) + 2 * MARGIN
    top = MARGIN + heading_height
    height = top + picture.height + MARGIN
    left = (width - picture.width) / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" lang="{graph.language}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f"<defs>{_arrow_head('head', LINE)}{_arrow_head('red-head', RED)}</defs>",
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#fff"/>',
        f'<g transform="translate({MARGIN} {MARGIN})">{heading}</g>',
        f'<g transform="translate({left:.1f} {top:.1f})">',
    ]
    parts += [_line(line) for line in picture.lines]
    parts += [_box(box, said, graph) for box in picture.boxes]
    parts += [_label(line) for line in picture.lines if line.label]
    return "\n".join([*parts, "</g>", "</svg>", ""])


def _below(node: GraphNode, texts: Mapping[str, str], language: str) -> str:
    """The line under a node's title: what is wrong with it, or what is said there."""
    if node.trouble is not None:
        return caption(language, f"trouble_{node.trouble}")
    said = next((texts[prompt] for prompt in node.prompts if texts.get(prompt)), "")
    if not said:
        return node.does
    return said if len(said) <= EXCERPT else said[: EXCERPT - 1].rstrip() + "…"


def _box(box: Box, texts: Mapping[str, str], graph: FlowGraph) -> str:
    if box.node is None:
        return ""
    return _flag(box, box.node, graph.language) if box.arrow else _node(box, box.node, texts, graph)


def _node(box: Box, node: GraphNode, texts: Mapping[str, str], graph: FlowGraph) -> str:
    fill, edge = COLOURS[node.role]
    if node.trouble is not None:
        fill, edge = PINK, RED
    x, y, w, h = box.x - box.width / 2, box.y, box.width, box.height
    first = node.name == graph.start
    look = f'fill="{fill}" stroke="{edge}" stroke-width="{3 if first else 1.6}"'
    if node.role is Role.DECIDES and node.trouble is None:
        corners = [(x + 14, y), (x + w - 14, y), (x + w, y + h / 2)]
        corners += [(x + w - 14, y + h), (x + 14, y + h), (x, y + h / 2)]
        shape = f'<polygon points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in corners)}" {look}/>'
    else:
        radius = h / 2 if node.role is Role.ENDS else 7
        shape = f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h}" rx="{radius}" {look}/>'
    spoken = "\n".join(texts[prompt] for prompt in node.prompts if texts.get(prompt))
    what = f"{node.title} ({node.kind})" if node.kind else node.title
    about = "\n".join(filter(None, [what, node.note, spoken]))
    here = ' class="start"' if first else ""
    return (
        f'<g id="node-{escape(node.name)}"{here}><title>{escape(about)}</title>{shape}'
        f"{_text(box.x, y + 20, node.title, 'title')}"
        f"{_text(box.x, y + 36, _below(node, texts, graph.language), 'small')}</g>"
    )


def _flag(box: Box, node: GraphNode, language: str) -> str:
    """Where a way leads that is not drawn: a link to there."""
    x, y, w, h = box.x - box.width / 2, box.y, box.width, box.height
    edge = f' style="stroke:{RED}"' if node.trouble is not None else ""
    corners = (
        f"{x:.1f},{y} {x + w:.1f},{y} {x + w:.1f},{y + h} {x:.1f},{y + h} {x + 8:.1f},{y + 12}"
    )
    goes = caption(language, "goes_to", node=node.title)
    return (
        f'<a href="#node-{escape(node.name)}"><title>{escape(goes)}</title>'
        f'<polygon class="flag" points="{corners}"{edge}/>'
        f"{_text(box.x + 4, y + 16, f'→ {node.title}', 'small')}</a>"
    )


def _line(line: Line) -> str:
    source, *bends, target = line.boxes
    points = [(line.start, source.y + source.height)]
    for bend in bends:  # straight past the boxes of its layer
        points += [(bend.x, bend.y), (bend.x, bend.y + NODE_HEIGHT)]
    points.append((line.end, target.y - 2))
    path = f"M{points[0][0]:.1f},{points[0][1]:.1f}"
    for number, ((x0, y0), (x1, y1)) in enumerate(pairwise(points)):
        if number % 2:
            path += f" L{x1:.1f},{y1:.1f}"
        else:
            middle = (y0 + y1) / 2
            path += f" C{x0:.1f},{middle:.1f} {x1:.1f},{middle:.1f} {x1:.1f},{y1:.1f}"
    arrow = line.arrow
    name = f"way-{escape(arrow.source)}-{escape(arrow.key)}"
    return f'<path id="{name}" class="{_looks(arrow, target.node)}" d="{path}"/>'


def _label(line: Line) -> str:
    """The key, or the word, on an arrow: where it arrives, since there it stands alone."""
    x, y, says = line.end, line.boxes[-1].y - 19, line.arrow.says
    offers = f"<title>{escape(says)}</title>" if says else ""
    if line.label in KEYS:
        cap = f'<rect class="cap" x="{x - 10:.1f}" y="{y - 10:.1f}" width="20" height="19" rx="4"/>'
        return f"<g>{offers}{cap}{_text(x, y + 4, line.label, 'key')}</g>"
    return f"<g>{offers}{_text(x, y + 4, line.label, 'label')}</g>"


def _text(x: float, y: float, text: str, look: str, anchor: str = "middle") -> str:
    return (
        f'<text class="{look}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _arrow_head(name: str, colour: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0,0 L10,5 L0,10 z" fill="{colour}"/></marker>'
    )


def _heading(graph: FlowGraph, title: str) -> tuple[str, float, float]:
    """The title, the colours, and the ways that are open from many nodes; with its width and
    height."""
    parts = [_text(0, 14, title, "heading", "start")]
    samples = [(*COLOURS[role], f"role_{role}") for role in COLOURS]
    x = 0.0
    for fill, edge, key in [*samples, (PINK, RED, "trouble_dead_end")]:
        says = caption(graph.language, key)
        sample = f'fill="{fill}" stroke="{edge}"'
        parts.append(f'<rect x="{x:.1f}" y="28" width="22" height="15" rx="4" {sample}/>')
        parts.append(_text(x + 29, 40, says, "small", "start"))
        x += len(says) * SMALL_CHAR + 52
    y = 72.0
    whens = [caption(graph.language, "anywhere", when=each.label) for each in graph.everywhere]
    right = max((len(when) * SMALL_CHAR for when in whens), default=0.0)
    for when, arrow in zip(whens, graph.everywhere, strict=True):
        target = graph.node(arrow.target)
        parts.append(_text(right, y, when, "small", "end"))
        looks = _looks(arrow, target)
        parts.append(f'<path class="{looks}" d="M{right + 8:.1f},{y - 4} h60"/>')
        link = _text(right + 76, y, target.title, "title", "start")
        parts.append(f'<a href="#node-{escape(target.name)}">{link}</a>')
        y += 20
    return "".join(parts), max(x, LEAST_WIDTH), y + 10


def _looks(arrow: Arrow, target: GraphNode | None) -> str:
    """The classes of a way: dashed when the caller gives up, red when it leads nowhere good."""
    classes = ["way"]
    if arrow.way is Way.GIVING_UP:
        classes.append("gives-up")
    if target is not None and target.trouble is not None:
        classes.append("wrong")
    return " ".join(classes)
