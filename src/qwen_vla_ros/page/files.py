"""The built page, in memory; `make web` builds it from web/."""

from dataclasses import dataclass
from pathlib import Path

from qwen_vla_core.errors import QwenVlaError

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of the page."""

    kind: str
    data: bytes


def read_files(folder: Path) -> dict[str, File]:
    """Every file of the page by its path in a request; ``/`` is index.html.

    Raises:
        QwenVlaError: it was not built.
    """
    files = {
        f"/{path.name}": File(kind=KINDS[path.suffix], data=path.read_bytes())
        for path in sorted(folder.glob("*"))
        if path.suffix in KINDS
    }
    if "/index.html" not in files:
        raise QwenVlaError(f"{folder}: the page is missing; run make web, or install again")
    return {**files, "/": files["/index.html"]}
