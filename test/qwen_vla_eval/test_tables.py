"""One table, shown alike in a terminal and in Markdown."""

import io

from rich.console import Console

from qwen_vla_eval.tables import Table

TABLE = Table(title="speeds", columns=("path", "ms"), rows=[["eager", "8.1"], ["graph", "2.0"]])


def test_when_written_as_markdown_expect_numbers_to_the_right():
    assert TABLE.markdown().splitlines() == [
        "**speeds**",
        "",
        "| path | ms |",
        "| --- | ---: |",
        "| eager | 8.1 |",
        "| graph | 2.0 |",
    ]


def test_when_printed_expect_every_cell():
    console = Console(width=80, file=io.StringIO())
    console.print(TABLE.rich())
    text = console.file.getvalue()
    assert all(cell in text for cell in ("speeds", "path", "ms", "eager", "8.1", "graph", "2.0"))
