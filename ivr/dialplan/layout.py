"""Where the boxes and lines of a drawn flow stand: layers from top to bottom (Sugiyama, Tagawa and
Toda 1981), with boxes of any width.

A way that leads back, or far down, gets a flag under its node instead of a line across the picture.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ivr.dialplan.graph import Arrow, FlowGraph, GraphNode

MAX_SPAN = 2
"""Layers that a line may run down; a longer way gets a flag."""
MAX_CHOICES = 3
"""Lines that may meet at a node; of more, those that run down further get flags."""
GAP, BEND_GAP, LAYER_GAP = 26.0, 12.0, 66.0
SWEEPS = 24
NARROW, LABEL_CHAR = 26.0, 6.0  # px between lines side by side; of a letter on them
LABEL_GAP = 10.0
KEYS = frozenset("0123456789*#")
"""Labels that are the key which the caller presses."""


@dataclass(slots=True, eq=False)
class Box:
    """A node, the flag of a way to one (`arrow`), or the bend of a line (neither). `x`: the
    middle, `y`: the top."""

    width: float = 0.0
    height: float = 0.0
    node: GraphNode | None = None
    arrow: Arrow | None = None
    layer: int = 0
    x: float = 0.0
    y: float = 0.0
    above: "list[Box]" = field(default_factory=list)
    below: "list[Box]" = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Line:
    """A way that is drawn, from its first box through bends to its last. `label`: what is written
    where it arrives; `start`, `end`: x where it leaves and arrives."""

    arrow: Arrow
    boxes: list[Box]
    label: str = ""
    start: float = 0.0
    end: float = 0.0


@dataclass(frozen=True, slots=True)
class Picture:
    boxes: Sequence[Box]  # nodes and flags
    lines: Sequence[Line]
    width: float
    height: float


def arranged(
    graph: FlowGraph, size: Callable[[GraphNode, Arrow | None], tuple[float, float]]
) -> Picture:
    """Everything in its place. `size`: (width, height) of a node, or of a way's flag."""
    nodes = {node.name: Box(*size(node, None), node) for node in graph.nodes}
    ways = _forward(graph)
    layers = _layers(nodes, ways)
    drawn = _short(ways, layers)
    boxes = list(nodes.values())
    for name, box in nodes.items():
        box.layer = layers[name]
    bends: list[Box] = []
    lines = []
    for arrow in graph.arrows:
        source, target = nodes[arrow.source], nodes[arrow.target]
        if arrow not in drawn:
            target = Box(*size(graph.node(arrow.target), arrow), target.node, arrow)
            target.layer = source.layer + 1
            boxes.append(target)
        between = [Box(layer=layer) for layer in range(source.layer + 1, target.layer)]
        bends += between
        lines.append(Line(arrow, [source, *between, target]))
        for upper, lower in pairwise(lines[-1].boxes):
            upper.below.append(lower)
            lower.above.append(upper)
    _label(lines)
    rows = _ordered([*boxes, *bends])
    _place(rows)
    _spread_ends(lines)
    left = min(box.x - box.width / 2 for box in boxes)
    for box in (*boxes, *bends):
        box.x -= left
    for line in lines:
        line.start, line.end = line.start - left, line.end - left
    return Picture(
        boxes,
        lines,
        max(box.x + box.width / 2 for box in boxes),
        max(box.y + box.height for box in boxes),
    )


def _forward(graph: FlowGraph) -> list[Arrow]:
    """The ways that lead on, in depth-first order from the start: without those that lead back."""
    leaving: dict[str, list[Arrow]] = {node.name: [] for node in graph.nodes}
    for arrow in graph.arrows:
        leaving[arrow.source].append(arrow)
    done: set[str] = set()
    open_: set[str] = set()
    forward: list[Arrow] = []
    # By hand: a flow may be longer than Python's stack is deep.
    for root in [graph.start, *(arrow.target for arrow in graph.everywhere), *leaving]:
        if root in done:
            continue
        open_.add(root)
        path = [(root, iter(leaving[root]))]
        while path:
            name, rest = path[-1]
            way = next(rest, None)
            if way is None:
                path.pop()
                open_.discard(name)
                done.add(name)
            elif way.target not in open_:
                forward.append(way)
                if way.target not in done:
                    open_.add(way.target)
                    path.append((way.target, iter(leaving[way.target])))
    return forward


def _layers(names: Iterable[str], ways: Sequence[Arrow]) -> dict[str, int]:
    """Each node below all that lead to it."""
    layers = dict.fromkeys(names, 0)
    for _ in layers:
        moved = False
        for arrow in ways:
            if layers[arrow.target] <= layers[arrow.source]:
                layers[arrow.target] = layers[arrow.source] + 1
                moved = True
        if not moved:
            break
    return layers


def _short(ways: Sequence[Arrow], layers: dict[str, int]) -> set[Arrow]:
    """The ways that get a line."""
    drawn: set[Arrow] = set()
    arriving: dict[str, list[Arrow]] = {}
    for arrow in ways:
        if layers[arrow.target] - layers[arrow.source] <= MAX_SPAN:
            arriving.setdefault(arrow.target, []).append(arrow)
    for arrows in arriving.values():
        arrows.sort(key=lambda arrow: layers[arrow.target] - layers[arrow.source])
        drawn.update(arrows[:MAX_CHOICES])
    return drawn


