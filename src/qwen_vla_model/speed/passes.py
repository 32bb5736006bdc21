"""One pass of the model as named phases: ours, and the plain one that it is compared with."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch

from qwen_vla_core.embodiment import Camera

from ..config import QwenVlaConfig
from ..flow_matching import timesteps
from ..images import patchify, resize_to
from ..model import Inputs, QwenVla
from ..runtime import replayed

Phases = dict[str, Callable[[], object]]

PRE, POST = "pre-processing", "post-processing"
"""The phases that begin and end on the host, so that no graph can hold them."""

CAMERA = (480, 640)
"""Rows and columns of the images that come in, those of most robot cameras."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What the duration of a pass depends on, beside the model.

    Attributes:
        size: pixels of each side of a view.
        text_tokens: tokens of the prompt beside the image tokens.
        padding: those of them that only fill a fixed length, and are masked.
        batch: robots answered in one pass.
    """

    views: int
    size: int
    text_tokens: int
    padding: int = 0
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


def check_size(config: QwenVlaConfig, shape: Shape) -> None:
    """Refuse a view that is no whole number of image tokens.

    Raises:
        ValueError: it is not.
    """
    vision = config.backbone_config().vision_config
    unit = vision.patch_size * vision.spatial_merge_size
    if shape.size % unit:
        raise ValueError(f"size {shape.size} is no multiple of {unit}, the side of an image token")


def random_inputs(config: QwenVlaConfig, shape: Shape, device: torch.device) -> Inputs:
    """Room for an observation; its images are filled in by a pass."""
    vision = config.backbone_config().vision_config
    side = shape.size // vision.patch_size
    tokens = (side // vision.spatial_merge_size) ** 2
    values = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    image, word = config.backbone["image_token_id"], 0 if config.backbone["image_token_id"] else 1
    views = ([word] + [image] * tokens) * shape.views
    text = [word] * (shape.text_tokens - shape.views)
    B, length = shape.batch, len(views) + len(text)
    mask_PL = torch.ones(B, length, dtype=torch.bool, device=device)
    mask_PL[:, length - shape.padding :] = False
    return Inputs(
        patches=tuple(
            torch.zeros(B, side * side, values, device=device) for _ in range(shape.views)
        ),
        grids=((side, side),) * shape.views,
        image_at=tuple(i for i, token in enumerate(views) if token == image),
        observation_P=torch.arange(B, device=device),
        input_ids_PL=torch.tensor([views + text] * B, device=device),
        mask_PL=mask_PL if shape.padding else None,
        state_PK=torch.zeros(B, config.channels, device=device),
        valid_PHK=torch.ones(B, config.horizon, config.channels, dtype=torch.bool, device=device),
    )


def our_phases(model: QwenVla, inputs: Inputs) -> Phases:
    """From the cameras' images to the chunk on the host."""
    now = SimpleNamespace()
    schedule = model.schedule().values()
    noise = _noise(inputs)

    def context():
        now.context = model.context(inputs, now.hidden)
        now.y = noise

    def step(time):
        def run():
            velocity = model.velocity(now.y, time, inputs.state_PK, now.context)
            now.y = now.y - velocity / len(schedule)

        return run

    return {
        PRE: _look(model, inputs, noise, inputs.state_PK.device),
        "vision": lambda: setattr(now, "images", model.encode_views(inputs)),
        "prefill": lambda: setattr(now, "hidden", model.encode(inputs, now.images)),
        "expert context": context,
        **{f"Euler step {i}": step(time) for i, time in enumerate(schedule, start=1)},
        POST: lambda: now.y[:, 0].double().cpu().numpy(),
    }


def plain_phases(model: QwenVla, inputs: Inputs) -> Phases:
    """The straightforward program: transformers' own forward, context computed in each step."""
    now = SimpleNamespace()
    backbone, steps = model.backbone, model.config.euler_steps
    image = inputs.input_ids_PL == backbone.config.image_token_id
    thw = torch.tensor([[1, *grid] for grid in inputs.grids] * len(inputs.input_ids_PL))
    thw = thw.to(inputs.input_ids_PL.device)
    noise = _noise(inputs)

    def read():
        now.hidden = backbone(
            input_ids=inputs.input_ids_PL,
            mm_token_type_ids=image.int(),
            pixel_values=torch.stack(inputs.patches, dim=1).flatten(0, 2),
            image_grid_thw=thw,
            use_cache=False,
        ).last_hidden_state
        now.y = noise

    def step(tau):
        def run():
            positions_3PL, _ = backbone.get_rope_index(inputs.input_ids_PL, image.int(), thw)
            context = model.expert.prepare(now.hidden, positions_3PL, inputs.mask_PL)
            time = model.expert.time(now.y.new_full((len(now.y), 1), tau))
            velocity = model.velocity(now.y, time, inputs.state_PK, context)
            now.y = now.y - velocity / steps

        return run

    return {
        PRE: _look(model, inputs, noise, torch.device("cpu")),
        "vision and prefill": read,
        **{f"Euler step {i}": step(t) for i, t in enumerate(timesteps(steps), start=1)},
        POST: lambda: now.y[:, 0].double().cpu().numpy(),
    }


def captured(phases: Phases) -> Phases:
    """The same on a GPU, each phase between the host's as one replayed CUDA graph."""
    pool = torch.cuda.graph_pool_handle()
    replays = {}
    for name, phase in phases.items():
        replays[name] = phase if name in (PRE, POST) else replayed(phase, pool)
        replays[name]()  # the next phase is captured on this one's buffers
    return replays


def _noise(inputs: Inputs) -> torch.Tensor:
    P, H, K = inputs.valid_PHK.shape
    return torch.empty(P, 1, H, K, device=inputs.state_PK.device)


def _look(model: QwenVla, inputs: Inputs, noise: torch.Tensor, device: torch.device):
    """Fill the buffers: noise, and images resized and normalised on ``device``."""
    vision = model.backbone.config.vision_config
    height, width = (cells * vision.patch_size for cells in inputs.grids[0])
    camera = Camera(name="any", topic="/any", tag="ego", width=width, height=height, max_age_s=1.0)
    image = np.random.default_rng(0).integers(0, 256, (*CAMERA, 3), dtype=np.uint8)

    def run():
        noise.normal_()
        for patches in inputs.patches:
            images = [resize_to(device, image, camera) for _ in range(len(patches))]
            patches.copy_(patchify(torch.stack(images), vision))

    return run
