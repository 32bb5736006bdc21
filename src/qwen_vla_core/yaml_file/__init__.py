"""YAML files that people write: with line numbers, checked strictly, refused in plain words."""

from .document import MAX_FILE_BYTES, Document, parse_yaml, read_yaml
from .named import find_named
from .problems import WrongKey, problems_in
from .strict import Strict

__all__ = [
    "MAX_FILE_BYTES",
    "Document",
    "Strict",
    "WrongKey",
    "find_named",
    "parse_yaml",
    "problems_in",
    "read_yaml",
]
