"""Which weights a policy had: their names may be used again, their hash is not."""

import hashlib
from pathlib import Path

from qwen_vla_core.errors import RecordingError

WEIGHTS = "*.safetensors"
BLOCK_BYTES = 2**20


def checkpoint_sha256(checkpoint: str) -> str:
    """SHA-256 of the weights' files, in the order of their names.

    Args:
        checkpoint: as at launch; "" where no policy runs.
    Returns:
        "" where the weights are not in a folder on this computer (a server, the hub, none).
    Raises:
        RecordingError: a file cannot be read.
    """
    folder = Path(checkpoint)
    files = sorted(folder.glob(WEIGHTS)) if checkpoint and folder.is_dir() else []
    if not files:
        return ""
    digest = hashlib.sha256()
    try:
        for path in files:
            with path.open("rb") as file:
                while block := file.read(BLOCK_BYTES):
                    digest.update(block)
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror or error}") from error
    return digest.hexdigest()
