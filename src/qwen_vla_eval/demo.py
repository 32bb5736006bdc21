"""Simulated robots that carry out instructions, filmed, with what was sent to every joint."""

import dataclasses
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from qwen_vla_core.embodiment import Embodiment, find_embodiment, load_embodiment
from qwen_vla_core.errors import EmbodimentError, QwenVlaError
from qwen_vla_core.resources import embodiments_directory
from qwen_vla_core.scene import Scene
from qwen_vla_ros.bringup import describe_bringup

from .command_figure import CommandFigure
from .demo_episodes import DemoEpisode, asking_for, each_task, usual_scenes
from .scene_film import SceneFilm
from .simulated_robot import SimulatedRobot
from .status_line import StatusLine
from .tables import write_json
from .video import EpisodeVideo

EPISODE_TIMEOUT_S = 25.0
"""A successful episode takes about 8 s of real time; later nothing changes any more."""
SUCCESS_HELD_S = 1.0
"""How long success must last, so that a block flicked up does not count."""
FRAME_PERIOD_S = 0.1


def find_robots(name: str, checkpoint: Path) -> list[tuple[Path, Embodiment]]:
    """The robots to run, each with its YAML file.

    Raises:
        QwenVlaError: there is no such robot, or it has no simulated world, or the checkpoint was
            not trained on it. Of all robots, those are left out, and it is said which and why.
    """
    from qwen_vla_model.trained_robots import load_action_space

    folder = embodiments_directory()
    paths = sorted(folder.glob("*.yaml")) if name == "all" else [find_embodiment(name, folder)]
    robots = []
    for path in paths:
        embodiment = load_embodiment(path)
        try:
            if embodiment.simulated_world is None:
                raise EmbodimentError(f"{embodiment.name} has no simulated_world")
            load_action_space(checkpoint, embodiment)
            robots.append((path, embodiment))
        except QwenVlaError as error:
            if name != "all":
                raise
            print(f"left out: {path.stem}: {error}")
    if not robots:
        raise EmbodimentError(f"none of the robots in {folder} can be demonstrated")
    return robots


def choose_episodes(
    robots: Sequence[Embodiment],
    checkpoint: Path,
    sentence: str | None,
    seed: int,
    episodes: int,
) -> dict[str, list[DemoEpisode]]:
    """The episodes of each robot; none where the instruction fits only other robots."""
    count = seed, episodes
    if sentence is None:
        from qwen_vla_model.trained_robots import load_instructions

        return {
            robot.name: each_task(robot, *count, trained=load_instructions(checkpoint, robot))
            for robot in robots
        }
    found = {robot.name: asking_for(robot, sentence, *count) for robot in robots}
    if any(found.values()):
        return found
    print(f"'{sentence}' fits no task of these robots: it runs in their usual scenes, not judged")
    return {robot.name: usual_scenes(robot, sentence, *count) for robot in robots}


def run_embodiment(
    path: Path,
    embodiment: Embodiment,
    checkpoint: Path,
    episodes: Sequence[DemoEpisode],
    out: Path,
    server: str | None = None,
) -> list[dict]:
    """All episodes of one robot; the results land in ``out``.

    Args:
        server: address of a server of the checkpoint; None where policy_node loads it.
    """
    out.mkdir(parents=True, exist_ok=True)
    print(f"{embodiment.name}, {checkpoint}" + (f" at {server}" if server else ""))
    policy = server or str(checkpoint)
    nodes = describe_bringup(embodiment=str(path), checkpoint=policy, use_sim=True)
    figure, over = CommandFigure(embodiment), SceneFilm(embodiment)
    outcomes = []
    with (
        SimulatedRobot(embodiment, nodes, out / "log", StatusLine()) as robot,
        EpisodeVideo(out / "demo.mp4", 1.0 / FRAME_PERIOD_S) as video,
    ):
        from qwen_vla_ros.robot_inputs import RobotInputs

        inputs = RobotInputs(robot.operator, embodiment)
        for episode in episodes:
            robot.place(episode.seed, episode.task)
            frames: list[tuple[dict[str, np.ndarray], Scene, str]] = []
            outcome = robot.carry_out(
                episode.instruction,
                time_limit_s=EPISODE_TIMEOUT_S,
                held_s=SUCCESS_HELD_S,
                watch=_remember(robot.operator, inputs, frames),
            )
            outcome["success"] = outcome["success"] if episode.judged else None
            outcomes.append({**dataclasses.asdict(episode), **outcome})
            figure.add(robot.operator.commands, robot.operator.velocities, episode.instruction)
            # Only now: drawing beside an ALOHA's episode made its inferences 1.6 times as long.
            for images, scene, state in frames:
                video.add(over.drawn(images, scene), (episode.instruction, state))
            video.end_episode()
            print(_line(episode, outcome))
        video.save_strip(out / "demo.png")
        video.save_gif(out / "demo.gif")
        diagnostics = robot.operator.diagnostics
    figure.save(out / "commands.png")
    summary = {
        "embodiment": embodiment.name,
        "checkpoint": str(checkpoint),
        "server": server,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "episodes": outcomes,
        "diagnostics": {name: values for name, (_, values) in diagnostics.items()},
    }
    write_json(out / "summary.json", summary)
    return outcomes


def _line(episode: DemoEpisode, outcome: dict) -> str:
    """An episode for a person."""
    ending = {True: "success", False: "failure", None: "not judged"}[outcome["success"]]
    return (
        f"  {episode.task}, seed {episode.seed}: {episode.instruction}: {ending} after "
        f"{outcome['duration_s']:.1f} s (done: {outcome['done'] or 'nothing'})"
    )


def _remember(operator, inputs, frames: list) -> Callable[[float], None]:
    """What keeps, now and then while an episode goes on, what a frame of the film shows."""
    next_frame_s = 0.0

    def remember(elapsed_s: float) -> None:
        nonlocal next_frame_s
        if elapsed_s >= next_frame_s:
            next_frame_s = elapsed_s + FRAME_PERIOD_S
            state = f"{operator.mode.partition(':')[0]}  {elapsed_s:4.1f} s"
            ros_s = operator.get_clock().now().nanoseconds * 1e-9
            inputs.read(ros_s)
            frames.append((operator.images, inputs.scene(ros_s), state))

    return remember
