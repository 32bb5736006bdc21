"""Recorded episodes as training samples: one observation with several instructions each."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from threading import Lock

import numpy as np
import torch

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.instruction import normalize_instruction
from qwen_vla_core.observation import resize_view
from qwen_vla_data.episode import Episode
from qwen_vla_data.images import decode_image
from qwen_vla_data.plans import whole_sequence, with_plans
from qwen_vla_data.sources import EpisodeSource
from qwen_vla_data.takeovers import driven, taken_over, went_wrong
from qwen_vla_data.view_statistics import patches_of_episode

from ..action_space import OURS, ActionSpace, Counting
from ..model import Inputs
from ..processor import Processor
from .grounding import answer
from .questions import Questions, choose, questions_about

FOLLOWED = 0
"""Which instruction of an episode was carried out while it was recorded."""
_ONE_AT_A_TIME = Lock()
"""Held to read a file: numpy parses the header of each array as Python, in which two threads can
disturb each other ("SystemError: AST constructor recursion depth mismatch", CPython issue 106905,
met once with 3.11.7); and kinematics keep what they computed last in one place. Decoding the
images, which takes the time, goes on beside it."""
NOWHERE = np.full(4, np.nan, dtype=np.float32)
"""The box of what is not in sight, of episodes without images too."""
LEFT_OUT = 0.2
"""How often an optional view is left out, so that the robot can do without it."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """P (observation, instruction) pairs.

    Attributes:
        actions_PHK: encoded, zero-padded. mask_PHK: bool, true where there is an action.
        still_PC: the action that stays where each chunk starts, normalised.
        boxes_P4: where each first view shows what is named, as fractions; NaN where it does not.
        instructions: the instruction of each pair.
        auxiliary: questions about other images (``auxiliary.py``); None for none.
        questions: about other steps of the same episodes; None for none.
    """

    inputs: Inputs
    actions_PHK: torch.Tensor
    mask_PHK: torch.Tensor
    still_PC: np.ndarray
    boxes_P4: torch.Tensor
    instructions: tuple[str, ...]
    auxiliary: Inputs | None = None
    questions: Questions | None = None


class EpisodeDataset:
    """All steps of some episodes in memory, images decoded and resized to the model's views.

    Attributes:
        patches: for each camera, those of some of its images (``view_statistics.py``).
        lacking: how many of the episodes lack a part that was driven (``Episode.left_out``).

    Args:
        space: how actions are encoded; fitted to these episodes where it is None.
        images: whether prompts hold views; without, no image is read.
        takeovers: how often a step counts in which a person had taken over from the policy. What
            the policy did just before is left out, and so is what nobody drove
            (``qwen_vla_data.takeovers``).
        counting: how the action space is fitted.
        full_sequence: one sample for each episode, all of its actions up to so many, instead of
            one for each step with a chunk; None for chunks.
    """

    def __init__(
        self,
        sources: Sequence[EpisodeSource],
        processor: Processor,
        space: ActionSpace | None = None,
        images: bool = True,
        takeovers: int = 1,
        counting: Counting = OURS,
        full_sequence: int | None = None,
    ):
        self.processor, self._images = processor, images
        self.full_sequence = full_sequence
        self._question = copy(processor)
        self._question.prompt_embodiment = None
        with ThreadPoolExecutor(2) as pool:
            episodes = list(pool.map(self._load, sources))
        if not episodes:
            raise QwenVlaError("no episodes to learn from")
        self.lacking = sum(episode.left_out is not None for episode, _ in episodes)
        self.patches = [
            [one for images in of_camera for one in patches_of_episode(images)]
            for of_camera in zip(*(views for _, views in episodes), strict=True)
        ]
        self.steps = [
            (episode, views, t)
            for episode, views in episodes
            for t, times in enumerate(self._times(episode, takeovers))
            for _ in range(times)
        ]
        if full_sequence:
            self.steps = [(*one, 0) for one in episodes if len(self._sequence(one[0]))]
        if not self.steps:
            raise QwenVlaError("no step of the episodes may be learned from")
        things = [episode.things or () for episode, _ in episodes]
        self._things = {thing for of_one in things for thing in of_one if " of " not in thing}
        self._askable, self._done = self._to_ask_about() if images else ([], [])
        self.space = space or self._fit([episode for episode, _ in episodes], counting)

    def _times(self, episode: Episode, takeovers: int) -> np.ndarray:
        """How often each step is learned from, [T]."""
        times_T = np.where(taken_over(episode), takeovers, 1)
        learned_T = episode.valid_NTH.any(axis=(0, 2)) & self._usable(episode)
        if episode.observed_T is not None:
            learned_T &= episode.observed_T
        return np.where(learned_T, times_T, 0)

    def _usable(self, episode: Episode) -> np.ndarray:
        """Steps in which somebody drove, and rightly, [T]."""
        step_s = self.processor.embodiment.action_step_s * episode.stride
        return ~went_wrong(episode, step_s) & driven(episode)

    def _to_ask_about(self) -> tuple[list[int], list[int]]:
        """Steps about which there are questions, and those where something is done."""
        askable, done = [], []
        for i, (episode, _, t) in enumerate(self.steps):
            if questions_about(episode, t):
                askable.append(i)
            if episode.done_NT is not None and episode.done_NT[:, t].any():
                done.append(i)
        return askable, done

    def _sequence(self, episode: Episode) -> np.ndarray:
        """Native actions [N, C] of an episode, up to ``full_sequence``."""
        actions_NC = whole_sequence(episode, self.processor.codec, self._usable(episode))
        return actions_NC[: self.full_sequence]

    def _fit(self, episodes: Sequence[Episode], counting: Counting) -> ActionSpace:
        """The action space of all chunks that may be learned from whole, or all sequences."""
        if self.full_sequence:
            codec = self.processor.codec
            whole = [(self._sequence(episode), episode) for episode, *_ in self.steps]
            return ActionSpace.fit(
                codec.embodiment,
                [codec.normalize_actions(actions_NC) for actions_NC, _ in whole],
                codec.still(np.stack([episode.commanded_TD[0] for _, episode in whole])),
                counting,
            )
        whole = [episode.valid_NTH.all(-1) for episode in episodes]
        robot = self.processor.embodiment
        if not any(w.any() for w in whole):
            raise QwenVlaError(
                f"every episode of {robot.name} is shorter than one chunk, {robot.horizon} action "
                "steps: there is nothing to fit the action space to"
            )
        chunks_NHC = np.concatenate(
            [e.actions_NTHC[w] for e, w in zip(episodes, whole, strict=True)]
        )
        commanded_ND = np.concatenate(
            [e.commanded_TD[np.nonzero(w)[1]] for e, w in zip(episodes, whole, strict=True)]
        )
        codec = self.processor.codec
        return ActionSpace.fit(
            codec.embodiment,
            codec.normalize_actions(chunks_NHC),
            codec.still(commanded_ND),
            counting,
        )

    @property
    def instructions(self) -> set[str]:
        """Every sentence of the episodes, in the form in which the prompt has it."""
        sentences = {said for episode, *_ in self.steps for said in episode.instructions}
        return {normalize_instruction(said) for said in sentences}

    def __len__(self) -> int:
        return len(self.steps)

    def _load(self, source: EpisodeSource) -> tuple[Episode, list[np.ndarray]]:
        """An episode without its encoded images, and for each camera uint8 [T, h, w, 3]."""
        robot, codec = self.processor.embodiment, self.processor.codec
        with _ONE_AT_A_TIME:
            episode = source.load(codec)
            try:
                episode = with_plans(episode, codec)
            except QwenVlaError as error:
                raise QwenVlaError(f"{source}: {error}") from error
        views = []
        for camera in robot.cameras if self._images else ():
            if camera.name not in episode.images:
                raise QwenVlaError(f"{source}: no images of camera {camera.name}")
            if any(back % episode.stride for back in camera.history_steps):
                raise QwenVlaError(
                    f"{source}: every {episode.stride}th action step is recorded, so the "
                    f"history_steps {list(camera.history_steps)} of camera {camera.name} are not"
                )
            frames = []
            for data in episode.images[camera.name]:
                image = decode_image(data, f"{source}: an image of camera {camera.name}")
                frames.append(resize_view(image, camera))
            views.append(np.stack(frames))
        object.__setattr__(episode, "images", {})  # decoded above; the rest stays small
        return episode, views

    def batch(
        self,
        indices: Sequence[int],
        rng: np.random.Generator,
        per_image: int,
        *,
        question: bool = False,
        answers: bool = False,
    ) -> Batch:
        """Steps ``indices``, each with up to ``per_image`` of its instructions.

        The one that was followed comes first where actions are learned, because where a robot gets
        depends on its instruction: precision near an object is only ever needed for that one.
        With ``answers`` each prompt is followed by where its first view shows what is named. A
        ``question`` is that view and the bare instruction; there is no robot in it.

        The vision tower runs once per observation however many instructions it has, and the
        same image with another sentence and another action teaches the model to follow
        instructions.
        """
        observation_P, instructions, states, starts = [], [], [], []
        actions, valid, boxes = [], [], []
        for o, index in enumerate(indices):
            episode, _, t = self.steps[index]
            usable = np.flatnonzero(episode.valid_NTH[:, t].any(-1))
            if self.full_sequence:
                usable = np.array([FOLLOWED])
            order = rng.permutation(usable)
            if not question:
                order = sorted(order, key=lambda n: n != FOLLOWED)
            for n in order[:per_image]:
                observation_P.append(o)
                instructions.append(episode.instructions[n])
                states.append(episode.states_TS[t])
                starts.append(episode.commanded_TD[t])
                if self.full_sequence:
                    actions.append(self._sequence(episode))
                    valid.append(np.ones(len(actions[-1]), dtype=bool))
                else:
                    actions.append(episode.actions_NTHC[n, t])
                    valid.append(episode.valid_NTH[n, t])
                boxes.append(episode.boxes_NTV4[n, t, 0] if self._images else NOWHERE)
        lengths_P = [len(one) for one in actions] if self.full_sequence else None
        actions, valid = _of_one_length(actions), _of_one_length(valid)
        steps, processor = [self.steps[index] for index in indices], self.processor
        mask_PHC = np.repeat(np.stack(valid)[..., None], actions[0].shape[-1], axis=-1)
        still_PC = processor.codec.still(np.stack(starts))
        native_PHC = np.where(mask_PHC, np.stack(actions), 0.0)
        normal_PHC = processor.codec.normalize_actions(native_PHC)
        normal_PHC = np.where(mask_PHC, normal_PHC, still_PC[:, None])
        encoded_PHC = np.where(mask_PHC, self.space.encode(normal_PHC, still_PC), 0.0)
        views = self._views(steps, rng)
        if question:
            processor, views = self._question, [views[0], *[None] * (len(views) - 1)]
        return Batch(
            inputs=processor(
                views,
                observation_P,
                instructions,
                np.stack(states),
                [answer(box_4) for box_4 in boxes] if answers else None,
                lengths_P,
            ),
            actions_PHK=processor.place_actions(encoded_PHC),
            mask_PHK=processor.place_actions(mask_PHC).bool(),
            still_PC=still_PC,
            boxes_P4=torch.from_numpy(np.stack(boxes)),
            instructions=tuple(instructions),
        )

    def questions(self, rng: np.random.Generator, count: int) -> Questions | None:
        """A question with its answer about each of ``count`` steps; None if nobody knows answers.

        Half of the steps are where something is done, which is rare in an episode.
        """
        if not self._askable:
            return None
        of = [self._done if n % 2 and self._done else self._askable for n in range(count)]
        steps = [self.steps[some[rng.integers(len(some))]] for some in of]
        asked = [choose(questions_about(episode, t, self._things), rng) for episode, _, t in steps]
        kinds, questions, answers = zip(*asked, strict=True)
        states_PS = np.stack([episode.states_TS[t] for episode, _, t in steps])
        others = [None] * (len(self.processor.embodiment.cameras) - 1)
        views = [self._frames(0, steps), *others]
        inputs = self._question(views, range(count), questions, states_PS, answers)
        return Questions(inputs=inputs, kinds=kinds, answers=answers)

    def _views(self, steps: Sequence, rng: np.random.Generator) -> list[torch.Tensor | None]:
        """For each camera the frames [O, F, h, w, 3] of some steps; before the first, the first.

        Optional views are left out now and then, in the whole batch, because prompts of a batch
        hold the same views.
        """
        seen = []
        for c, camera in enumerate(self.processor.embodiment.cameras):
            if not self._images or camera.optional and rng.random() < LEFT_OUT:
                seen.append(None)
                continue
            seen.append(self._frames(c, steps))
        return seen

    def _frames(self, c: int, steps: Sequence) -> torch.Tensor:
        """The frames [O, F, h, w, 3] of the c-th camera at some steps."""
        frames = [
            views[c][
                [
                    max(t - back // episode.stride, 0)
                    for back in self.processor.embodiment.cameras[c].frames
                ]
            ]
            for episode, views, t in steps
        ]
        return torch.from_numpy(np.stack(frames))


def _of_one_length(sequences: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The same with zeros behind those that are shorter than the longest."""
    longest = max(map(len, sequences))
    return [
        np.pad(one, ((0, longest - len(one)), *((0, 0),) * (one.ndim - 1))) for one in sequences
    ]


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
