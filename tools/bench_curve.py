#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""Draws the curves that bench_semantic_ann has printed: recall against queries a second.

Usage: bench_curve.py build/bench/bench_semantic_ann.log OUT.svg

Reads lines of the form
    # curve ann SIDE "WAY": EFFORT/RECALL/RATE EFFORT/RECALL/RATE ...
    # curve ann_heldout ...
    # FILE: COUNT unit vectors of DIMENSIONS dimensions, ...
and draws one line a side: of all its ways the points that no other point of it beats in both. The
date is that of the file, the machine the one this runs on.
"""
import datetime
import math
import os
import re
import sys
from xml.sax.saxutils import escape

import bench_readme

CURVE = re.compile(r'# curve (\w+) (\S+) "([^"]*)":((?: \d+/[\d.]+/[\d.]+)+)$')
VECTORS = re.compile(r"# .*: (\d+) unit vectors of (\d+) dimensions")
POINT = re.compile(r" \d+/([\d.]+)/([\d.]+)")
TITLES = {"ann": "words of the set", "ann_heldout": "words held out"}
COLOURS = ("#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#525252")
RECALLS = (0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1)
LOWEST = RECALLS[0]
PANEL_WIDTH, PANEL_HEIGHT = 400, 320
LEFT, TOP, GAP, BOTTOM = 70, 66, 46, 84


def curves_read(lines):
    """{kind: {side: [(recall, rate), ...]}}; ValueError when there are none."""
    kinds = {}
    for line in lines:
        match = CURVE.match(line.rstrip("\n"))
        if match:
            kind, side, _, points = match.groups()
            found = [(float(recall), float(rate)) for recall, rate in POINT.findall(points)]
            kinds.setdefault(kind, {}).setdefault(side, []).extend(found)
    if not kinds:
        raise ValueError("no '# curve' lines in it")
    return kinds


def vectors_note(lines):
    """", N vectors of D dimensions", or nothing where no line says so."""
    for line in lines:
        match = VECTORS.match(line)
        if match:
            return f", {int(match[1]):,} vectors of {match[2]} dimensions"
    return ""


def best_of(points):
    """Those that no other point beats in recall and rate, by rising recall."""
    best, fastest = [], 0.0
    for recall, rate in sorted(points, reverse=True):
        if rate > fastest:
            best.append((recall, rate))
            fastest = rate
    return best[::-1]


def clip(points):
    """Cut off below LOWEST, between two points on a straight line over the logarithm of the rate."""
    out = []
    for index, (recall, rate) in enumerate(points):
        if recall >= LOWEST:
            if index > 0 and not out and recall > LOWEST:
                below, its_rate = points[index - 1]
                part = (LOWEST - below) / (recall - below)
                out.append((LOWEST, its_rate ** (1 - part) * rate ** part))
            out.append((recall, rate))
    return out


def stretch(recall):
    """0..1 for LOWEST..1, with as much room for the last thousandth as for a decade before."""
    def raw(value):
        return -math.log10(1.0005 - value)
    return (raw(recall) - raw(LOWEST)) / (raw(1) - raw(LOWEST))


class Scale:
    """Of the rates: powers of ten that hold them all."""

    def __init__(self, rates):
        self.low = math.floor(math.log10(min(rates)))
        self.high = max(math.ceil(math.log10(max(rates))), self.low + 1)

    def height(self, rate):
        return (math.log10(rate) - self.low) / (self.high - self.low)

    def ticks(self):
        for power in range(self.low, self.high + 1):
            for factor in (1, 2, 5):
                rate = factor * 10 ** power
                if rate <= 10 ** self.high:
                    yield rate


def text(x, y, content, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(content)}</text>'


def line(x1, y1, x2, y2, colour):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            'stroke-width="1"/>')


def panel(left, title, sides, colours, scale):
    bottom = TOP + PANEL_HEIGHT
    out = [text(left + PANEL_WIDTH / 2, TOP - 10, title, 'text-anchor="middle" font-size="13"')]
    for recall in RECALLS:
        x = left + stretch(recall) * PANEL_WIDTH
        out.append(line(x, TOP, x, bottom, "#e5e5e5"))
        out.append(text(x, bottom + 16, f"{recall:g}", 'text-anchor="middle"'))
    for rate in scale.ticks():
        y = bottom - scale.height(rate) * PANEL_HEIGHT
        out.append(line(left, y, left + PANEL_WIDTH, y, "#e5e5e5"))
        out.append(text(left - 6, y + 4, f"{rate:,}" if rate >= 1 else f"{rate:g}",
                        'text-anchor="end"'))
    out.append(text(left + PANEL_WIDTH / 2, bottom + 36, "recall of the ten nearest",
                    'text-anchor="middle"'))
    for side, points in sides.items():
        places = [(left + stretch(recall) * PANEL_WIDTH,
                   bottom - scale.height(rate) * PANEL_HEIGHT) for recall, rate in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colours[side]}" '
                   'stroke-width="2" stroke-linejoin="round"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colours[side]}"/>'
                for x, y in places]
    return out


def draw(kinds, note):
    kinds = {kind: {side: clip(best_of(points)) for side, points in sides.items()}
             for kind, sides in kinds.items()}
    names = list(dict.fromkeys(side for sides in kinds.values() for side in sides))
    colours = {side: COLOURS[index % len(COLOURS)] for index, side in enumerate(names)}
    rates = [rate for sides in kinds.values() for points in sides.values() for _, rate in points]
    if not rates:
        raise ValueError(f"no point reaches a recall of {LOWEST}")
    scale = Scale(rates)
    width = LEFT + len(kinds) * (PANEL_WIDTH + GAP) + (len(kinds) - 1) * (LEFT - GAP)
    height = TOP + PANEL_HEIGHT + BOTTOM
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
           f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11" '
           'fill="#262626">',
           f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
           text(16, TOP + PANEL_HEIGHT / 2, "queries a second, one thread",
                f'text-anchor="middle" transform="rotate(-90 16 {TOP + PANEL_HEIGHT / 2})"')]
    for index, side in enumerate(names):
        x = LEFT + index * 130
        out.append(f'<rect x="{x}" y="16" width="22" height="4" fill="{colours[side]}"/>')
        out.append(text(x + 28, 22, "NeuroGraph" if side == "ours" else side, 'font-size="13"'))
    for index, (kind, sides) in enumerate(kinds.items()):
        left = LEFT + index * (PANEL_WIDTH + LEFT)
        out += panel(left, TITLES.get(kind, kind), sides, colours, scale)
    out.append(text(LEFT, height - 14, note, 'fill="#525252"'))
    out.append("</svg>")
    return "\n".join(out) + "\n"


def main(arguments):
    if len(arguments) != 2:
        print(__doc__.strip().splitlines()[2], file=sys.stderr)
        return 2
    source, target = arguments
    date = datetime.date.fromtimestamp(os.path.getmtime(source)).isoformat()
    try:
        with open(source, encoding="utf-8") as file:
            lines = file.readlines()
        note = f"{date}, {bench_readme.machine()}{vectors_note(lines)}"
        picture = draw(curves_read(lines), note)
    except ValueError as error:
        print(f"bench_curve: {source}: {error}", file=sys.stderr)
        return 1
    with open(target, "w", encoding="utf-8") as file:
        file.write(picture)
    print(f"bench_curve: the curves are in {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
