"""The network as a policy: an observation in, a chunk of normalised actions out."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from qwen_vla_core.embodiment import Camera, Embodiment
from qwen_vla_core.errors import ChunkError, ObservationError
from qwen_vla_core.execution import Prefix
from qwen_vla_core.freed_memory import keep_freed_memory
from qwen_vla_core.instruction import check_instruction
from qwen_vla_core.observation.empty_scene import empty_scene
from qwen_vla_core.policy import ChannelPolicy
from qwen_vla_core.types import Observation

from .action_space import ActionSpace
from .asking import ask, done_probability
from .checkpoint import from_pretrained, load_config, load_tokenizer
from .delta_net import resolved, slow_delta_net_reason
from .hub import find_checkpoint
from .images import prepare_sizes, resize_to
from .model import Inputs, QwenVla
from .precision import Weights, default_weights
from .processor import Processor
from .real_time_chunking import soft_mask
from .runtime import PrefixInputs, Runtime, compile_passes, peak_mib, together
from .trained_robots import as_trained, load_action_space

INSTRUCTION_TOKENS = 48
"""Room for an instruction where passes are prepared: about 35 words. A longer one runs eagerly."""

LARGEST_TENSOR_BYTES = 2**25
"""More than a tensor of the small network has, whose memory the next pass takes again."""


class QwenVlaPolicy(ChannelPolicy):
    """Implements ``qwen_vla_core.policy.Policy``.

    Attributes:
        processor, space: between the robot's numbers and the network's.
        runtime: runs the network.
        weights: what the weights are held as, where it was loaded.
    """

    weights: Weights | None = None

    def __init__(
        self,
        model: QwenVla,
        processor: Processor,
        space: ActionSpace,
        seed: int = 0,
        fixed_shapes: bool | None = None,
    ):
        """A policy of a model that is not trained any more.

        Args:
            seed: of the noise that every chunk starts from.
            fixed_shapes: pad prompts to one length and run from buffers, which is what a CUDA
                graph needs. None: on a GPU. Elsewhere it only costs time.
        """
        super().__init__(processor.codec)
        self.processor, self.space = processor, space
        self._delta_rule = resolved()
        self.runtime = Runtime(model, seed)
        self._fixed = self.runtime.device.type == "cuda" if fixed_shapes is None else fixed_shapes
        if self._fixed:
            processor.pad_to = processor.room_for(INSTRUCTION_TOKENS)

    @classmethod
    def load(
        cls,
        name: Path | str | None,
        embodiment: Embodiment,
        device: str = "cpu",
        seed: int = 0,
        threads: int = 1,
        weights: Weights | None = None,
        beside: "QwenVlaPolicy | None" = None,
        compiled: bool = False,
    ) -> "QwenVlaPolicy":
        """The policy of a checkpoint, for a robot it was trained on.

        Args:
            name: a folder, or ``owner/model`` on the hub; None for the shipped one.
            seed: of the noise that every chunk starts from.
            threads: CPU threads of the whole process; a second one makes the small model slower
                as soon as something else needs the core.
            weights: their data type, see ``precision.py``; None for what suits the
                device.
            beside: the same checkpoint's policy for another robot; its weights are shared.
            compiled: let torch.compile fuse the passes before they are captured. The first warm-up
                takes minutes for it, and on a GPU the passes are faster after that.
        Raises:
            CheckpointError: the checkpoint is unusable, or it was trained for another robot,
                other channels, normalisation, horizon or cameras (found before any weight is read
                or fetched).
        """
        torch.set_num_threads(threads)
        keep_freed_memory(LARGEST_TENSOR_BYTES)
        folder = find_checkpoint(name)
        config = load_config(folder)
        space = load_action_space(folder, embodiment)
        processor = Processor(config, load_tokenizer(folder), as_trained(folder, embodiment))
        weights = weights or default_weights(device)
        if beside is None:
            model = from_pretrained(name or folder, device, weights)
            if compiled:
                compile_passes(model, dynamic=False)
        else:
            model = beside.runtime.model
        policy = cls(model, processor, space, seed)
        policy.weights = weights
        return policy

    def warm_up(self) -> float:
        """Run every kind of pass on an empty scene; capture it first on a GPU, trace it on a CPU.

        After this the first real chunk is as quick as the others.

        Returns:
            How long one inference takes now, s.
        """
        robot = self.processor.embodiment
        prepare_sizes(self.runtime.device, robot.cameras)
        scene = empty_scene(robot)
        longest = self.runtime.model.config.prefix_steps + 1  # one more step is guided
        still_NC = np.zeros((longest, len(robot.action_channels)), np.float32)
        prefixes = [None, Prefix(actions_NC=still_NC[:1], committed=1)]
        if 1 < longest < robot.horizon:
            prefixes.append(Prefix(actions_NC=still_NC, committed=longest))
        still_C = self.processor.codec.still(scene.commanded_D)
        for prefix in prefixes:
            inputs, held = self.prepare_inputs([scene]), self._prefix_inputs(prefix, still_C)
            if self._fixed:
                self.runtime.fix(inputs, held)
            else:
                shortest = self.processor.tokens_around
                self.runtime.trace(inputs, held, range(shortest, shortest + INSTRUCTION_TOKENS))
            self.infer(scene, prefix)
        begin_s = time.monotonic()
        self.infer(scene)
        return time.monotonic() - begin_s

    @property
    def slow_reason(self) -> str:
        """What slows this device down, and what to do about it; empty where nothing does."""
        device, expert = self.runtime.device, self.runtime.model.expert
        reasons = [slow_delta_net_reason(device)]
        if device.type == "cuda" and expert.context_in.weight.dtype == torch.float32:
            reasons.append(
                "weights are kept as float32, which a GPU multiplies several times slower than "
                "bfloat16; set weights to bfloat16"
            )
        return "; ".join(filter(None, reasons))

    def diagnostics(self) -> dict[str, object]:
        """How the last chunk was computed."""
        runtime = self.runtime
        return {
            "weights": self.weights,
            "path": runtime.path,
            "why_eager": runtime.why_eager,
            "delta_rule": self._delta_rule,
            "eager_fallbacks": runtime.eager_passes,
            "tokens": runtime.tokens,
            "memory_peak_mib": peak_mib(runtime.device),
        }

    def infer(self, observation: Observation, prefix: Prefix | None = None) -> np.ndarray:
        """Predict float32 [H, C] in [-1, 1], beginning with what ``prefix`` commits.

        Raises:
            ObservationError: an image of a camera that is not optional, or of a camera's history,
                is missing.
            InstructionError: the instruction is empty or too long.
            ChunkError: the prefix has other channels or leaves nothing to predict.
        """
        (actions_HC,) = self.infer_batch([observation], [prefix])
        return actions_HC

    def infer_batch(
        self, observations: Sequence[Observation], prefixes: Sequence[Prefix | None]
    ) -> list[np.ndarray]:
        """As ``infer``, for several robots of the same kind in one pass.

        All have images of the same cameras, and prefixes of the same shape or none. On a GPU
        only single ones run as a graph.
        """
        still_PC = [self.processor.codec.still(o.commanded_D) for o in observations]
        held = [self._prefix_inputs(*of_one) for of_one in zip(prefixes, still_PC, strict=True)]
        chunk_PHK = self.runtime.chunk(self.prepare_inputs(observations), together(held))
        chunks = []
        for encoded_HC, still_C, prefix in zip(
            self.processor.take_actions(chunk_PHK), still_PC, prefixes, strict=True
        ):
            actions_HC = self.space.decode(encoded_HC, still_C)
            actions_HC = np.clip(actions_HC, -1.0, 1.0).astype(np.float32)
            if prefix is not None:
                actions_HC[: prefix.committed] = prefix.actions_NC[: prefix.committed]
            chunks.append(actions_HC)
        return chunks

    def done(self, observation: Observation) -> float:
        """How likely the first camera shows the instruction done; NaN if that was not learned.

        Raises:
            InstructionError: the instruction is empty or too long.
        """
        return done_probability(*self._asked(observation), observation.instruction)

    def answer(self, observation: Observation) -> str:
        """What the weights say about the first camera's image, see ``asking.ask``.

        Raises:
            InstructionError: the question is empty or too long.
        """
        model, processor, image_HWC = self._asked(observation)
        height, width, _ = image_HWC.shape
        return ask(model, processor, image_HWC, observation.instruction).text(width, height)

    def _asked(self, observation: Observation) -> tuple[QwenVla, Processor, np.ndarray]:
        first = self.processor.embodiment.cameras[0].name
        return self.runtime.model, self.processor, observation.images[first]

    def reseed(self, seed: int) -> None:
        """Seed the noise that chunks start from."""
        self.runtime.reseed(seed)

    def prepare_inputs(self, observations: Sequence[Observation]) -> Inputs:
        """The model's inputs, a prompt for each observation; images are on the device already.

        All observations have images of the same cameras.

        Raises:
            ObservationError, InstructionError: as ``infer``.
        """
        views = []
        for camera in self.processor.embodiment.cameras:
            frames = [self._frames(observation, camera) for observation in observations]
            views.append(None if frames[0] is None else torch.cat(frames))
        return self.processor(
            views,
            range(len(observations)),
            [check_instruction(observation.instruction) for observation in observations],
            np.stack([self.processor.codec.state(o.positions_D) for o in observations]),
        )

    def _frames(self, observation: Observation, camera: Camera) -> torch.Tensor | None:
        """What a camera saw, [1, F, height, width, 3]; None without an optional image."""
        if camera.name not in observation.images:
            if camera.optional:
                return None
            raise ObservationError(f"no image of camera {camera.name}")
        frames = [*observation.history.get(camera.name, ()), observation.images[camera.name]]
        if len(frames) != len(camera.frames):
            raise ObservationError(
                f"camera {camera.name}: {len(frames) - 1} past images instead of "
                f"{len(camera.history_steps)}"
            )
        return torch.stack([resize_to(self.runtime.device, f, camera) for f in frames])[None]

    def _prefix_inputs(self, prefix: Prefix | None, still_C: np.ndarray) -> PrefixInputs | None:
        """A prefix as the model takes it. Its shapes are always the same."""
        config, robot = self.runtime.model.config, self.processor.embodiment
        if prefix is None:
            if not config.prefix_steps:
                return None
            nothing = np.zeros((0, len(robot.action_channels)), np.float32)
            prefix = Prefix(actions_NC=nothing, committed=0)
        known, channels = prefix.actions_NC.shape
        committed = prefix.committed
        if channels != len(robot.action_channels) or not committed < robot.horizon >= known:
            raise ChunkError(
                f"a prefix of {known} steps ({committed} committed) of {channels} channels; "
                f"{robot.name} has {robot.horizon} of {len(robot.action_channels)}"
            )
        guide = committed > config.prefix_steps or not config.prefix_steps
        steps = known if guide else committed
        encoded_NC = self.space.encode(prefix.actions_NC[:steps], still_C)
        return PrefixInputs(
            prefix_PHK=self.processor.place_actions(encoded_NC[None]),
            weight_PH=soft_mask(committed, steps, config.horizon)[None],
            guide=guide,
        )
