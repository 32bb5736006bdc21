"""One pass of the model as named stages: ours, and the plain one that it is compared with."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import torch

from ..config import QwenVlaConfig
from ..model import Inputs, QwenVla

Stages = dict[str, Callable[[], object]]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What the duration of a pass depends on, beside the model.

    Attributes:
        size: pixels of each side of a view.
        text_tokens: tokens of the prompt beside the image tokens.
        batch: robots answered in one pass.
    """

    views: int
    size: int
    text_tokens: int
    batch: int = 1


def random_model(config: QwenVlaConfig, device: torch.device, dtype: torch.dtype) -> QwenVla:
    """Random weights, made where and as they are used: 5 B parameters need no second copy."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = QwenVla(config)
    finally:
        torch.set_default_dtype(default)
    # A start for training has zero gates; a chunk that nothing flows into could be optimised away.
    for block in model.expert.blocks:
        torch.nn.init.normal_(block.modulation.weight, std=0.02)
    return model.eval().requires_grad_(False)


def random_inputs(config: QwenVlaConfig, shape: Shape, device: torch.device, dtype) -> Inputs:
    """An observation of noise.

    Raises:
        ValueError: no whole number of image tokens has that size.
    """
    vision = config.backbone_config().vision_config
    unit = vision.patch_size * vision.spatial_merge_size
    if shape.size % unit:
        raise ValueError(f"size {shape.size} is no multiple of {unit}, the side of an image token")
    side = shape.size // vision.patch_size
    tokens = (side // vision.spatial_merge_size) ** 2
    values = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    image, word = config.backbone["image_token_id"], 0 if config.backbone["image_token_id"] else 1
    views = ([word] + [image] * tokens) * shape.views
    text = [word] * (shape.text_tokens - shape.views)
    B = shape.batch
    return Inputs(
        patches=tuple(
            torch.randn(B, side * side, values, device=device, dtype=dtype)
            for _ in range(shape.views)
        ),
        grids=((side, side),) * shape.views,
        observation_P=torch.arange(B, device=device),
        input_ids_PL=torch.tensor([views + text] * B, device=device),
        mask_PL=None,
        state_PK=torch.zeros(B, config.channels, device=device, dtype=dtype),
        valid_PHK=torch.ones(B, config.horizon, config.channels, dtype=torch.bool, device=device),
    )


def our_stages(model: QwenVla, inputs: Inputs) -> Stages:
    """Vision, language model, expert context, Euler steps, and the result on the host."""
    now = SimpleNamespace()
    steps = model.config.euler_steps
    positions_3PL = model.backbone.positions(inputs.input_ids_PL, inputs.grids)
    noise = _noise(model, inputs)

    def vision():
        now.images = model._encode_views(inputs)

    def prefill():
        now.hidden = model.backbone.encode(inputs.input_ids_PL, now.images, positions_3PL)

    def context():
        now.context = model.expert.prepare(now.hidden, positions_3PL, inputs.mask_PL)
        now.y = noise

    def step(i):
        def run():
            now.y = _euler(model, inputs, now.context, now.y, i)

        return run

    return {
        "vision": vision,
        "prefill": prefill,
        "expert context": context,
        **{f"Euler step {i + 1}": step(i) for i in range(steps)},
        "post-processing": lambda: _to_host(now.y),
    }


def plain_stages(model: QwenVla, inputs: Inputs) -> Stages:
    """The straightforward program: transformers' own forward, the context anew in each step."""
    now = SimpleNamespace()
    backbone = model.backbone
    image = inputs.input_ids_PL == backbone.config.image_token_id
    thw = torch.tensor([[1, *grid] for grid in inputs.grids] * len(inputs.input_ids_PL))
    thw = thw.to(inputs.input_ids_PL.device)
    pixels = torch.stack(inputs.patches, dim=1).flatten(0, 2)
    noise = _noise(model, inputs)

    def read():
        now.hidden = backbone(
            input_ids=inputs.input_ids_PL,
            mm_token_type_ids=image.int(),
            pixel_values=pixels,
            image_grid_thw=thw,
            use_cache=False,
        ).last_hidden_state
        now.y = noise

    def step(i):
        def run():
            positions_3PL, _ = backbone.get_rope_index(inputs.input_ids_PL, image.int(), thw)
            context = model.expert.prepare(now.hidden, positions_3PL, inputs.mask_PL)
            now.y = _euler(model, inputs, context, now.y, i)

        return run

    return {
        "vision and prefill": read,
        **{f"Euler step {i + 1}": step(i) for i in range(model.config.euler_steps)},
        "post-processing": lambda: _to_host(now.y),
    }


def _noise(model: QwenVla, inputs: Inputs) -> torch.Tensor:
    config, P = model.config, len(inputs.input_ids_PL)
    noise = torch.randn(P, 1, config.horizon, config.channels, device=inputs.state_PK.device)
    return noise


def _euler(model: QwenVla, inputs: Inputs, context, y, i: int) -> torch.Tensor:
    steps = model.config.euler_steps
    tau = y.new_full((len(y), 1), 1.0 - i / steps)
    dtype = inputs.state_PK.dtype
    return y - model.velocity(y.to(dtype), tau, inputs.state_PK, context) / steps


def _to_host(y: torch.Tensor):
    return y[:, 0].double().cpu().numpy()
