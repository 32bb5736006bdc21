"""From an observation to the model's inputs (paper section 2.3): views, prompt, state."""

from collections.abc import Sequence

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec, build_prompt
from qwen_vla_core.errors import CheckpointError

from .backbone import Grid
from .config import QwenVlaConfig
from .model import Inputs
from .pictures import patchify, resize
from .tokenizer import IMAGE, PAD, VISION_END, VISION_START, check_tokens

STATE_BINS = 256
TILE = 16
"""Rows that a tensor core multiplies at once."""


class Processor:
    """Everything between the robot's units and the network's tensors, for one embodiment.

    Attributes:
        pad_to: tokens that every prompt is padded to, with a mask; 0 for the longest of a batch.
    """

    def __init__(
        self, config: QwenVlaConfig, tokenizer: PreTrainedTokenizerFast, embodiment: Embodiment
    ):
        vision = config.backbone_config().vision_config
        self.config, self.tokenizer, self.embodiment = config, tokenizer, embodiment
        self.codec = EmbodimentCodec(embodiment)
        self.pad_to = 0
        self._patch, self._merge = vision.patch_size, vision.spatial_merge_size
        self._vision = vision
        self._pad, self._image = tokenizer.convert_tokens_to_ids([PAD, IMAGE])
        self.grids: tuple[Grid, ...] = tuple(
            (camera.height // self._patch, camera.width // self._patch)
            for camera in embodiment.cameras
        )
        check_tokens(tokenizer, config)
        self._check()
        views = "".join(
            f"<|{camera.tag}_start|>{VISION_START}{IMAGE * self._image_tokens(grid)}{VISION_END}"
            f"<|{camera.tag}_end|>"
            for camera, grid in zip(embodiment.cameras, self.grids, strict=True)
        )
        self._views_ids = tokenizer(views, add_special_tokens=False)["input_ids"]
        self.valid_HK = torch.zeros(config.horizon, config.channels, dtype=torch.bool)
        self.valid_HK[: embodiment.horizon, : len(embodiment.action_channels)] = True

    def _check(self) -> None:
        """Refuse an embodiment that does not fit the model's shape."""
        config, robot, unit = self.config, self.embodiment, self._patch * self._merge
        if robot.horizon > config.horizon:
            raise CheckpointError(
                f"{robot.name}: horizon {robot.horizon}, but the model's is {config.horizon}"
            )
        widest = max(len(robot.action_channels), len(robot.state_channels))
        if widest > config.channels:
            raise CheckpointError(
                f"{robot.name}: {widest} channels, but the model has {config.channels}"
            )
        for camera in robot.cameras:
            if camera.width % unit or camera.height % unit:
                raise CheckpointError(
                    f"{robot.name}: camera {camera.name} is {camera.width} x {camera.height}; "
                    f"the model needs multiples of {unit}"
                )

    def _image_tokens(self, grid: Grid) -> int:
        return grid[0] * grid[1] // self._merge**2

    def tokens(self, instruction: str, state_S: np.ndarray) -> list[int]:
        """Token ids of the whole prompt: the views, then the embodiment sentence.

        Args:
            state_S: normalised state; in the text where proprioception is ``prompt``.
        """
        text = build_prompt(self.embodiment, instruction)
        if self.config.expert.proprioception == "prompt":
            bins = np.clip((state_S + 1.0) / 2.0 * STATE_BINS, 0, STATE_BINS - 1).astype(int)
            text = f"state: {bins.tolist()} {text}"
        return self._views_ids + self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def room_for(self, instruction_tokens: int) -> int:
        """Length of a prompt with so long an instruction, rounded up to what matrices like."""
        rest = len(self.tokens("", np.zeros(len(self.embodiment.state_channels))))
        return -(-(rest + instruction_tokens) // TILE) * TILE

    def resize(self, image_HWC: np.ndarray, camera_index: int) -> np.ndarray:
        """An image of any size as the model sees it: uint8 RGB [height, width, 3]."""
        camera = self.embodiment.cameras[camera_index]
        return resize(image_HWC, camera.height, camera.width)

    def __call__(
        self,
        images: Sequence[torch.Tensor],
        observation_P: Sequence[int],
        instructions: Sequence[str],
        states_PS: np.ndarray,
    ) -> Inputs:
        """Assemble a batch.

        Args:
            images: for each camera, uint8 [O, height, width, 3], already resized.
            observation_P: the observation of each prompt.
            states_PS: native states of each prompt.
        """
        states_PS = self.codec.normalize_state(states_PS)
        rows = [self.tokens(i, s) for i, s in zip(instructions, states_PS, strict=True)]
        length = max(self.pad_to, *(len(row) for row in rows))
        ids = torch.tensor([row + [self._pad] * (length - len(row)) for row in rows])
        lengths = torch.tensor([len(row) for row in rows])
        padded = self.pad_to > 0 or bool((lengths < length).any())
        return Inputs(
            patches=tuple(patchify(view, self._vision) for view in images),
            grids=self.grids,
            image_at=tuple(i for i, token in enumerate(rows[0]) if token == self._image),
            observation_P=torch.as_tensor(observation_P),
            input_ids_PL=ids,
            mask_PL=torch.arange(length) < lengths[:, None] if padded else None,
            state_PK=pad_channels(states_PS, self.config.channels),
            valid_PHK=self.valid_HK.expand(len(rows), -1, -1),
        )


def pad_channels(values: np.ndarray, channels: int) -> torch.Tensor:
    """Zero-pad the last axis to the model's K channels, float32."""
    out = torch.zeros(*values.shape[:-1], channels)
    out[..., : values.shape[-1]] = torch.as_tensor(values, dtype=torch.float32)
    return out
