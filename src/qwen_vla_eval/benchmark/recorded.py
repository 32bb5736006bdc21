"""What a benchmark's expert did, as one of our episodes."""

from pathlib import Path

import numpy as np

from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_core.observation import resize_view
from qwen_vla_data.episode import Episode
from qwen_vla_data.images import encode_png


def as_episode(
    columns: dict[str, np.ndarray], codec: EmbodimentCodec, instruction: str, state: int
) -> Episode:
    """Every step's plan is what the expert did from there on.

    Args:
        columns: ``positions`` and ``commanded`` [S, D], ``action`` [S, C], native, of every step;
            ``image/<camera>`` [T, height, width, 3] of every ``stride``-th; ``success``.
        state: the initial state, kept as the seed.
    """
    robot, stride = codec.embodiment, int(columns["stride"])
    positions_SD, actions_SC = columns["positions"], columns["action"]
    looked_T = np.arange(0, len(positions_SD), stride)
    ahead_TH = looked_T[:, None] + np.arange(robot.horizon)
    valid_TH = ahead_TH < len(actions_SC)
    return Episode(
        embodiment=robot.name,
        stride=stride,
        seed=state,
        instructions=(instruction,),
        images={
            camera.name: tuple(
                encode_png(resize_view(image, camera)) for image in columns[f"image/{camera.name}"]
            )
            for camera in robot.cameras
        },
        states_TS=np.stack([codec.state(positions_SD[k]) for k in looked_T]),
        commanded_TD=columns["commanded"][looked_T],
        positions_TD=positions_SD[looked_T],
        success=bool(columns["success"]),
        actions_NTHC=actions_SC[np.minimum(ahead_TH, len(actions_SC) - 1)][None],
        valid_NTH=valid_TH[None],
    )


def convert(
    raw: Path, episode: Path, codec: EmbodimentCodec, instruction: str, state: int
) -> None:
    """Write the episode of a file that a client wrote, and remove that."""
    with np.load(raw, allow_pickle=False) as file:
        columns = {name: file[name] for name in file.files}
    as_episode(columns, codec, instruction, state).save(episode)
    raw.unlink()
