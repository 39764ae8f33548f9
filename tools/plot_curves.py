#!/usr/bin/env python3
"""Draws the curves that `bench_index --csv FILE` writes: queries per second against recall, as SVG.

usage: plot_curves.py CURVES.csv OUT.svg [TITLE]
"""
import csv
import math
import sys
from xml.sax.saxutils import escape

LEFT, RIGHT, TOP, BOTTOM, WIDTH, HEIGHT = 64, 132, 34, 44, 720, 400
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", "#333333", "#999999"]
LEAST = 0.8  # recall where the plot begins


def read(path):
    curves = {}
    with open(path, newline="") as file:
        for name, _, recall, rate in csv.reader(file):
            if name != "name":
                curves.setdefault(name, []).append((float(recall), float(rate)))
    return {name: sorted(points) for name, points in curves.items()}


def visible(points):
    """The points from LEAST on, with one at LEAST between its neighbours."""
    inside = [p for p in points if p[0] >= LEAST]
    before = [p for p in points if p[0] < LEAST]
    if before and inside:
        (r0, q0), (r1, q1) = before[-1], inside[0]
        share = (LEAST - r0) / (r1 - r0)
        inside.insert(0, (LEAST, q0 ** (1 - share) * q1**share))
    return inside


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    curves = {name: visible(points) for name, points in read(sys.argv[1]).items()}
    curves = {name: points for name, points in curves.items() if points}
    if not curves:
        sys.exit(f"{sys.argv[1]}: no point with a recall of {LEAST} or more")
    rates = [rate for points in curves.values() for _, rate in points]
    low, high = math.log(min(rates) * 0.9), math.log(max(rates) * 1.1)

    def x(recall):  # even steps from 0.8 to 0.9, 0.95 and so on: what is missing is halved
        far = lambda r: -math.log2(max(1 - r, 0.002))
        return LEFT + (far(recall) - far(LEAST)) / (far(1) - far(LEAST)) * (WIDTH - LEFT - RIGHT)

    def y(rate):
        return HEIGHT - BOTTOM - (math.log(rate) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="20" font-size="14">{escape(sys.argv[3] if len(sys.argv) == 4 else "")}</text>',
    ]
    for recall in (0.8, 0.9, 0.95, 0.98, 0.99, 0.995):
        out.append(f'<path d="M{x(recall):.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        out.append(f'<text x="{x(recall):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{recall:g}</text>')
    for power in range(1, 8):
        for step in (1, 2, 5):
            rate = step * 10**power
            if low <= math.log(rate) <= high:
                label = f"{rate // 1000}k" if rate >= 1000 else rate
                out.append(f'<path d="M{LEFT} {y(rate):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
                out.append(f'<text x="{LEFT - 6}" y="{y(rate) + 4:.1f}" text-anchor="end">{label}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">recall</text>')
    out.append(f'<text x="14" y="{HEIGHT / 2}" transform="rotate(-90 14 {HEIGHT / 2})" text-anchor="middle">queries per second</text>')
    for i, (name, points) in enumerate(curves.items()):
        colour = COLOURS[i % len(COLOURS)]
        path = "L".join(f"{x(recall):.1f} {y(rate):.1f}" for recall, rate in points)
        out.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x(r):.1f}" cy="{y(q):.1f}" r="2.5" fill="{colour}"/>' for r, q in points]
        at = TOP + 14 + 20 * i
        out.append(f'<path d="M{WIDTH - RIGHT + 12} {at}h18" stroke="{colour}" stroke-width="2"/>')
        out.append(f'<text x="{WIDTH - RIGHT + 36}" y="{at + 4}">{escape(name)}</text>')
    with open(sys.argv[2], "w") as file:
        file.write("\n".join(out) + "\n</svg>\n")


if __name__ == "__main__":
    main()
