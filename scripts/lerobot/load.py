"""load.py FOLDER: loads with LeRobot what export.py wrote, and compares."""

import json
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import lerobot  # noqa: E402
import torch  # noqa: E402
from lerobot.datasets.lerobot_dataset import LeRobotDataset  # noqa: E402

FRAME = 5
COLOUR = 3.0 / 255.0
"""What H.264 may change of an image's mean colours, of 1."""


def main():
    wanted = json.loads((Path(sys.argv[1]) / "wanted.json").read_text())
    for folder, episodes in wanted.items():
        fps = episodes[0]["fps"]
        dataset = LeRobotDataset(
            "local/dataset",
            root=folder,
            video_backend="pyav",
            delta_timestamps={"action": [0.0, 1.0 / fps, 2.0 / fps]},
        )
        assert len(dataset) == sum(e["length"] for e in episodes), folder
        assert dataset.meta.total_episodes == len(episodes) and dataset.fps == fps, folder
        start = 0
        for episode in episodes:
            compare(folder, dataset[start + FRAME], episode)
            start += episode["length"]
            last = dataset[start - 1]
            assert last["action_is_pad"].tolist() == [False, True, True], folder
        print(f"{folder}: {len(dataset)} frames of {len(episodes)} episodes")
    print(f"lerobot {lerobot.__version__} loads all {len(wanted)} datasets")


def compare(folder, item, episode):
    assert item["task"] == episode["task"], folder
    close(item["action"], episode["action"], 1e-6)
    if episode["state"]:
        close(item["observation.state"], episode["state"], 1e-6)
    close(item["commanded"], episode["commanded"], 1e-6)
    assert item["success"].item() == episode["success"], folder
    if episode["stamp"] is not None:
        # LeRobot makes float32 of it: about two minutes at today's dates.
        assert abs(item["stamp"].item() - episode["stamp"]) < 200.0, folder
    for key, colours in episode["colours"].items():
        assert item[key].shape[0] == 3 and item[key].dtype == torch.float32, folder
        close(item[key].mean((1, 2)), [colour / 255.0 for colour in colours], COLOUR)


def close(found, wanted, tolerance):
    wanted = torch.tensor(wanted, dtype=torch.float32)
    assert found.shape == wanted.shape, (found.shape, wanted.shape)
    assert (found - wanted).abs().max() <= tolerance, (found, wanted)


if __name__ == "__main__":
    main()
