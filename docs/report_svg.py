#!/usr/bin/env python3
"""Puts the pictures of a `selvedge bench` report into one small SVG, as they are on the page.

    docs/report_svg.py selvedge-bench/latency.html > docs/latency.svg
"""

import html
import re
import sys

MARGIN, TITLE, HEADING, GAP = 20, 30, 26, 14
GROUND, TEXT, FAINT, GRID, FRAME = "#ffffff", "#1c1c1c", "#555555", "#e4e4e4", "#d0d0d0"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
SWATCH, LETTER = 22, 7.2


def plain(markup):
    """The text of a piece of the page."""
    return html.unescape(re.sub(r"<[^>]*>", "", markup))


def text(x, y, words, size=13, fill=TEXT, bold=False):
    """One line of text."""
    weight = ' font-weight="600"' if bold else ""
    words = html.escape(words, quote=False)
    return f'<text x="{x}" y="{y}" style="font-size:{size}px;fill:{fill}"{weight}>{words}</text>'


def legend(page, y):
    """The colours and what they stand for."""
    parts, x = [], MARGIN
    for colour, name in re.findall(r'<span><i style="background:([^"]+)"></i>(.*?)</span>', page):
        name = plain(name)
        parts.append(f'<rect x="{x}" y="{y - 6}" width="{SWATCH}" height="4" rx="2" fill="{colour}"/>')
        parts.append(text(x + SWATCH + 7, y, name))
        x += SWATCH + 7 + len(name) * LETTER + 24
    return "".join(parts)


def render(page):
    """The SVG of a page's pictures, each under its heading."""
    command = plain(re.search(r"<pre>(.*?)</pre>", page, re.S).group(1))
    found = re.findall(
        r'<h2>((?:By|Over)[^<]*)</h2>(?:<p class="(legend|how)">(.*?)</p>)?'
        r'<svg viewBox="0 0 (\d+) (\d+)"[^>]*>(.*?)</svg>',
        page,
        re.S,
    )
    if not found:
        sys.exit("no picture: is this a report of selvedge bench?")
    width = max(int(wide) for _, _, _, wide, _, _ in found) + 2 * MARGIN
    y, parts = MARGIN + 14, [text(MARGIN, MARGIN + 14, command, 14, TEXT, True)]
    y += TITLE
    for heading, kind, words, wide, high, drawing in found:
        parts.append(text(MARGIN, y, plain(heading), 15, TEXT, True))
        y += HEADING - 4
        if kind == "legend":
            parts.append(legend(words, y))
        else:
            parts.append(text(MARGIN, y, plain(words), 13, FAINT))
        y += 8
        parts.append(f'<svg x="{MARGIN}" y="{y}" width="{wide}" height="{high}">{drawing}</svg>')
        y += int(high) + GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" role="img">'
        f"<title>{html.escape(command, quote=False)}</title>"
        f"<style>text{{font-family:{FONT};font-size:12px;fill:#444}}"
        f".grid{{stroke:{GRID};stroke-width:1}}</style>"
        f'<rect x="0.5" y="0.5" width="{width - 1}" height="{y - 1}" rx="8" fill="{GROUND}" stroke="{FRAME}"/>'
        f"{''.join(parts)}</svg>\n"
    )


if len(sys.argv) != 2:
    sys.exit(__doc__)
with open(sys.argv[1], encoding="utf-8") as report:
    sys.stdout.write(render(report.read()))
