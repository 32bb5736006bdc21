"""Errors of a policy as a figure, and the worst moments as frames."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec
from qwen_vla_core.whole_file import write_whole
from qwen_vla_data.images import decode_image, encode_png

from ..video import caption_bar, side_by_side
from .measure import Comparison
from .summary import Moment, mean_errors, score_of

COLUMNS = 2


def draw_errors(path: Path, compared: Sequence[Comparison], robot: Embodiment) -> None:
    """Above joints against steps of the chunk, below the error over time, an episode a line.

    Raises:
        QwenVlaError: it cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    own_HD, _ = mean_errors(compared)
    ranges_D = np.array([joint.upper - joint.lower for joint in robot.joints])
    figure, (above, below) = pyplot.subplots(
        2, 1, figsize=(9, 3.2 + 0.22 * len(ranges_D)), height_ratios=(len(ranges_D), 9)
    )
    shown = above.imshow(100.0 * (own_HD / ranges_D).T, aspect="auto", cmap="viridis", vmin=0.0)
    above.set_yticks(range(len(ranges_D)), [joint.name for joint in robot.joints], fontsize=7)
    steps = np.arange(len(own_HD))
    above.set_xticks(steps, steps + 1, fontsize=7)
    above.set_xlabel("step of the chunk", fontsize=8)
    figure.colorbar(shown, ax=above, label="mean error, % of range")
    for one in compared:
        below.plot(one.seconds_T, 100.0 * score_of(one, robot), linewidth=0.9)
    below.set_xlabel("time in the episode, s", fontsize=8)
    below.set_ylabel("worst joint, % of range", fontsize=8)
    below.set_ylim(bottom=0.0)
    below.grid(alpha=0.3)
    below.tick_params(labelsize=7)
    figure.tight_layout()
    with write_whole(path) as partial:
        figure.savefig(partial, format="png", dpi=110)
    pyplot.close(figure)


def draw_moments(
    path: Path, moments: Sequence[Moment], compared: Sequence[Comparison], codec: EmbodimentCodec
) -> None:
    """What the cameras saw at each of them, with what is wrong above.

    Raises:
        QwenVlaError: an image is damaged, or it cannot be written.
    """
    frames = []
    for moment in moments:
        source = compared[moment.episode].source
        episode = source.load(codec)
        images = [
            decode_image(encoded[moment.step], f"{source}: an image of camera {name}")
            for name, encoded in sorted(episode.images.items())
        ]
        frame = side_by_side(images)
        lines = (f"{source.name}: {episode.instructions[0]}", str(moment))
        frames.append(np.concatenate([caption_bar(lines, frame.shape[1]), frame]))
    height, width = (max(frame.shape[axis] for frame in frames) for axis in (0, 1))
    blank = np.full((height, width, 3), 255, np.uint8)
    cells = []
    for frame in frames:
        cell = blank.copy()
        cell[: frame.shape[0], : frame.shape[1]] = frame
        cells.append(cell)
    cells += [blank] * (-len(cells) % COLUMNS)
    rows = [np.concatenate(cells[i : i + COLUMNS], axis=1) for i in range(0, len(cells), COLUMNS)]
    with write_whole(path) as partial:
        partial.write_bytes(encode_png(np.concatenate(rows)))
