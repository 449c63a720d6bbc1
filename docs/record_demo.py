"""Draw what `make demo` prints as a terminal that turns its pages, for docs/demo.svg.

FORCE_COLOR=1 COLUMNS=100 make demo | .venv/bin/python docs/record_demo.py > docs/demo.svg
"""

import io
import itertools
import sys

from rich.console import Console
from rich.text import Text

COLUMNS = 100
ROWS_PER_PAGE = 34
SECONDS_PER_PAGE = 6
ROW_HEIGHT = 24.4
"""Pixels, as rich draws."""

# Rich fills in what stands in braces. Its own format shows all rows at once, and loads a font from another site,
# which a picture on GitHub may not do. Without animation the last page is shown.
FORMAT = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1240 %(height).0f" role="img" aria-labelledby="title">
<title id="title">A terminal that runs make demo and shows every check</title>
<style>
text {{ font: {char_height}px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }}
{styles}
.pages {{ transform: translateY(%(last).1fpx); animation: pages %(seconds)ds step-end infinite; }}
@keyframes pages {{ %(keyframes)s }}
@media (prefers-reduced-motion: reduce) {{ .pages {{ animation: none; }} }}
</style>
<defs>
<clipPath id="page"><rect width="{terminal_width}" height="%(page).1f"/></clipPath>
{lines}
</defs>
<rect x="1" y="1" width="1238" height="%(frame).0f" rx="10" fill="#292929" stroke="#8888"/>
<circle cx="26" cy="24" r="7" fill="#ff5f57"/><circle cx="50" cy="24" r="7" fill="#febc2e"/>
<circle cx="74" cy="24" r="7" fill="#28c840"/>
<g transform="translate(14 46)" clip-path="url(#page)"><g class="pages">
{backgrounds}
{matrix}
</g></g>
</svg>
"""


def main() -> None:
    """Read the output with its colours from standard input, and write the picture to standard output."""
    output = Text.from_ansi("$ make demo\n" + sys.stdin.read())
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, highlight=False)
    console.print(output)
    offsets = [-row * ROW_HEIGHT for row in _first_rows([line.plain for line in output.split()])]
    shown = [f"{100 * place / len(offsets):.4g}% {{{{ transform: translateY({offset:.1f}px); }}}}"
             for place, offset in enumerate(offsets)]  # fmt: skip
    page = ROWS_PER_PAGE * ROW_HEIGHT + 2
    layout = FORMAT % {
        "height": page + 60,
        "frame": page + 58,
        "page": page,
        "last": offsets[-1],
        "seconds": SECONDS_PER_PAGE * len(offsets),
        "keyframes": " ".join(shown),
    }
    drawn = console.export_svg(code_format=layout, unique_id="demo")
    sys.stdout.write("\n".join(line.strip() for line in drawn.splitlines() if line.strip()) + "\n")


def _first_rows(rows: list[str]) -> list[int]:
    """Return the row that each page begins with. A page begins with a block; empty rows divide blocks."""
    blocks = [number for number, (above, row) in enumerate(itertools.pairwise(rows), start=1) if row and not above]
    last = min(block for block in blocks if len(rows) - block <= ROWS_PER_PAGE)
    first = [0]
    while first[-1] < last:
        first.append(max(block for block in blocks if block <= min(last, first[-1] + ROWS_PER_PAGE)))
    return first


if __name__ == "__main__":
    main()
