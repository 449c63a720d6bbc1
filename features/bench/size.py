"""`python -m features.bench.size`: count the lines of code of each package and of the migrations.

Counted are the lines of `.py` and `.sql` files that have code on them. Tests, blank lines and comments are not counted.
Python's docstrings and SQL's `comment on` statements are comments here, so that documentation is no growth.
"""

import ast
import io
import re
import sys
import tokenize
from pathlib import Path

FOLDERS = ("domain", "adapters", "entrypoints", "migrations")
_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}
# Dollar-quoted bodies are not skipped: comments inside a function's body are comments too.
_SQL_PARTS = re.compile(
    r"(?P<text>'(?:[^']|'')*'|\"[^\"]*\")|(?P<comment>--[^\n]*|/\*.*?\*/)|(?P<code>.)", re.DOTALL | re.VERBOSE
)
_COMMENT_ON = re.compile(
    r"^\s*comment\s+on\s[^;']*(?:'(?:[^']|'')*'[^;']*)*;", re.DOTALL | re.IGNORECASE | re.MULTILINE
)


def main() -> None:
    """Print the lines of code of each folder, and of all of them."""
    sizes = {folder: folder_size(Path(folder)) for folder in FOLDERS}
    for folder, size in sizes.items():
        sys.stdout.write(f"{folder:<12}{size:>7,}\n")
    sys.stdout.write(f"{'together':<12}{sum(sizes.values()):>7,}\n")


def folder_size(folder: Path) -> int:
    """Return the lines of code below a folder, without those of its tests."""
    counted = {".py": python_size, ".sql": sql_size}
    files = (path for path in folder.rglob("*") if path.suffix in counted and "tests" not in path.parts)
    return sum(counted[path.suffix](path.read_text(encoding="utf-8")) for path in files)


def python_size(source: str) -> int:
    """Return the lines of Python that have code on them."""
    documented = _docstring_lines(ast.parse(source))
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    blank = {number for number, line in enumerate(source.splitlines(), start=1) if not line.strip()}
    return len(lines - documented - blank)


def _docstring_lines(tree: ast.Module) -> set[int]:
    lines: set[int] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or not node.body:
            continue
        match node.body[0]:
            case ast.Expr(value=ast.Constant(value=str())) as docstring:
                lines.update(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
    return lines


def sql_size(source: str) -> int:
    """Return the lines of SQL that have code on them."""
    bare = _SQL_PARTS.sub(lambda part: " " if part["comment"] else part[0], source)
    return sum(1 for line in _COMMENT_ON.sub("", bare).splitlines() if line.strip())


if __name__ == "__main__":
    main()
