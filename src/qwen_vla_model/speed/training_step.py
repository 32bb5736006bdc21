"""How often the host waits for the device in one step of a training, of a few images of noise."""

import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from qwen_vla_core.embodiment import Embodiment, find_embodiment
from qwen_vla_core.resources import embodiments_directory
from qwen_vla_data.episode import Episode
from qwen_vla_data.images import encode_png

from ..training.recipe import Recipe
from ..training.trainer import Trainer

FRAMES = 4
BEFORE = 2
"""Steps before the one that is looked at: in the first ones moments are made, kernels chosen."""


def waits(robot: Embodiment, device: str) -> int:
    """Waits in a step as ``Trainer.learn`` does it: losses, gradients, optimiser."""
    with TemporaryDirectory() as folder:
        trainer = Trainer(_recipe(robot, device, Path(folder)))
        batches = trainer.batches()
        for _ in range(BEFORE):
            trainer.learn(next(batches))
        step = next(batches)
        return counted(device, lambda: trainer.learn(step))


def counted(device: str, run: Callable[[], object]) -> int:
    """How often ``run`` waits for the device, as torch warns of it."""
    on_a_gpu = device.startswith("cuda")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if on_a_gpu:
            torch.cuda.set_sync_debug_mode("warn")
        try:
            run()
        finally:
            if on_a_gpu:
                torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(warning.message) for warning in caught)


def _recipe(robot: Embodiment, device: str, folder: Path) -> Recipe:
    """A recipe of episodes of noise: what is learned from them does not matter."""
    for seed in range(2):
        _noise(robot, seed).save(folder / f"{seed}.npz")
    path = find_embodiment(robot.name, embodiments_directory())
    return Recipe.model_validate(
        {
            "mixture": [{"embodiment": path, "episodes": folder}],
            "out": folder / "run",
            "max_steps": BEFORE + 1,
            "compile": False,
            "device": "cuda" if device.startswith("cuda") else "cpu",
            "observations": 2,
            "instructions": 2,
            "draws": 2,
            "tau": {"kind": "beta"},
            "learning_rates": {"vision": 1e-4, "language": 1e-4, "expert": 1e-4},
            "warmup_steps": 1,
            "validation_episodes": 1,
        }
    )


def _noise(robot: Embodiment, seed: int) -> Episode:
    rng = np.random.default_rng(seed)
    views, sentences = len(robot.cameras), ("pick up the red block", "pick up the blue block")
    plans = (len(sentences), FRAMES, robot.horizon)
    return Episode(
        embodiment=robot.name,
        stride=1,
        seed=seed,
        instructions=sentences,
        images={
            camera.name: tuple(
                encode_png(rng.integers(0, 256, (camera.height, camera.width, 3), np.uint8))
                for _ in range(FRAMES)
            )
            for camera in robot.cameras
        },
        states_TS=np.zeros((FRAMES, len(robot.state_channels)), np.float32),
        commanded_TD=np.tile(np.array(robot.start_D), (FRAMES, 1)).astype(np.float32),
        actions_NTHC=rng.uniform(-0.05, 0.05, (*plans, len(robot.action_channels))).astype(
            np.float32
        ),
        valid_NTH=np.ones(plans, dtype=bool),
        boxes_NTV4=rng.uniform(0.0, 1.0, (*plans[:2], views, 4)).astype(np.float32),
    )
