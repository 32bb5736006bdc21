"""From an observation to the model's inputs (paper section 2.3): views, prompt, state."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, compress

import numpy as np
import torch
import torch.nn.functional as F
from transformers import PreTrainedTokenizerFast

from qwen_vla_core.embodiment import Camera, Embodiment, EmbodimentCodec, build_prompt
from qwen_vla_core.errors import CheckpointError

from .backbone import Grid
from .channel_layout import channel_slots
from .config import STATE_BINS, QwenVlaConfig
from .images import patchify
from .model import Inputs
from .tokenizer import (
    CHAT,
    IMAGE,
    PAD,
    VISION_END,
    VISION_START,
    check_tokens,
    control_tokens,
    cut_control_tokens,
    tag_tokens,
)

TILE = 16
"""Rows that a tensor core multiplies at once."""
SENTENCES = 256
"""Sentences about a robot whose tokens are kept: on a robot it is the same one again and again."""


class Processor:
    """Everything between the robot's units and the network's tensors, for one embodiment.

    Attributes:
        pad: the token of padding.
        pad_to: tokens that every prompt is padded to, with a mask; 0 for the longest of a batch.
        prompt_embodiment: the robot that the prompt describes; None for no such sentence. It is
            the robot's own, except to measure what the sentence is worth.
    """

    def __init__(
        self, config: QwenVlaConfig, tokenizer: PreTrainedTokenizerFast, embodiment: Embodiment
    ):
        vision = config.backbone_config().vision_config
        self.config, self.tokenizer, self.embodiment = config, tokenizer, embodiment
        self.codec = EmbodimentCodec(embodiment)
        self.pad_to = 0
        self.prompt_embodiment: Embodiment | None = embodiment
        self._patch, self._merge = vision.patch_size, vision.spatial_merge_size
        self._vision = vision
        self._controls = control_tokens(tokenizer)
        self.pad, self._image = tokenizer.convert_tokens_to_ids([PAD, IMAGE])
        self.grids: tuple[Grid, ...] = tuple(
            (camera.height // self._patch, camera.width // self._patch)
            for camera in embodiment.cameras
        )
        self.slots = channel_slots(embodiment, config.channel_layout, config.channels)
        check_tokens(tokenizer, config, [camera.tag for camera in embodiment.cameras])
        self._known_words = lru_cache(maxsize=SENTENCES)(self._tokenize_words)
        self._check()
        self._view_ids = [
            self._view_tokens(camera, grid)
            for camera, grid in zip(embodiment.cameras, self.grids, strict=True)
        ]
        around = CHAT if config.prompt == "chat" else ("", "")
        self._before, self._after = map(self._tokenize, around)
        self.valid_HK = torch.zeros(config.horizon, config.channels, dtype=torch.bool)
        self.valid_HK[: embodiment.horizon, self.slots.actions] = True

    def _check(self) -> None:
        """Refuse an embodiment that does not fit the model's shape."""
        config, robot, unit = self.config, self.embodiment, self._patch * self._merge
        if robot.horizon > config.horizon:
            raise CheckpointError(
                f"{robot.name}: horizon {robot.horizon}, but the model's is {config.horizon}"
            )
        for camera in robot.cameras:
            if camera.width % unit or camera.height % unit:
                raise CheckpointError(
                    f"{robot.name}: camera {camera.name} is {camera.width} x {camera.height}; "
                    f"the model needs multiples of {unit}"
                )

    def _view_tokens(self, camera: Camera, grid: Grid) -> list[int]:
        """Token ids of one camera's images, oldest first, inside its tag.

        Of history the paper only says that there may be some. A past image is an image here;
        Qwen3.5's path for video would merge them in pairs, evenly spaced, for half the tokens.
        """
        start, end = tag_tokens(camera.tag)
        image = VISION_START + IMAGE * (grid[0] * grid[1] // self._merge**2) + VISION_END
        return self._tokenize(start + image * len(camera.frames) + end)

    def _tokenize(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def _tokenize_words(self, text: str) -> list[int]:
        """Token ids of what people wrote, where ``<|image_pad|>`` is no place of an image."""
        return [*chain(*map(self._tokenize, cut_control_tokens(text, self._controls)))]

    def tokens(
        self,
        instruction: str,
        state_S: np.ndarray,
        seen: Sequence[bool] | None = None,
        steps: int | None = None,
    ) -> list[int]:
        """Token ids of the whole prompt: the views, then the embodiment sentence.

        Args:
            state_S: normalised state; in the text where proprioception is ``prompt``.
            seen: for each camera, whether it has an image; all of them, if None.
            steps: how many actions are asked for; None for a chunk of them.
        """
        bins = None
        if self.config.expert.proprioception == "prompt":
            bins = np.clip((state_S + 1.0) / 2.0 * STATE_BINS, 0, STATE_BINS - 1).astype(int)
            bins = bins.tolist()
        views = self._view_ids if seen is None else compress(self._view_ids, seen)
        sentence = build_prompt(self.prompt_embodiment, instruction, bins, steps)
        words = self._known_words(sentence)
        return [*self._before, *chain(*views), *words, *self._after]

    @property
    def action_tokens(self) -> int:
        """Tokens that the expert puts behind a prompt: the chunk's steps, and the state's."""
        return self.config.horizon + (self.config.expert.proprioception == "expert")

    @property
    def tokens_around(self) -> int:
        """Tokens of a prompt beside its instruction's."""
        return len(self.tokens("", np.zeros(len(self.embodiment.state_channels))))

    def room_for(self, instruction_tokens: int) -> int:
        """Tokens of a prompt with an instruction of this length.

        Rounded up so that prompt and actions together, over which the expert attends under a mask,
        are whole tiles: fused attention takes no mask whose rows begin anywhere else.
        """
        own = self.tokens_around + instruction_tokens + self.action_tokens
        return -(-own // TILE) * TILE - self.action_tokens

    def __call__(
        self,
        images: Sequence[torch.Tensor | None],
        observation_P: Sequence[int],
        instructions: Sequence[str],
        states_PS: np.ndarray,
        answers: Sequence[str] | None = None,
        steps_P: Sequence[int] | None = None,
    ) -> Inputs:
        """Assemble a batch.

        Args:
            images: for each camera, uint8 [O, F, height, width, 3], already resized, of its F
                frames, oldest first; None where an optional camera has no image.
            observation_P: the observation of each prompt.
            states_PS: native states of each prompt.
            answers: to each prompt, in training. They stand behind it, outside of the mask.
            steps_P: how many actions each prompt asks for; None for a chunk of them.
        """
        states_PS = self.codec.normalize_state(states_PS)
        seen = [view is not None for view in images]
        steps = steps_P or [None] * len(instructions)
        rows = [
            self.tokens(instruction, state_S, seen, count)
            for instruction, state_S, count in zip(instructions, states_PS, steps, strict=True)
        ]
        frames = [
            (grid, frame_OHWC)
            for grid, view in compress(zip(self.grids, images, strict=True), seen)
            for frame_OHWC in view.unbind(1)
        ]
        lengths = torch.tensor([len(row) for row in rows])
        if answers is not None:
            rows = [[*row, *self._tokenize(a)] for row, a in zip(rows, answers, strict=True)]
        length = max(self.pad_to, *(len(row) for row in rows))
        ids = torch.tensor([row + [self.pad] * (length - len(row)) for row in rows])
        padded = self.pad_to > 0 or bool((lengths < length).any())
        return Inputs(
            patches=tuple(patchify(frame_OHWC, self._vision) for _, frame_OHWC in frames),
            grids=tuple(grid for grid, _ in frames),
            image_at=tuple(i for i, token in enumerate(rows[0]) if token == self._image),
            observation_P=torch.as_tensor(observation_P),
            input_ids_PL=ids,
            mask_PL=torch.arange(length) < lengths[:, None] if padded else None,
            state_PK=self._place(states_PS, self.slots.states),
            valid_PHK=self._valid(len(rows), steps_P),
        )

    def _valid(self, prompts: int, steps_P: Sequence[int] | None) -> torch.Tensor:
        """Where the robot has a step and a channel, bool [P, H, K]; see ``Inputs``."""
        if steps_P is None:
            return self.valid_HK.expand(prompts, -1, -1)
        wanted_PH = (
            torch.arange(max(self.config.horizon, *steps_P)) < torch.tensor(steps_P)[:, None]
        )
        return wanted_PH[..., None] & self.valid_HK[:1]

    def place_actions(self, actions_NTC: np.ndarray) -> torch.Tensor:
        """The robot's actions among the model's: float32 [N, H, K], zero elsewhere.

        H is the model's horizon, or T where that is longer.
        """
        placed = self._place(actions_NTC, self.slots.actions)
        return F.pad(placed, (0, 0, 0, max(0, self.config.horizon - placed.shape[1])))

    def take_actions(self, chunks_NHK: torch.Tensor) -> np.ndarray:
        """The robot's actions out of the model's: float64 [N, the robot's horizon, C]."""
        robots = chunks_NHK[:, : self.embodiment.horizon, self.slots.actions]
        return robots.double().cpu().numpy()

    def _place(self, values: np.ndarray, slots: Sequence[int]) -> torch.Tensor:
        """Values [..., C] in their slots among the model's K channels, float32, zero elsewhere."""
        out = torch.zeros(*values.shape[:-1], self.config.channels)
        out[..., slots] = torch.as_tensor(values, dtype=torch.float32)
        return out
