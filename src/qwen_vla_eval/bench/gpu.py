"""Everything about the model on a GPU in ten minutes, and the tables."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from qwen_vla_core.whole_file import write_text_whole

from ..tables import Table, write_json
from .model import measure, report, require_device

BUDGET_S = 540.0
"""Time after which no further case is begun: ten minutes with what is running then."""

GPU_PASSES = 200
COMPILE_S = 120.0
"""Time that compiling the small network may take."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Paths of one size, and what each choice costs on the best one.

    Attributes:
        needs_s: not begun with less than this left.
    """

    config: str
    paths: tuple[str, ...]
    with_sensitivity: bool
    needs_s: float


PARTS = (
    Part(
        config="5b",
        paths=("plain", "eager", "graph"),
        with_sensitivity=True,
        needs_s=0.0,
    ),
    Part(
        config="tiny",
        paths=("plain", "eager", "graph"),
        with_sensitivity=True,
        needs_s=30.0,
    ),
    # Compiling the full size takes minutes, so it comes last.
    Part(
        config="5b",
        paths=("compiled", "compiled graph"),
        with_sensitivity=False,
        needs_s=240.0,
    ),
    Part(
        config="tiny",
        paths=("compiled", "compiled graph"),
        with_sensitivity=False,
        needs_s=90.0,
    ),
)


def measure_gpu(out: Path) -> tuple[list[dict], list[dict], list[str]]:
    """Measure part after part; what is done is on disk when something goes wrong later.

    Returns:
        The result of each size, what was found of the GPU path, and in words the parts for which
        there was no time.
    Raises:
        QwenVlaError: no CUDA device.
    """
    require_device("cuda")
    from qwen_vla_model.speed.bench import CONFIGS, SHAPES

    end_s = time.monotonic() + BUDGET_S
    results: dict[str, dict] = {}
    skipped = []
    for part in PARTS:
        if end_s - time.monotonic() < part.needs_s:
            skipped.append(f"{part.config} {', '.join(part.paths)}")
            continue
        measured = measure(
            part.config,
            CONFIGS[part.config](),
            SHAPES[part.config],
            "cuda",
            part.paths,
            GPU_PASSES,
            with_sensitivity=part.with_sensitivity,
            out_of_time=lambda: time.monotonic() > end_s,
        )
        result = results.setdefault(part.config, measured)
        if result is not measured:
            for key in ("paths", "sensitivity", "left_out"):
                result[key] += measured[key]
        write(out, results, skipped)
    items = _looked_at(end_s)
    write(out, results, skipped, items)
    return list(results.values()), items, skipped


def _looked_at(end_s: float) -> list[dict]:
    """The GPU path item by item (``speed/gpu_path.py``); what fails is an item too."""
    from qwen_vla_core.embodiment import find_embodiment, load_embodiment
    from qwen_vla_core.resources import embodiments_directory
    from qwen_vla_model.speed.gpu_path import look

    robot = load_embodiment(find_embodiment("widowx", embodiments_directory()))
    items: list[dict] = []
    try:
        for item in look(robot, "cuda", compile_too=end_s - time.monotonic() > COMPILE_S):
            items.append(asdict(item))
    except Exception as error:  # the rest has been measured
        found = f"{type(error).__name__}: {error}"[:500]
        items.append({"what": "failed", "found": found, "wanted": "nothing"})
    return items


def path_table(items: Sequence[dict]) -> Table:
    """What was found beside what is wanted."""
    return Table(
        title="the GPU path, item by item, of the shipped policy",
        columns=("what", "found", "wanted"),
        rows=[[item["what"], item["found"], item["wanted"]] for item in items],
    )


def write(
    folder: Path, results: dict[str, dict], skipped: list[str], items: Sequence[dict] = ()
) -> None:
    """One JSON file for each size, and all tables in one Markdown file."""
    text = ["# The model on a GPU\n"]
    for name, result in results.items():
        write_json(folder / f"{name}.json", result)
        text.append(f"## {name}\n")
        text += [s if isinstance(s, str) else s.markdown() for s in report(result)]
    if items:
        write_json(folder / "path.json", {"items": list(items)})
        text.append(path_table(items).markdown())
    if skipped:
        text.append(f"No time for: {'; '.join(skipped)}\n")
    write_text_whole(folder / "tables.md", "\n".join(text))