def _ordered(boxes: Iterable[Box]) -> list[list[Box]]:
    """The boxes of each layer from left to right, so that few lines cross (barycentres)."""
    rows: list[list[Box]] = []
    for box in boxes:
        while len(rows) <= box.layer:
            rows.append([])
        rows[box.layer].append(box)
    best, fewest = [row.copy() for row in rows], _crossings(rows)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        order = rows if down else list(reversed(rows))
        for fixed, row in pairwise(order):
            at = {id(box): place for place, box in enumerate(fixed)}
            places = {}
            for place, box in enumerate(row):
                near = [at[id(each)] for each in (box.above if down else box.below)]
                places[id(box)] = sum(near) / len(near) if near else float(place)
            row.sort(key=lambda box: places[id(box)])
        crossings = _crossings(rows)
        if crossings < fewest:
            best, fewest = [row.copy() for row in rows], crossings
    return best


def _crossings(rows: Sequence[Sequence[Box]]) -> int:
    count = 0
    for upper, lower in pairwise(rows):
        at = {id(box): place for place, box in enumerate(lower)}
        ends = [sorted(at[id(each)] for each in box.below) for box in upper]
        seen: list[int] = []
        for each in ends:
            count += sum(1 for end in each for other in seen if other > end)
            seen += each
    return count


def _place(rows: Sequence[Sequence[Box]]) -> None:
    """x and y of every box: near the middle of what it hangs together with."""
    y = 0.0
    for row in rows:
        x = 0.0
        for left, box in zip([None, *row], row, strict=False):
            x += _distance(left, box) if left else 0.0
            box.x, box.y = x, y
        y += max(box.height for box in row) + LAYER_GAP
    for sweep in range(SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wishes = [_wish(box, down=sweep % 2 == 0, both=sweep >= SWEEPS - 4) for box in row]
            _settle(row, wishes)


def _wish(box: Box, *, down: bool, both: bool) -> float:
    near = box.above + box.below if both else (box.above if down else box.below)
    return sum(each.x for each in near) / len(near) if near else box.x


def _distance(left: Box, right: Box) -> float:
    gap = BEND_GAP if not (left.width and right.width) else GAP
    return (left.width + right.width) / 2 + gap


def _settle(row: Sequence[Box], wishes: Sequence[float]) -> None:
    """Put the boxes of a row as near to their wishes as they can be without touching: the least
    sum of squares, by pooling neighbours that would overlap."""
    offsets = [0.0]
    for left, right in pairwise(row):
        offsets.append(offsets[-1] + _distance(left, right))
    pools: list[tuple[float, int]] = []  # the mean wish of so many boxes in a row
    for wish, offset in zip(wishes, offsets, strict=True):
        mean, count = wish - offset, 1
        while pools and pools[-1][0] > mean:
            other, more = pools.pop()
            mean = (mean * count + other * more) / (count + more)
            count += more
        pools.append((mean, count))
    means = [mean for mean, count in pools for _ in range(count)]
    for box, mean, offset in zip(row, means, offsets, strict=True):
        box.x = mean + offset


def _label(lines: Iterable[Line]) -> None:
    """What is written on each line; a box that lines arrive at is as wide as their labels.

    Keys are written on every line, a word that several lines to one place have in common once.
    """
    for group in _arriving(lines):
        box, written = group[0].boxes[-1], set()
        for line in group:
            label = line.arrow.label
            if label in KEYS or label not in written:
                written.add(label)
                line.label = label
        box.width = max(box.width, sum(map(_room, group)))


def _arriving(lines: Iterable[Line]) -> Iterable[list[Line]]:
    groups: dict[int, list[Line]] = {}
    for line in lines:
        groups.setdefault(id(line.boxes[-1]), []).append(line)
    return groups.values()


def _room(line: Line) -> float:
    return max(NARROW, len(line.label) * LABEL_CHAR + LABEL_GAP)


def _spread_ends(lines: Sequence[Line]) -> None:
    """Lines of one box leave and arrive side by side, in the order in which they come."""
    leaving: dict[int, list[Line]] = {}
    for line in lines:
        leaving.setdefault(id(line.boxes[0]), []).append(line)
    for group in leaving.values():
        box = group[0].boxes[0]
        group.sort(key=lambda line: line.boxes[1].x)
        for line, x in zip(group, _side_by_side(box, len(group)), strict=True):
            line.start = x
    for group in _arriving(lines):
        group.sort(key=lambda line: line.boxes[-2].x)
        x = group[0].boxes[-1].x - sum(map(_room, group)) / 2
        for line in group:
            line.end = x + _room(line) / 2
            x += _room(line)


def _side_by_side(box: Box, count: int) -> list[float]:
    step = min(NARROW, box.width * 0.9 / max(1, count - 1))
    return [box.x + (place - (count - 1) / 2) * step for place in range(count)]
