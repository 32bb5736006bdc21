"""Episodes of noise on a WidowX."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_data.episode import Episode

PATH = Path(__file__).parents[1] / "embodiments" / "widowx.yaml"
WIDOWX = load_embodiment(PATH)


SENTENCES = ("pick up the red block", "pick up the blue block")


def record(folder, seed, steps=4, robot="widowx", states=7, instructions=SENTENCES):
    """An episode of noise; what is learned from it does not matter here."""
    rng = np.random.default_rng(seed)

    def image(camera):
        pixels = rng.integers(0, 256, (camera.height, camera.width, 3), dtype=np.uint8)
        return cv2.imencode(".png", pixels)[1].tobytes()

    Episode(
        embodiment=robot,
        stride=1,
        seed=seed,
        instructions=instructions,
        images={c.name: tuple(image(c) for _ in range(steps)) for c in WIDOWX.cameras},
        states_TS=rng.uniform(0.1, 0.2, (steps, states)).astype(np.float32),
        commanded_TD=rng.uniform(-0.2, 0.2, (steps, 7)).astype(np.float32),
        actions_NTHC=rng.uniform(-0.05, 0.05, (2, steps, 16, 7)).astype(np.float32),
        valid_NTH=np.ones((2, steps, 16), dtype=bool),
        boxes_NTV4=rng.uniform(0.0, 1.0, (2, steps, 2, 4)).astype(np.float32),
    ).save(folder / f"{seed}.npz")


def record_teleoperated(folder, number, steps=24):
    """An episode of noise as a person's is: one sentence, no seed, no plans and no boxes."""
    record(folder, number, steps)
    path = folder / f"{number}.npz"
    episode = Episode.load(path)
    nobody_knows = dict.fromkeys(("seed", "actions_NTHC", "valid_NTH", "boxes_NTV4"))
    walk_TD = episode.commanded_TD[0] + 0.002 * np.cumsum(episode.commanded_TD, axis=0)
    changes = {"instructions": SENTENCES[:1], "commanded_TD": walk_TD}
    replace(episode, **nobody_knows, **changes).save(path)
