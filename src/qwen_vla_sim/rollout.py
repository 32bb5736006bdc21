"""One episode of a policy in the simulated world, faster than real time and without ROS."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from qwen_vla_core.embodiment.codec import EmbodimentCodec
from qwen_vla_core.execution import prefix_of
from qwen_vla_core.policy import Policy
from qwen_vla_core.types import Observation

from .robot_chain import RobotChain
from .tasks.pick_up import TIME_LIMIT_STEPS, judge, sample_scene
from .worlds.widowx import WidowxWorld

HELD_STEPS = 2
"""Success must last this many action steps, so that a block flicked up does not count."""
LATENCY_S = 0.1
"""Simulated time between an observation and its chunk: what the tiny model takes on two cores."""


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """How an episode ended.

    Attributes:
        lifted: the block held in the air at the end, if any.
        steps: action steps it took.
    """

    seed: int
    instruction: str
    success: bool
    lifted: str | None
    steps: int


def roll_out(
    policy: Policy,
    codec: EmbodimentCodec,
    world: WidowxWorld,
    seed: int,
    *,
    replan_steps: int = 4,
    latency_s: float = LATENCY_S,
    on_step: Callable[[Observation], None] | None = None,
) -> Rollout:
    """Run the scene of ``seed`` until the named block is held or the time is over.

    Args:
        policy: who is asked.
        codec: the robot's.
        world: put into the scene first.
        seed: below 10000 for evaluation.
        replan_steps: action steps between the observations of successive chunks.
        latency_s: how long the old chunk plays on until the new one is there; at most one
            action step.
        on_step: called with what the robot sees at each action step, for videos.
    """
    scene = sample_scene(seed, codec)
    world.reset(scene.positions_D, scene.blocks)
    chain = RobotChain(codec, world)
    step_s = codec.embodiment.action_step_s
    delay_steps = math.ceil(latency_s / step_s)
    step = held_steps = 0
    while step < TIME_LIMIT_STEPS and held_steps < HELD_STEPS:
        replan = step % replan_steps == 0
        if replan or on_step is not None:
            observation = observe(codec, world, chain, scene.instruction)
        if on_step is not None:
            on_step(observation)
        if replan:
            prefix = prefix_of(chain.chunk, observation, codec, delay_steps)
            actions_HC = policy.infer(observation, prefix)
            chain.advance(latency_s)
            chain.play(actions_HC, observation.commanded_D, observation.stamp_s)
        chain.advance(step_s - latency_s if replan else step_s)
        step += 1
        outcome = judge(world, scene)
        held_steps = held_steps + 1 if outcome.success else 0
    return Rollout(
        seed=seed,
        instruction=scene.instruction,
        success=outcome.success,
        lifted=outcome.lifted,
        steps=step,
    )


def observe(
    codec: EmbodimentCodec, world: WidowxWorld, chain: RobotChain, instruction: str
) -> Observation:
    """What the robot sees now: its cameras, measured and commanded joints."""
    return Observation(
        stamp_s=chain.now_s,
        images={camera.name: world.render(camera.name) for camera in codec.embodiment.cameras},
        positions_D=world.positions_D,
        commanded_D=chain.commanded_D,
        instruction=instruction,
    )
