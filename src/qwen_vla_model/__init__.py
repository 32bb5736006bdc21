"""The network and its policy (arXiv 2605.30280), with what trains it and what measures it."""

import logging

# transformers imports torchao wherever it is installed. Where there is no CUDA, that warns of
# kernels nobody here calls, and of torchao's own use of something deprecated.
for _name in ("torchao", "torch.utils._pytree"):
    logging.getLogger(_name).setLevel(logging.ERROR)
