"""The report of a replay: tables, images and numbers in a folder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec
from qwen_vla_core.whole_file import write_text_whole

from ..tables import Table, write_json
from .figures import draw_errors, draw_moments
from .film import write_film
from .measure import Comparison
from .summary import mean_errors, score_of, table, worst_moments

WORST = 6
"""Moments that are shown."""


def write_report(
    out: Path, compared: Sequence[Comparison], robot: Embodiment, policy: str
) -> list[str | Table]:
    """Write ``report.md``, ``errors.png``, ``worst.png``, ``worst.mp4`` and ``report.json``.

    Returns:
        The tables, for the terminal.
    Raises:
        QwenVlaError: something cannot be written.
    """
    moments = worst_moments(compared, robot, WORST)
    out.mkdir(parents=True, exist_ok=True)
    draw_errors(out / "errors.png", compared, robot)
    if moments:
        codec = EmbodimentCodec(robot)
        draw_moments(out / "worst.png", moments, compared, codec)
        write_film(out / "worst.mp4", compared[moments[0].episode], codec)
    by_joint = table(compared, robot)
    worst = Table(
        title="Worst moments",
        columns=("episode", "what"),
        rows=[(compared[moment.episode].source.name, str(moment)) for moment in moments],
    )
    observations = sum(len(one.seconds_T) for one in compared)
    heading = f"{policy} on {observations} observations of {len(compared)} episodes"
    lines = [f"# Replay of {robot.name}\n", f"{heading}.\n", by_joint.markdown()]
    lines += ["![errors](errors.png)\n", worst.markdown(), "![worst moments](worst.png)\n"]
    if moments:
        film = "the episode of the worst of them, what was planned beside what was done"
        lines.append(f"[worst.mp4](worst.mp4): {film}.\n")
    write_text_whole(out / "report.md", "\n".join(lines))
    own_HD, still_HD = mean_errors(compared)
    write_json(
        out / "report.json",
        {
            "policy": policy,
            "embodiment": robot.name,
            "joints": list(robot.joint_names),
            "mean_error_HD": own_HD.tolist(),
            "standing_still_HD": still_HD.tolist(),
            "episodes": [
                {
                    "episode": str(one.source),
                    "observations": len(one.seconds_T),
                    "worst_joint_share": float(np.nanmean(score_of(one, robot))),
                }
                for one in compared
            ],
            "worst": [
                {"episode": str(compared[m.episode].source), "second": m.second, "what": str(m)}
                for m in moments
            ],
        },
    )
    return [heading, by_joint, worst]
