"""A network of a few thousand parameters behind a real tokenizer, for any robot."""

import torch

from micro_qwen_vla import micro_config
from qwen_vla_model.config import QwenVlaConfig
from qwen_vla_model.model import QwenVla
from qwen_vla_model.processor import Processor
from qwen_vla_model.tokenizer import IMAGE, train_tokenizer


def micro_processor(robot, **choices) -> tuple[QwenVla, Processor]:
    """The network, freshly initialised, and its processor; views are multiples of 16 pixels."""
    config = micro_config(**{"horizon": 16, "channels": 16} | choices).model_dump()
    tokenizer = train_tokenizer()
    config["backbone"]["image_token_id"] = tokenizer.convert_tokens_to_ids(IMAGE)
    config["backbone"]["text_config"]["vocab_size"] = len(tokenizer)
    config = QwenVlaConfig.model_validate(config)
    torch.manual_seed(0)
    return QwenVla(config), Processor(config, tokenizer, robot)
