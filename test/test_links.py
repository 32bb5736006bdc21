"""Every link between the pages leads to a file, and to a heading that it has.

`make docs` checks the same and builds the pages; this needs nothing but the files.
"""

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
CODE = re.compile(r"```.*?```|^(?: {4}|\t).*$", re.DOTALL | re.MULTILINE)
MARKUP = re.compile(r"\[([^\]]*)\]\([^)]*\)|[`*]")
PAGES = subprocess.run(
    ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True
).stdout.split() or [str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md")]


@cache
def headings(page):
    """As Python-Markdown makes anchors of them."""
    found = set()
    for heading in HEADING.findall(page.read_text(encoding="utf-8")):
        words = re.sub(r"[^\w\s-]", "", MARKUP.sub(r"\1", heading)).strip().lower()
        anchor = plain = re.sub(r"[-\s]+", "-", words)
        number = 0
        while anchor in found:
            number += 1
            anchor = f"{plain}_{number}"
        found.add(anchor)
    return found


def broken(page):
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):  # another site's
            continue
        place, _, anchor = target.partition("#")
        linked = (page.parent / place).resolve() if place else page
        if not linked.exists():
            yield f"{target}: no such file"
        elif anchor and linked.suffix == ".md" and anchor not in headings(linked):
            yield f"{target}: no such heading"


@pytest.mark.parametrize("page", PAGES)
def test_when_a_page_links_to_another_expect_the_file_and_the_heading(page):
    assert list(broken(ROOT / page)) == []


def test_when_a_link_leads_nowhere_expect_it_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A `b` c\n\n[1](#a-b-c) [2](#nowhere) [3](none.md) [4](https://x.y/z)\n")
    assert list(broken(page)) == ["#nowhere: no such heading", "none.md: no such file"]
