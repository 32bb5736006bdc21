"""Recorded episodes as training samples: one observation with several instructions each."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from qwen_vla_core.episode import Episode
from qwen_vla_core.errors import QwenVlaError

from ..action_space import ActionSpace
from ..model import Inputs
from ..processor import Processor


@dataclass(frozen=True, kw_only=True)
class Batch:
    """P (observation, instruction) pairs.

    Attributes:
        actions_PHK: encoded, zero-padded. mask_PHK: bool, true where there is an action.
        boxes_PV4: where each view shows what is named, as fractions; NaN where it does not.
        instructions: what each pair was told.
    """

    inputs: Inputs
    actions_PHK: torch.Tensor
    mask_PHK: torch.Tensor
    boxes_PV4: torch.Tensor
    instructions: tuple[str, ...]


class EpisodeDataset:
    """All steps of some episodes in memory, images decoded and resized to the model's views.

    Args:
        space: how actions are encoded; fitted to these episodes where it is None.
    """

    def __init__(
        self, paths: Sequence[Path], processor: Processor, space: ActionSpace | None = None
    ):
        robot = processor.embodiment
        self.processor = processor
        with ThreadPoolExecutor(2) as pool:
            episodes = list(pool.map(lambda path: self._load(path), paths))
        if not episodes:
            raise QwenVlaError("no episodes to learn from")
        self.steps = [
            (episode, views, t)
            for episode, views in episodes
            for t in range(len(episode.states_TS))
        ]

        self.space = space or ActionSpace.fit(
            robot,
            processor.codec.normalize_actions(
                np.concatenate([e.actions_NTHC[e.valid_NTH.all(-1)] for e, _ in episodes])
            ),
        )

    def __len__(self) -> int:
        return len(self.steps)

    def _load(self, path: Path) -> tuple[Episode, list[np.ndarray]]:
        """An episode without its encoded images, and for each camera uint8 [T, h, w, 3]."""
        episode, robot = Episode.load(path), self.processor.embodiment
        horizon, channels = episode.actions_NTHC.shape[2:]
        if (episode.embodiment, horizon, channels) != (
            robot.name,
            robot.horizon,
            len(robot.action_channels),
        ):
            raise QwenVlaError(
                f"{path}: recorded on {episode.embodiment} with {horizon} steps of {channels} "
                f"channels, not on {robot.name} with {robot.horizon} of "
                f"{len(robot.action_channels)}"
            )
        views = []
        for i, camera in enumerate(robot.cameras):
            if camera.name not in episode.images:
                raise QwenVlaError(f"{path}: no images of camera {camera.name}")
            frames = []
            for data in episode.images[camera.name]:
                image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
                if image is None:
                    raise QwenVlaError(f"{path}: an image of camera {camera.name} is damaged")
                rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
                frames.append(self.processor.resize(rgb, i))
            views.append(np.stack(frames))
        object.__setattr__(episode, "images", {})  # decoded above; the rest stays small
        return episode, views

    def batch(self, indices: Sequence[int], rng: np.random.Generator, per_image: int) -> Batch:
        """Steps ``indices``, each with up to ``per_image`` of its instructions.

        The vision tower runs once per observation however many instructions it is told, and the
        same image with another sentence and another action is what teaches to listen.
        """
        observation_P, instructions, states, actions, valid, boxes = [], [], [], [], [], []
        for o, index in enumerate(indices):
            episode, _, t = self.steps[index]
            usable = np.flatnonzero(episode.valid_NTH[:, t].any(-1))
            for n in rng.permutation(usable)[:per_image]:
                observation_P.append(o)
                instructions.append(episode.instructions[n])
                states.append(episode.states_TS[t])
                actions.append(episode.actions_NTHC[n, t])
                valid.append(episode.valid_NTH[n, t])
                boxes.append(episode.boxes_NTV4[n, t])
        steps, processor = [self.steps[index] for index in indices], self.processor
        mask_PHC = np.repeat(np.stack(valid)[..., None], actions[0].shape[-1], axis=-1)
        native_PHC = np.where(mask_PHC, np.stack(actions), 0.0)
        encoded_PHC = self.space.encode(processor.codec.normalize_actions(native_PHC))
        actions_PHK = torch.zeros(len(valid), *processor.valid_HK.shape)
        mask_PHK = torch.zeros_like(actions_PHK, dtype=torch.bool)
        H, C = mask_PHC.shape[1:]
        mask_PHK[:, :H, :C] = torch.from_numpy(mask_PHC)
        actions_PHK[:, :H, :C] = torch.from_numpy(np.where(mask_PHC, encoded_PHC, 0.0))
        return Batch(
            inputs=processor(
                [
                    torch.from_numpy(np.stack([views[camera][t] for _, views, t in steps]))
                    for camera in range(len(processor.embodiment.cameras))
                ],
                observation_P,
                instructions,
                np.stack(states),
            ),
            actions_PHK=actions_PHK,
            mask_PHK=mask_PHK,
            boxes_PV4=torch.from_numpy(np.stack(boxes)),
            instructions=tuple(instructions),
        )


def shuffled(length: int, size: int, seed: int, start: int = 0) -> Iterator[list[int]]:
    """Endless batches of indices, reshuffled each epoch; ``start`` skips as many batches.

    The same arguments give the same batches, so that a resumed training sees what it would have.
    """
    per_epoch = max(length // size, 1)
    epoch, position = divmod(start, per_epoch)
    while True:
        order = np.random.default_rng((seed, epoch)).permutation(length)
        for i in range(position, per_epoch):
            yield order[i * size : (i + 1) * size].tolist()
        epoch, position = epoch + 1, 0
