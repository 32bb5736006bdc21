"""A network of a few thousand parameters and inputs for it."""

import torch

from qwen_vla_model.config import QwenVlaConfig, qwen_vla_tiny
from qwen_vla_model.model import Inputs, QwenVla

IMAGE_ID, VOCAB = 3, 64
GRID = (4, 4)
TOKENS_PER_VIEW = 4


def micro_config(
    context: str = "cached", proprioception: str = "expert", prediction: str = "action", **over
) -> QwenVlaConfig:
    config = qwen_vla_tiny(VOCAB, IMAGE_ID).model_dump()
    config |= {"horizon": 4, "channels": 5, "euler_steps": 3} | over
    config["expert"] |= {"width": 32, "blocks": 2, "heads": 2, "head_dim": 32, "mlp_hidden": 48}
    config["expert"] |= {"context": context, "proprioception": proprioception}
    config["expert"] |= {"prediction": prediction}
    config["backbone"]["text_config"] |= {"hidden_size": 32, "intermediate_size": 48}
    config["backbone"]["vision_config"] |= {"hidden_size": 32, "intermediate_size": 48, "depth": 2}
    config["backbone"]["vision_config"] |= {"num_position_embeddings": 16, "out_hidden_size": 32}
    config["backbone"]["vision_config"] |= {"spatial_merge_size": 2}
    return QwenVlaConfig.model_validate(config)


def micro_model(**choices) -> QwenVla:
    """Random weights everywhere, also where training starts from zero."""
    torch.manual_seed(0)
    model = QwenVla(micro_config(**choices)).eval()
    for parameter in model.expert.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def micro_inputs(observations: int = 2, prompts_each: int = 1, padding: int = 0) -> Inputs:
    """Two views per observation; ``padding`` tokens are padded in all prompts but the first."""
    generator = torch.Generator().manual_seed(1)
    views = [4] + [IMAGE_ID] * TOKENS_PER_VIEW + [5] + [IMAGE_ID] * TOKENS_PER_VIEW + [6]
    P, words = observations * prompts_each, 6
    text = torch.randint(7, VOCAB, (P, words), generator=generator)
    ids = torch.cat([torch.tensor(views).expand(P, -1), text], dim=1)
    mask = torch.ones_like(ids, dtype=torch.bool)
    if padding:
        mask[1:, -padding:] = False
        ids = ids.masked_fill(~mask, 0)
    return Inputs(
        patches=tuple(torch.randn(observations, 16, 192, generator=generator) for _ in range(2)),
        grids=(GRID, GRID),
        image_at=tuple(i for i, token in enumerate(views) if token == IMAGE_ID),
        observation_P=torch.arange(observations).repeat_interleave(prompts_each),
        input_ids_PL=ids,
        mask_PL=mask if padding else None,
        state_PK=torch.randn(P, 5, generator=generator),
        valid_PHK=torch.ones(P, 4, 5, dtype=torch.bool),
    )


def context_of(model: QwenVla, inputs: Inputs):
    """What the expert attends to."""
    return model.context(inputs, model.read(inputs))
