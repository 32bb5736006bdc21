"""Every size of the model in one place (paper section 2.2: backbone, action expert, their widths).

``qwen_vla_5b`` is the published model, ``qwen_vla_tiny`` the same code at a few million
parameters, and ``qwen_vla`` puts an expert on any other Qwen3.5.

The paper gives parameter counts and no widths. Its projection (2560 d + d = 3.9 M), timestep
embedding (256 d + d^2 + 2 d = 2.8 M) and output AdaLN (2 d^2 + 2 d = 4.7 M) leave d = 1535 to
1540, of which 1536 = 12 x 128 is the usual one; then its action MLPs (2 d^2 + 2 K d + 3 d + K =
4.9 M) leave K = 42 to 73, of which 64 is. A block of 70.8 M is 30 d^2, which four shapes have:

* two streams that share their attention, each with its own projections and MLP (70.82 M);
* one stream, attention as wide as itself, a SwiGLU of 10240 (70.79 M);
* one stream, attention of twice its width, a SwiGLU of 8192 (70.80 M);
* one stream, 24 query heads on 12 keys and values, a SwiGLU of 9216 (70.80 M).

"Single-stream", as the paper words it, excludes the first. Of the others we take the second: it
needs no ratio that the paper would have had to mention, and it is the shape that the same team
published for Qwen-RobotManip (12 x 64 = 768 wide, SwiGLU). When weights are published, they tell.
"""

import json
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, model_validator
from transformers import Qwen3_5Config

from .channel_layout import CANONICAL_CHANNELS, ChannelLayout

MOST_LAYERS = 1000
"""Limit of whatever is looped over: a damaged file must not keep a machine busy."""
Count = Annotated[int, Field(ge=1, le=MOST_LAYERS)]


TIMESTEP_DIMS = 256
"""Sinusoids of the timestep, as the published 2.8 M of its embedding imply."""

STATE_BINS = 256
"""For each channel of a state that is written in the prompt."""


