"""The network and its policy (arXiv 2605.30280), with what trains it and what measures it.

``load_policy`` is all that most programs need. Importing this package is cheap: torch comes with
the first policy.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from qwen_vla_core.embodiment import Embodiment, find_embodiment, load_embodiment
from qwen_vla_core.resources import embodiments_directory

if TYPE_CHECKING:
    from .policy import QwenVlaPolicy

__all__ = ["load_policy"]

# transformers imports torchao wherever it is installed. Where there is no CUDA, that warns of
# kernels nobody here calls, and of torchao's own use of something deprecated. hub_kernels warns in
# every process of kernels that only a GPU has; where there is one, delta_net.py says what to do.
for _name in ("torchao", "torch.utils._pytree", "transformers.integrations.hub_kernels"):
    logging.getLogger(_name).setLevel(logging.ERROR)


def load_policy(
    checkpoint: Path | str | None = None,
    embodiment: Embodiment | Path | str = "widowx",
    device: str = "cpu",
    seed: int = 0,
) -> "QwenVlaPolicy":
    """A policy that is ready for one robot.

    Args:
        checkpoint: a folder, or ``owner/model`` on the Hugging Face hub; None for the checkpoint
            that comes with the package.
        embodiment: the robot: the name of a file in ``embodiments/``, the path of a YAML file, or
            what ``load_embodiment`` returned.
        device: "cpu" or "cuda". Weights are kept as float32 on a CPU and as bfloat16 on a GPU.
        seed: of the noise that every chunk starts from.
    Raises:
        YamlFileError: there is no such robot, or its file is not usable.
        CheckpointError: there is no such checkpoint, or it was not trained for this robot.
    """
    from .policy import QwenVlaPolicy

    if not isinstance(embodiment, Embodiment):
        path = find_embodiment(str(embodiment), embodiments_directory())
        embodiment = load_embodiment(path)
    return QwenVlaPolicy.load(checkpoint, embodiment, device, seed)
