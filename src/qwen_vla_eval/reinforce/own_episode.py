"""What a policy did, as an episode to learn from."""

from collections.abc import Callable

import numpy as np

from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_core.execution import Prefix
from qwen_vla_core.observation import resize_view
from qwen_vla_core.policy import Policy
from qwen_vla_core.types import ActionChunk, Observation
from qwen_vla_data.episode import Episode
from qwen_vla_data.images import encode_png


class RecordedPolicy:
    """A policy for ``roll_out`` that keeps what it saw and what it chose to do.

    Args:
        boxes: where each camera shows what the instruction names, float [V, 4], as in ``Episode``.
    """

    def __init__(
        self, policy: Policy, codec: EmbodimentCodec, boxes: Callable[[], np.ndarray]
    ) -> None:
        self._policy, self._codec, self._look = policy, codec, boxes
        self._steps: list[tuple[Observation, ActionChunk]] = []
        self._boxes: list[np.ndarray] = []

    def plan(self, observation: Observation, prefix: Prefix | None = None) -> ActionChunk:
        """The policy's plan."""
        chunk = self._policy.plan(observation, prefix)
        self._steps.append((observation, chunk))
        self._boxes.append(self._look())
        return chunk

    def episode(self, seed: int, success: bool) -> Episode:
        """One step for each inference; its plan is the chunk, with the prefix as it was given."""
        robot = self._codec.embodiment
        seen = [observation for observation, _ in self._steps]
        actions_THC = [self._codec.encode(chunk.positions_TD) for _, chunk in self._steps]
        positions_TD = np.array([one.positions_D for one in seen])
        return Episode(
            embodiment=robot.name,
            stride=robot.replan_steps,
            seed=seed,
            instructions=(seen[0].instruction,),
            images={
                camera.name: tuple(
                    encode_png(resize_view(one.images[camera.name], camera)) for one in seen
                )
                for camera in robot.cameras
            },
            states_TS=np.array([self._codec.state(one_D) for one_D in positions_TD], np.float32),
            commanded_TD=np.array([one.commanded_D for one in seen], dtype=np.float32),
            positions_TD=positions_TD,
            success=success,
            actions_NTHC=np.array(actions_THC, dtype=np.float32)[None],
            valid_NTH=np.ones((1, len(seen), robot.horizon), dtype=bool),
            boxes_NTV4=np.array(self._boxes, dtype=np.float32)[None],
        )
