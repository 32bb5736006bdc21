"""Records the expert's episodes for training, in parallel processes."""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from qwen_vla_core.embodiment import Camera, EmbodimentCodec
from qwen_vla_core.embodiment.loader import load_embodiment
from qwen_vla_core.episode import Episode

from .boxes import visible_box
from .disturbance import Disturbance
from .robot_chain import RobotChain
from .tasks.pick_up import instruction_for, judge, sample_scene
from .tasks.pick_up_expert import PickUpExpert
from .worlds.widowx import WidowxWorld

FIRST_TRAINING_SEED = 10_000
"""Seeds below are for evaluation and never recorded."""
MAX_STEPS = 45
STEPS_AFTER_SUCCESS = 4
"""Recorded after the lift, so that holding still is learned too."""


def record_episode(codec: EmbodimentCodec, world: WidowxWorld, seed: int) -> Episode:
    """The expert carries out the scene of ``seed`` under disturbances.

    At each step, the plan for every colour on the table is stored: the same images with other
    words. A plan is valid while no other block is in the gripper.
    """
    horizon = codec.embodiment.horizon
    expert, disturbance = PickUpExpert(codec), Disturbance(seed)
    scene = disturbance.start(sample_scene(seed, codec), codec)
    world.reset(scene.positions_D, scene.blocks)
    chain = RobotChain(codec, world)
    images = {camera.name: [] for camera in codec.embodiment.cameras}
    states, commanded, actions, valid, boxes = [], [], [], [], []
    remaining = MAX_STEPS
    while remaining:
        situation = expert.situation(chain.commanded_D, world, tuple(scene.blocks))
        plans = [expert.plan(situation, colour, horizon) for colour in scene.blocks]
        grasped = {colour for colour in scene.blocks if expert.grasped(situation, colour)}
        views = {camera.name: _view(world, camera) for camera in codec.embodiment.cameras}
        for name, view in views.items():
            images[name].append(_png(view))
        boxes.append([[visible_box(v, colour) for v in views.values()] for colour in scene.blocks])
        states.append(codec.state(world.positions_D))
        commanded.append(chain.commanded_D)
        actions.append(plans)
        valid.append([np.full(horizon, grasped <= {colour}) for colour in scene.blocks])
        executed = disturbance.apply(plans[0][0])
        chain.play(codec.normalize_actions(executed[None]))
        chain.advance(codec.embodiment.action_step_s)
        remaining -= 1
        if judge(world, scene).success:
            remaining = min(remaining, STEPS_AFTER_SUCCESS)
    return Episode(
        embodiment=codec.embodiment.name,
        stride=1,
        seed=seed,
        instructions=tuple(instruction_for(colour) for colour in scene.blocks),
        images={name: tuple(frames) for name, frames in images.items()},
        states_TS=np.array(states, dtype=np.float32),
        commanded_TD=np.array(commanded, dtype=np.float32),
        actions_NTHC=np.array(actions, dtype=np.float32).swapaxes(0, 1),
        valid_NTH=np.array(valid).swapaxes(0, 1),
        boxes_NTV4=np.array(boxes).swapaxes(0, 1),
    )


def generate(embodiment: Path, out: Path, first_seed: int, episodes: int, workers: int) -> None:
    """Record the episodes that ``out`` lacks, one file each; may be interrupted and repeated.

    Raises:
        ValueError: ``first_seed`` belongs to the evaluation.
    """
    if first_seed < FIRST_TRAINING_SEED:
        raise ValueError(f"seeds below {FIRST_TRAINING_SEED} are for evaluation; got {first_seed}")
    out.mkdir(parents=True, exist_ok=True)
    paths = {seed: out / f"{seed}.npz" for seed in range(first_seed, first_seed + episodes)}
    missing = [seed for seed, path in paths.items() if not path.exists()]
    with (
        ProcessPoolExecutor(workers, get_context("spawn"), initializer=_start_worker) as pool,
        tqdm(total=episodes, initial=episodes - len(missing), unit="episode") as progress,
    ):
        jobs = [pool.submit(_record, embodiment, seed, paths[seed]) for seed in missing]
        for job in as_completed(jobs):
            job.result()
            progress.update()


def _start_worker() -> None:
    """One thread per worker: rendering and resizing would otherwise fight for the cores."""
    os.environ["LP_NUM_THREADS"] = "1"
    cv2.setNumThreads(1)


@cache
def _workplace(embodiment: Path) -> tuple[EmbodimentCodec, WidowxWorld]:
    return EmbodimentCodec(load_embodiment(embodiment)), WidowxWorld()


def _record(embodiment: Path, seed: int, path: Path) -> None:
    record_episode(*_workplace(embodiment), seed).save(path)


def _view(world: WidowxWorld, camera: Camera) -> np.ndarray:
    """The model's view of a camera, resized as the policy does it."""
    size = (camera.width, camera.height)
    return cv2.resize(world.render(camera.name), size, interpolation=cv2.INTER_AREA)


def _png(view_HWC: np.ndarray) -> bytes:
    encoded, png = cv2.imencode(".png", cv2.cvtColor(view_HWC, cv2.COLOR_RGB2BGR))
    assert encoded
    return png.tobytes()


def main() -> None:
    """Entry point of python -m qwen_vla_sim.generate."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example: python -m qwen_vla_sim.generate --embodiment embodiments/widowx.yaml "
        "--out episodes --episodes 3000",
    )
    parser.add_argument("--embodiment", type=Path, required=True, help="embodiment YAML")
    parser.add_argument("--out", type=Path, required=True, help="folder of the episodes")
    parser.add_argument("--episodes", type=int, default=3000)
    parser.add_argument("--first-seed", type=int, default=FIRST_TRAINING_SEED)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    generate(
        arguments.embodiment,
        arguments.out,
        arguments.first_seed,
        arguments.episodes,
        arguments.workers,
    )


if __name__ == "__main__":
    main()
