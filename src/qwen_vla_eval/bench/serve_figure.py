"""Latency and batches of a policy server by the number of robots, as a figure."""

from collections.abc import Sequence
from pathlib import Path

from qwen_vla_core.whole_file import write_whole

from ..fonts import USUAL

TITLES = "round trip, ms: median, and to p99", "chunks a second", "robots that a pass answers"


def draw_serve(measured: dict, path: Path) -> None:
    """Write a PNG of what ``measure_serve`` or ``measure_url`` returned.

    Raises:
        QwenVlaError: it cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with matplotlib.rc_context({"font.family": USUAL}):
        figure, axes = pyplot.subplots(1, 3, figsize=(10.5, 3.4))
        ways = list(dict.fromkeys(result["way"] for result in measured["results"]))
        for number, way in enumerate(ways):
            _draw_way(way, f"C{number}", measured["results"], axes)
        for axis, title in zip(axes, TITLES, strict=True):
            axis.set_xlabel("robots that ask again at once")
            axis.set_title(title, fontsize=10)
            axis.set_ylim(bottom=0)
            axis.grid(alpha=0.3)
        axes[0].legend(fontsize=8, loc="upper left")
        gpu = f"a pass of {measured['gpu_ms']:g} ms, " if "gpu_ms" in measured else ""
        figure.suptitle(f"{gpu}{measured['views']} views of 224 x 224", fontsize=10)
        figure.tight_layout()
        with write_whole(path) as partial:
            figure.savefig(partial, format="png", dpi=110)
        pyplot.close(figure)


def _draw_way(way: str, colour: str, results: Sequence[dict], axes) -> None:
    mine = sorted((r for r in results if r["way"] == way), key=lambda result: result["robots"])
    robots = [result["robots"] for result in mine]
    p50_ms, p99_ms = ([result[key] for result in mine] for key in ("p50_ms", "p99_ms"))
    axes[0].plot(robots, p50_ms, "o-", color=colour, label=way)
    axes[0].vlines(robots, p50_ms, p99_ms, color=colour, linewidth=1)
    axes[1].plot(robots, [result["chunks_per_s"] for result in mine], "o-", color=colour)
    axes[2].plot(robots, [result["batch"] for result in mine], "o-", color=colour)
