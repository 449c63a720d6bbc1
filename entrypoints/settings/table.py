"""The settings as the README shows them."""

import attrs

from entrypoints.settings.settings import Settings


def settings_table() -> str:
    """A Markdown table with a row for each setting."""
    rows = ["| variable | what it is | default |", "| --- | --- | --- |"]
    for field in attrs.fields(Settings):
        names = " or ".join(f"`{name}`" for name in field.metadata["names"])
        rows.append(f"| {names} | {field.metadata['text']} | {field.metadata['default']} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(settings_table())
