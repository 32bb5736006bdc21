"""export.py FOLDER: exports episodes of each robot, and says what LeRobot has to find in them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).parents[2]
sys.path.insert(0, str(REPOSITORY / "test"))

from qwen_vla_data.images import decode_image  # noqa: E402
from qwen_vla_data.plans import next_actions  # noqa: E402
from waved_episodes import codec_of, planned, teleoperated  # noqa: E402

FRAME = 5
"""Of each episode what is compared."""


def main():
    out, wanted = Path(sys.argv[1]), {}
    for robot in ("widowx", "aloha", "mobile_base"):
        codec = codec_of(robot)
        for kind, episodes in (
            ("person", [teleoperated(codec, 20), teleoperated(codec, 12, success=None)]),
            ("expert", [planned(codec, 8, 1)]),
        ):
            folder = out / f"{robot}_{kind}"
            (folder / "episodes").mkdir(parents=True)
            for number, episode in enumerate(episodes):
                episode.save(folder / "episodes" / f"{number}.npz")
            for way in ([], ["--exact"]):
                dataset = folder / ("exact" if way else "video")
                command = ["qwen_vla_cli.main", "data", "export", folder / "episodes"]
                subprocess.run(
                    [sys.executable, "-m", *command, "--out", dataset, "--workers", "1", *way],
                    check=True,
                )
                wanted[str(dataset)] = [expected(episode, codec) for episode in episodes]
    (out / "wanted.json").write_text(json.dumps(wanted))


def expected(episode, codec):
    """What LeRobot has to find in an episode."""
    colours = {
        f"observation.images.{name}": decode_image(frames[FRAME], name).mean((0, 1)).tolist()
        for name, frames in episode.images.items()
    }
    return {
        "length": len(episode.states_TS),
        "task": episode.instructions[0],
        "fps": codec.embodiment.action_hz / episode.stride,
        "action": next_actions(episode, codec)[FRAME : FRAME + 3].tolist(),
        "state": episode.states_TS[FRAME].tolist(),
        "commanded": episode.commanded_TD[FRAME].astype(np.float32).tolist(),
        "success": -1 if episode.success is None else int(episode.success),
        "stamp": None if episode.stamps_T is None else float(episode.stamps_T[FRAME]),
        "colours": colours,
    }


if __name__ == "__main__":
    main()
