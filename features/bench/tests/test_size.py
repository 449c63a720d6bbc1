"""What counts as a line of code."""

from pathlib import Path

from features.bench.size import folder_size, python_size, sql_size

PYTHON = '''"""A module.

Of two lines.
"""

# a comment
NUMBER = 1  # counted once
TEXT = """not a docstring

# nor a comment
"""


class Empty:
    """Documented."""


def double(
    number: int,
) -> int:
    """Return twice the number."""
    return number * 2
'''

SQL = """-- a comment
create table t (  /* of
two lines */
  name text default '-- no comment'
);

comment on table t is 'What it''s for;
in two lines.';
create function f() returns int language sql as $$
  -- a comment in a body
  select 1
$$;
"""


def test_comments_docstrings_and_blank_lines_of_python_are_not_counted() -> None:
    assert 9 == python_size(PYTHON)


def test_comments_and_blank_lines_of_sql_are_not_counted() -> None:
    assert 6 == sql_size(SQL)


def test_tests_are_not_counted(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "one.py").write_text("ONE = 1\n")
    (tmp_path / "code" / "tests").mkdir()
    (tmp_path / "code" / "tests" / "test_one.py").write_text("TWO = 2\n")

    assert 1 == folder_size(tmp_path / "code")
