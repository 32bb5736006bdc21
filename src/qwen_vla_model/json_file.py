"""JSON objects in files; of a checkpoint, of what is imported, of a save."""

import json
from pathlib import Path

from qwen_vla_core.errors import CheckpointError


def read_json(path: Path) -> dict:
    """A JSON object from a file.

    Raises:
        CheckpointError: it is missing, not JSON or not an object.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: not a JSON object")
    return content
