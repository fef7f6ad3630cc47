"""The diagram and the table of ``architecture.md``: the parts of the package and the imports between them, as they are."""

from __future__ import annotations

from . import imports

USERS = ("cli", "testing", "kit", "scaffold")
"""The row at the top: their boxes list what they import instead of drawing arrows, because most import half of the others."""
ROWS = (
    USERS,
    ("adapters", "metrics", "control", "measuring", "verifying"),
    ("plugins", "core", "recording"),
    ("hooks", "fingerprints", "audit", "lint"),
)
"""The boxes of the diagram, from top to bottom; parts that are in none of them are in a row of their own below."""
PURPOSES = {
    "cli": "the command `syncfree`",
    "testing": "checks one implementation",
    "kit": "checks a whole plugin",
    "scaffold": "writes new packages",
    "adapters": "where a framework does the work",
    "control": "reaches running processes",
    "measuring": "A against B",
    "verifying": "a choice beside upstream",
    "metrics": "counts for Prometheus",
    "plugins": "the implementations that ship",
    "core": "judges, binds, chooses, counts",
    "recording": "real calls, kept and replayed",
    "hooks": "the contracts",
    "fingerprints": "which code is known",
    "audit": "counts host syncs",
    "lint": "finds them in source code",
}
WIDTH, HEIGHT, GAP, ACROSS = 190, 58, 62, 24
STYLE = 'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="13"'


def table() -> str:
    """Return a row for each part: what it is for, and what it imports."""
    rows = ["| part | what it is for | imports |\n|---|---|---|\n"]
    for part in (part for row in _rows() for part in row):
        folder = {"core": "registry/*.py", "adapters": "adapters/", "plugins": "plugins/"}.get(part, f"registry/{part}/")
        targets = ", ".join(_targets(part)) or "nothing of ours"
        rows.append(f"| **{part}**, `{folder}` | {PURPOSES.get(part, '')} | {targets} |\n")
    return "".join(rows)


def picture() -> str:
    """Return the diagram: a box for each part, an arrow to each part that it imports."""
    edges = imports.edges()
    corners = _corners()
    width = max(x for x, _ in corners.values()) + WIDTH + ACROSS
    height = max(y for _, y in corners.values()) + HEIGHT + 16
    boxes = [_box(part, *corner) for part, corner in corners.items()]
    drawn = sorted((source, target) for source, target in edges if source not in USERS)
    arrows = [_arrow(corners[source], corners[target], (target, source) in edges) for source, target in drawn]
    head = (
        '<defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse">'
        '<path d="M0 0L8 4L0 8z" fill="#607d8b"/></marker></defs>'
    )
    label = 'role="img" aria-label="The parts of the package, with an arrow to each part that a part imports"'
    body = "\n".join([head, '<rect width="100%" height="100%" fill="#fff"/>', *arrows, *boxes])
    return f'<svg {STYLE} viewBox="0 0 {width} {height}" {label}>\n{body}\n</svg>\n'


def _targets(part: str) -> list[str]:
    return sorted(target for source, target in imports.edges() if source == part)


def _rows() -> tuple[tuple[str, ...], ...]:
    """Return the parts of the package in the rows of the diagram."""
    parts = imports.parts()
    others = tuple(sorted(parts.difference(*ROWS)))
    rows = (*ROWS, others) if others else ROWS
    return tuple(tuple(part for part in row if part in parts) for row in rows)


def _corners() -> dict[str, tuple[int, int]]:
    """Return the upper left corner of each part's box."""
    rows = _rows()
    widest = max(map(len, rows))
    return {
        part: (ACROSS + (widest - len(row)) * (WIDTH + ACROSS) // 2 + column * (WIDTH + ACROSS), 16 + line * (HEIGHT + GAP))
        for line, row in enumerate(rows)
        for column, part in enumerate(row)
    }


def _box(part: str, x: int, y: int) -> str:
    middle = x + WIDTH // 2
    texts = [PURPOSES.get(part, "").replace("`", "")]
    if part in USERS:
        targets = _targets(part)
        half = (len(targets) + 1) // 2
        texts = [f"{texts[0]}; imports", ", ".join(targets[:half]), ", ".join(targets[half:])][: 1 + min(len(targets), 2)]
    height = HEIGHT + 15 * (len(texts) - 1)
    lines = "".join(
        f'<text x="{middle}" y="{y + 42 + 15 * line}" text-anchor="middle" font-size="11" fill="#444">{text}</text>'
        for line, text in enumerate(texts)
    )
    return (
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{height}" rx="6" fill="#e0f2f1" stroke="#00796b"/>'
        f'<text x="{middle}" y="{y + 23}" text-anchor="middle" font-weight="bold" fill="#222">{part}</text>{lines}'
    )


def _arrow(source: tuple[int, int], target: tuple[int, int], both: bool) -> str:
    """Return an arrow between the sides of two boxes that face each other; of two that import each other, the ways are apart."""
    (x1, y1), (x2, y2) = source, target
    aside = 10 if both and (x1, y1) < (x2, y2) else -10 if both else 0
    if y1 == y2:
        left = x1 > x2
        start, end = (x1 if left else x1 + WIDTH, y1 + HEIGHT // 2 + aside), (x2 + WIDTH if left else x2, y2 + HEIGHT // 2 + aside)
    else:
        up = y1 > y2
        lean = max(20 - WIDTH // 2, min(WIDTH // 2 - 20, (x2 - x1) // 5))
        start = (x1 + WIDTH // 2 + lean + aside, y1 if up else y1 + HEIGHT)
        end = (x2 + WIDTH // 2 - lean + aside, y2 + HEIGHT if up else y2)
    colour = "#607d8b" if not both else "#b26a00"
    return (
        f'<path d="M{start[0]} {start[1]}L{end[0]} {end[1]}" stroke="{colour}" stroke-width="1.2" fill="none" marker-end="url(#end)"/>'
    )