PromptForm = Literal["plain", "chat"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExpertConfig(_Strict):
    """The diffusion transformer that turns backbone states and noise into actions.

    Attributes:
        width: channels of the stream, d.
        heads, head_dim: attention; its inner width is ``heads * head_dim``.
        mlp_hidden: hidden width of the SwiGLU.
        context: ``joint``: backbone tokens are modulated and attend to the action tokens at every
            Euler step, as the paper words it. ``cached``: they are neither, so that their keys and
            values are computed once per chunk.
        proprioception: ``none`` (the paper's default), ``prompt`` (256 bins in the text) or
            ``expert`` (one state token before the action tokens).
        prediction: what the last layer puts out: the ``velocity`` Y1 - Y0, as the paper's loss
            names it, or the clean ``action`` Y0, from which the velocity follows as
            (Y_tau - Y0) / tau. The loss is on the velocity either way. A small network learns
            the second much sooner, because it need not carry the noise through to its output.
    """

    width: PositiveInt
    blocks: Count
    heads: PositiveInt
    head_dim: PositiveInt
    mlp_hidden: PositiveInt
    context: Literal["joint", "cached"]
    proprioception: Literal["none", "prompt", "expert"]
    prediction: Literal["velocity", "action"]


class QwenVlaConfig(_Strict):
    """The whole model.

    Attributes:
        horizon: action steps of a chunk, H.
        channels: width of the zero-padded action tensor, K.
        channel_layout: where a robot's channels stand in it, ``native`` or ``canonical``
            (channel_layout.py).
        euler_steps: integration steps from noise to actions.
        prefix_steps: the longest clean prefix it was trained to continue; 0 for none. What is
            longer than that is continued by guidance.
        prompt: ``plain``: views and the robot's sentence alone; ``chat``: as a user's turn in
            Qwen's chat template, with the assistant's begun behind it.
        min_view_pixels: pixels of the smallest view that the backbone was made for; 0 where that
            is not known.
        backbone: what ``Qwen3_5Config`` takes, with ``text_config`` and ``vision_config``.
    """

    model_type: Literal["qwen_vla"] = "qwen_vla"
    horizon: Count
    channels: PositiveInt
    channel_layout: ChannelLayout = "native"
    euler_steps: Count
    prefix_steps: NonNegativeInt = 0
    prompt: PromptForm = "plain"
    min_view_pixels: NonNegativeInt = 0
    expert: ExpertConfig
    backbone: dict[str, Any]

    @model_validator(mode="after")
    def _prefix_fits(self) -> "QwenVlaConfig":
        if self.prefix_steps >= self.horizon:
            raise ValueError(f"prefix_steps {self.prefix_steps} leave nothing of {self.horizon}")
        return self

    @model_validator(mode="after")
    def _layout_fits(self) -> "QwenVlaConfig":
        if self.channel_layout == "canonical" and self.channels < CANONICAL_CHANNELS:
            raise ValueError(
                f"the canonical layout needs {CANONICAL_CHANNELS} channels, not {self.channels}"
            )
        return self

    @model_validator(mode="after")
    def _backbone_fits(self) -> "QwenVlaConfig":
        try:
            backbone = self.backbone_config()
        except Exception as error:  # transformers and its strict dataclasses raise what they like
            raise ValueError(f"backbone: {error}") from error
        text, vision = backbone.text_config, backbone.vision_config
        if max(text.num_hidden_layers, vision.depth) > MOST_LAYERS:
            raise ValueError(f"more than {MOST_LAYERS} layers")
        for key in ("patch_size", "temporal_patch_size", "spatial_merge_size"):
            if not isinstance(getattr(vision, key), int) or getattr(vision, key) < 1:
                raise ValueError(f"vision {key} is {getattr(vision, key)}, not a positive number")
        rotary = int(text.head_dim * text.rope_parameters["partial_rotary_factor"])
        sections = text.rope_parameters.get("mrope_section", [11, 11, 10])  # the class's default
        if len(sections) != 3 or not all(isinstance(n, int) for n in sections):
            raise ValueError(f"mrope_section is {sections}, not three numbers")
        if 2 * sum(sections) != rotary:
            raise ValueError(f"mrope_section {sections} does not fill {rotary} rotary channels")
        if rotary > self.expert.head_dim:
            raise ValueError(f"expert head_dim {self.expert.head_dim} < backbone rotary {rotary}")
        if vision.out_hidden_size != text.hidden_size:
            raise ValueError(
                f"vision out_hidden_size {vision.out_hidden_size}, text {text.hidden_size}"
            )
        if not 0 <= backbone.image_token_id < text.vocab_size:
            raise ValueError(
                f"image_token_id {backbone.image_token_id} of {text.vocab_size} tokens"
            )
        return self

    def backbone_config(self) -> Qwen3_5Config:
        """The transformers configuration of the backbone; all who ask share it."""
        return _backbone_config(json.dumps(self.backbone))


@lru_cache(maxsize=8)  # 20 ms each time, and a dozen times for each policy that is loaded
def _backbone_config(values: str) -> Qwen3_5Config:
    return Qwen3_5Config(**json.loads(values))


def qwen_vla_tiny(
    vocab_size: int, image_token_id: int, channel_layout: ChannelLayout = "native"
) -> QwenVlaConfig:
    """A few million parameters for two cores: 96-pixel views become 16 tokens each."""
    return QwenVlaConfig(
        horizon=16,
        channels=16 if channel_layout == "native" else CANONICAL_CHANNELS,
        channel_layout=channel_layout,
        euler_steps=2,  # as good as five, one is not (docs/experiments.md, section 21)
        expert=ExpertConfig(
            width=192,
            blocks=4,
            heads=3,
            head_dim=64,
            mlp_hidden=384,
            context="cached",
            proprioception="expert",
            prediction="action",
        ),
        backbone={
            "image_token_id": image_token_id,
            "tie_word_embeddings": True,
            "text_config": {
                "vocab_size": vocab_size,
                "hidden_size": 192,
                "intermediate_size": 384,
                "num_hidden_layers": 2,
                "layer_types": ["linear_attention", "full_attention"],
                "num_attention_heads": 3,
                "num_key_value_heads": 3,
                "head_dim": 64,
                "linear_num_key_heads": 2,
                "linear_num_value_heads": 2,
                "linear_key_head_dim": 64,
                "linear_value_head_dim": 64,
                "max_position_embeddings": 1024,
                "initializer_range": 0.07,
                "rope_parameters": {
                    "rope_type": "default",
                    "rope_theta": 10_000.0,
                    "partial_rotary_factor": 0.5,
                    "mrope_section": [6, 5, 5],
                    "mrope_interleaved": True,
                },
            },
            "vision_config": {
                "depth": 3,
                "hidden_size": 128,
                "intermediate_size": 384,
                "num_heads": 4,
                "patch_size": 8,
                "temporal_patch_size": 1,
                "spatial_merge_size": 3,
                "num_position_embeddings": 144,
                "initializer_range": 0.08,
                "out_hidden_size": 192,
            },
        },
    )


PUBLISHED_EXPERT = ExpertConfig(
    width=1536,
    blocks=16,
    heads=12,
    head_dim=128,
    mlp_hidden=10240,
    context="joint",
    proprioception="none",
    prediction="velocity",
)
"""1.15 B parameters, see above; 5 Euler steps are our choice, the paper says "a few"."""

QWEN3_5_4B: dict[str, Any] = {
    "image_token_id": 248056,
    "tie_word_embeddings": True,
    "text_config": {
        "vocab_size": 248320,
        "hidden_size": 2560,
        "intermediate_size": 9216,
        "num_hidden_layers": 32,
        "num_attention_heads": 16,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "linear_num_key_heads": 16,
        "linear_num_value_heads": 32,
        "linear_key_head_dim": 128,
        "linear_value_head_dim": 128,
        "max_position_embeddings": 262144,
        "tie_word_embeddings": True,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10_000_000.0,
            "partial_rotary_factor": 0.25,
            "mrope_section": [11, 11, 10],
            "mrope_interleaved": True,
        },
    },
    "vision_config": {
        "depth": 24,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_heads": 16,
        "patch_size": 16,
        "temporal_patch_size": 2,
        "spatial_merge_size": 2,
        "num_position_embeddings": 2304,
        "out_hidden_size": 2560,
    },
}
"""The published configuration of Qwen3.5-4B, where it differs from the class's defaults (9B)."""


def qwen_vla(
    backbone: dict[str, Any],
    expert: ExpertConfig = PUBLISHED_EXPERT,
    horizon: int = 16,
    channel_layout: ChannelLayout = "native",
) -> QwenVlaConfig:
    """The published model around a backbone: H = 16, K = 64, 5 Euler steps."""
    return QwenVlaConfig(
        horizon=horizon,
        channels=64 if channel_layout == "native" else CANONICAL_CHANNELS,
        channel_layout=channel_layout,
        euler_steps=5,
        expert=expert,
        backbone=backbone,
    )


def qwen_vla_5b() -> QwenVlaConfig:
    """The published model: Qwen3.5-4B and an action expert of 1.15 B parameters."""
    return qwen_vla(QWEN3_5_4B)
