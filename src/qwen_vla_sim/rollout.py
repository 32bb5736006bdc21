"""One episode of a policy in the simulated world, faster than real time and without ROS."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.codec import EmbodimentCodec
from qwen_vla_core.execution import PolicyLoop, Prefix
from qwen_vla_core.modes import Mode
from qwen_vla_core.observation import ImageHistory
from qwen_vla_core.policy import ChannelPolicy, Policy
from qwen_vla_core.types import ActionChunk, Observation

from .robot_chain import RobotChain
from .tasks.task import Expert, Outcome, Scene, Task
from .worlds.world import World

HELD_S = 0.4
"""Success must last this long, so that a block flicked up does not count."""
StepWatcher = Callable[[Observation, ActionChunk | None, int], None]
"""Called at each action step with what the robot sees, the chunk that it follows, and how many
leading actions of that had been committed before it was made."""
LATENCY_S = 0.1
"""Simulated time between an observation and its chunk: what the tiny model takes on two cores."""


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """How an episode ended, after a number of action steps."""

    outcome: Outcome
    steps: int


def roll_out(
    policy: Policy,
    codec: EmbodimentCodec,
    world: World,
    task: Task,
    scene: Scene,
    *,
    replan_steps: int | None = None,
    latency_s: float = LATENCY_S,
    on_step: StepWatcher | None = None,
) -> Rollout:
    """Run a scene until what it asks for is done or the time is over.

    The same loop as policy_node's decides when to infer, and with which prefix.

    Args:
        policy: the policy under test.
        codec: the robot's.
        world: put into the scene first.
        task: what the scene is of.
        scene: start, and instruction.
        replan_steps: action steps from one observation to the next; the embodiment's where not
            given. The next is not before the last was answered.
        latency_s: how long the old chunk plays on until the new one is there.
        on_step: for films.
    Raises:
        ChunkError: ``replan_steps`` is more than a chunk covers.
        InstructionError: the scene's instruction cannot be read.
    """
    scene.lay_out(world)
    chain = RobotChain(codec, world)
    step_s = codec.embodiment.action_step_s
    loop = PolicyLoop(codec, expected_s=latency_s, replan_steps=replan_steps or 0)
    loop.on_instruction(scene.instruction)
    loop.on_mode(Mode.AUTONOMY, chain.now_s)
    histories = make_histories(codec.embodiment)
    step = held_steps = committed = 0
    answer_s = math.inf
    while step < task.time_limit_s / step_s and held_steps < HELD_S / step_s:
        due = loop.due(chain.now_s)
        if due or on_step is not None or histories:
            observation = observe(codec, world, chain, loop.instruction, histories)
        if on_step is not None:
            on_step(observation, chain.chunk, committed)
        if due:
            request = loop.start_inference(observation, chain.now_s)
            answer_s = chain.now_s + latency_s
            chunk = policy.plan(request.observation, request.prefix)
        if (wait_s := answer_s - chain.now_s) <= step_s + 1e-9:
            chain.advance(wait_s)
            chain.follow(chunk)
            committed = loop.prefix_steps
            loop.on_chunk(chain.chunk, chain.now_s, chain.now_s)
            answer_s = math.inf
            chain.advance(step_s - wait_s)
        else:
            chain.advance(step_s)
        step += 1
        outcome = task.judge(world, scene)
        held_steps = held_steps + 1 if outcome.success else 0
    return Rollout(outcome=outcome, steps=step)


def make_histories(embodiment: Embodiment) -> dict[str, ImageHistory]:
    """A history for every camera whose past images are shown, by its name."""
    return {
        camera.name: ImageHistory(camera.history_s(embodiment.action_hz), camera.max_age_s)
        for camera in embodiment.cameras
        if camera.history_steps
    }


def observe(
    codec: EmbodimentCodec,
    world: World,
    chain: RobotChain,
    instruction: str,
    histories: Mapping[str, ImageHistory],
) -> Observation:
    """What the robot sees now: its cameras, measured and commanded joints.

    Args:
        histories: camera name -> its past images, to which this one is added.
    """
    images = {camera.name: world.render(camera.name) for camera in codec.embodiment.cameras}
    for name, history in histories.items():
        history.add(chain.now_s, images[name])
    return Observation(
        stamp_s=chain.now_s,
        images=images,
        history={name: history.before() for name, history in histories.items()},
        positions_D=world.positions_D,
        commanded_D=chain.commanded_D,
        instruction=instruction,
    )


class ExpertPolicy(ChannelPolicy):
    """An expert as a policy: it peeks into the world instead of looking at the images."""

    def __init__(self, expert: Expert, codec: EmbodimentCodec) -> None:
        super().__init__(codec)
        self._expert = expert

    def infer(self, observation: Observation, prefix: Prefix | None = None) -> np.ndarray:
        """Normalised actions [H, C] towards what the instruction asks for.

        Raises:
            InstructionError: it asks for nothing in this scene.
        """
        horizon = self.codec.embodiment.horizon
        plan = self._expert.plan(observation.commanded_D, observation.instruction, horizon)
        return self.codec.normalize_actions(plan)
