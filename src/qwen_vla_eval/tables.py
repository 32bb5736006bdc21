"""Tables that a terminal and a Markdown file show alike, and results as JSON."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from qwen_vla_core.whole_file import write_text_whole


@dataclass(frozen=True, kw_only=True)
class Table:
    """Text by rows; the first column names the row, the others are numbers."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """As a section of a Markdown file."""
        lines = [self.columns, ["---", *["---:"] * (len(self.columns) - 1)], *self.rows]
        body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return f"**{self.title}**\n\n{body}\n"

    def rich(self):
        """For ``rich.console.Console.print``."""
        from rich.table import Table as RichTable

        table = RichTable(title=self.title, title_justify="left")
        for i, column in enumerate(self.columns):
            table.add_column(column, justify="right" if i else "left", no_wrap=not i)
        for row in self.rows:
            table.add_row(*row)
        return table


def show(parts: Iterable[str | Table]) -> None:
    """Print text and tables, as wide as the terminal."""
    from rich.console import Console

    console = Console()
    for part in parts:
        console.print(part if isinstance(part, str) else part.rich())


def write_json(file: Path, content: dict) -> None:
    """Write it whole or not at all, with its folder.

    Raises:
        QwenVlaError: it cannot be written.
    """
    write_text_whole(file, json.dumps(content, indent=1) + "\n")
