#!/usr/bin/env python3
"""Renders what `tmux capture-pane -e -p -N` prints as a small SVG.

    tmux capture-pane -e -p -N -t top | docs/terminal_svg.py "selvedge top" > docs/top.svg
"""

import html
import re
import sys

CELL_WIDTH, LINE_HEIGHT, MARGIN, BAR = 7.8, 17, 12, 28
GROUND, TEXT, FAINT = "#1c1f24", "#d5d9de", "#8a919a"
COLOURS = {
    30: "#3b4048", 31: "#ef7177", 32: "#8fcf72", 33: "#e6c06b", 34: "#6cb2f2", 35: "#cf86e0",
    36: "#63c7d0", 37: "#d5d9de", 90: "#8a919a", 91: "#ff8a90", 92: "#a8e48b", 93: "#f5d488",
    94: "#8cc6ff", 95: "#e2a3f0", 96: "#84dde5", 97: "#ffffff",
}
ESCAPE = re.compile(r"\x1b\[([0-9;]*)m|\x1b[()][A-Z0-9]|[\x0e\x0f]")


def spans(line, style):
    """Pieces of a line with the style that holds for each; the style goes on to the next line."""
    found, at = [], 0
    for escape in ESCAPE.finditer(line):
        if escape.start() > at:
            found.append((line[at:escape.start()], dict(style)))
        at = escape.end()
        if escape.group(1) is None:
            continue
        codes = [int(code or 0) for code in escape.group(1).split(";")]
        # One of the first sixteen colours of 256; grounds are left as they are.
        if codes[:2] == [38, 5] and len(codes) == 3:
            codes = [codes[2] + (30 if codes[2] < 8 else 82)]
        elif codes[0] == 48:
            codes = []
        for code in codes:
            if code == 0:
                style.clear()
            elif code == 1:
                style["bold"] = True
            elif code == 7:
                style["reverse"] = True
            elif code in COLOURS:
                style["colour"] = COLOURS[code]
            elif code == 39:
                style.pop("colour", None)
    if at < len(line):
        found.append((line[at:], dict(style)))
    return found


def render(text, title):
    """The SVG of a terminal's lines."""
    lines = text.rstrip("\n").split("\n")
    while len(lines) > 1 and not ESCAPE.sub("", lines[-1]).strip():
        lines.pop()
    plain = [ESCAPE.sub("", line) for line in lines]
    columns = max([80] + [len(line) for line in plain])
    width = round(columns * CELL_WIDTH + 2 * MARGIN)
    height = len(lines) * LINE_HEIGHT + BAR + 2 * MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" '
        f'font-size="13" role="img"><title>{html.escape(title)}</title>',
        f'<rect width="{width}" height="{height}" rx="8" fill="{GROUND}"/>',
        f'<text x="{width / 2:g}" y="19" fill="{FAINT}" text-anchor="middle">{html.escape(title)}</text>',
    ]
    style = {}
    for row, line in enumerate(lines):
        top, column = BAR + MARGIN + row * LINE_HEIGHT, 0
        for piece, look in spans(line, style):
            left, cells = MARGIN + column * CELL_WIDTH, len(piece)
            colour = look.get("colour", TEXT)
            if look.get("reverse"):
                out.append(
                    f'<rect x="{left:g}" y="{top}" width="{cells * CELL_WIDTH:g}" '
                    f'height="{LINE_HEIGHT}" fill="{colour}"/>'
                )
                colour = GROUND
            bold = ' font-weight="bold"' if look.get("bold") else ""
            # Each word at its place: no font's width can move a column.
            for word in re.finditer(r"\S+(?: \S+)*", piece):
                x = left + word.start() * CELL_WIDTH
                length = len(word.group()) * CELL_WIDTH
                out.append(
                    f'<text x="{x:g}" y="{top + 13}" fill="{colour}"{bold} '
                    f'textLength="{length:g}" lengthAdjust="spacingAndGlyphs">'
                    f"{html.escape(word.group())}</text>"
                )
            column += cells
    out.append("</svg>")
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render(sys.stdin.read(), sys.argv[1] if len(sys.argv) > 1 else ""))
