"""Where a checkpoint lies: a folder, or a name on the Hugging Face hub that is fetched into one.

Only JSON and safetensors are ever fetched; a pickle beside them stays where it is.
"""

import re
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HTTPError

from qwen_vla_core.errors import CheckpointError

DESCRIPTION = ("*.json",)
WEIGHTS = ("*.safetensors",)


def find_checkpoint(name: Path | str, weights: bool = False) -> Path:
    """The folder of a checkpoint.

    Args:
        name: a folder or, where there is none, ``owner/model`` on the hub.
        weights: fetch the weights from the hub too. Without them, what describes a checkpoint is
            enough to refuse it before gigabytes have come over the network.
    Raises:
        CheckpointError: there is no such folder, nor such a name on the hub or in its cache.
    """
    if str(name) and Path(name).is_dir():
        return Path(name)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", str(name)):
        raise CheckpointError(f"'{name}' is neither a folder nor a name on the hub (owner/model)")
    patterns = [*DESCRIPTION, *WEIGHTS] if weights else [*DESCRIPTION]
    try:
        return Path(snapshot_download(str(name), allow_patterns=patterns))
    except (OSError, HTTPError, ValueError) as error:
        raise CheckpointError(
            f"'{name}' is no folder here, and it cannot be had from the hub: {error}"
        ) from error
