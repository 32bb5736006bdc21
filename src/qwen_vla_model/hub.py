"""Where a checkpoint is: a folder, or a name on the Hugging Face hub that is fetched into one.

Only JSON and safetensors are ever fetched; a pickle beside them stays where it is.
"""

import re
from pathlib import Path

from qwen_vla_core.errors import CheckpointError
from qwen_vla_core.resources import SHIPPED_CHECKPOINT

CONFIG, EMBODIMENTS, TOKENIZER = "config.json", "embodiments.json", "tokenizer.json"
TRAINING = "training.json"
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
"""Names of the weights: one file, or the index of several."""
OF_A_RUN = "checkpoint"
"""Where the folder of a training run keeps its checkpoint."""

DESCRIPTION = ("*.json",)
WEIGHTS = ("*.safetensors",)


def find_checkpoint(name: Path | str | None = None, weights: bool = False) -> Path:
    """The folder of a policy's checkpoint. Every checkpoint argument is resolved here.

    Args:
        name: a folder or, where there is none, ``owner/model`` on the hub; None for the
            checkpoint that comes with the package.
        weights: with the weights. Without them, what describes a checkpoint is enough to refuse
            it before gigabytes have come over the network.
    Raises:
        CheckpointError: there is no such folder, nor such a name on the hub or in its cache; or
            it is no policy's checkpoint, and what it lacks is named.
    """
    name = SHIPPED_CHECKPOINT if name is None else name
    folder = find_folder(name, weights)
    missing = [file for file in (CONFIG, EMBODIMENTS, TOKENIZER) if not (folder / file).is_file()]
    if weights and not any((folder / file).is_file() for file in (SINGLE, INDEX)):
        missing.append(SINGLE)
    if missing:
        own = folder / OF_A_RUN
        where = f"use {own}" if own.is_dir() else f"a training run keeps its own in {OF_A_RUN}/"
        raise CheckpointError(
            f"{name} is no checkpoint: it has no {', no '.join(missing)}; {where}"
        )
    return folder


def find_folder(name: Path | str, weights: bool) -> Path:
    """As ``find_checkpoint``, of any model: what is in the folder is not looked at."""
    if str(name) and Path(name).is_dir():
        return Path(name)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", str(name)):
        raise CheckpointError(f"'{name}' is neither a folder nor a name on the hub (owner/model)")
    from huggingface_hub import snapshot_download  # takes a while, and most never need it
    from huggingface_hub.errors import HTTPError

    patterns = [*DESCRIPTION, *WEIGHTS] if weights else [*DESCRIPTION]
    try:
        return Path(snapshot_download(str(name), allow_patterns=patterns))
    except (OSError, HTTPError, ValueError) as error:
        reason = " ".join(str(error).split())  # the hub's own words have several lines
        raise CheckpointError(
            f"'{name}' is no folder here, and it cannot be had from the hub: {reason}"
        ) from error
