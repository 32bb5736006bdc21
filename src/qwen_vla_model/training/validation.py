"""How good a model is on episodes it has not seen, in the robot's units; and the curves."""

import csv
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import torch

from qwen_vla_core.embodiment.normalization import denormalize
from qwen_vla_core.embodiment.schema import EeDelta, Embodiment

from ..model import QwenVla
from .dataset import EpisodeDataset
from .grounding import chance_of, point_out
from .questions import NO, YES, answered

VALIDATION_BATCH = 50
QUESTIONS = 200
DIFFERENT = 0.2
"""Two chunks that end this far apart, of the 2 that each channel spans, do different things."""


def validate(
    model: QwenVla, data: EpisodeDataset, indices: list[int], boxes: bool = False
) -> dict[str, float]:
    """Predict the chunks of some held-out steps of one robot under all their instructions.

    Returns:
        ``action_error``: mean |predicted - expert| over valid actions as the model sees them.
        ``listens``: the fraction of chunks that end nearer to what their own instruction asks for
        than to what another does, where the two differ; chance is 0.5. With ``boxes`` also
        ``points_right``, how often the middle of the predicted box lies in the right
        one. Where episodes bring questions (``questions.py``) also ``answers_right`` of those that
        are answered in words, and how often a task is said to be done, of those that are,
        ``done_found``, and of others, ``done_invented``. Where the robot moves by end-effector
        deltas also ``position_mm``, the median distance to the expert's end, and ``within_1cm``,
        of the chunks that do not go beyond their episode.
    """
    codec, robot = data.processor.codec, data.processor.embodiment
    sequences = data.full_sequence is not None
    translation = [] if sequences else _translation_channels(robot)
    errors, distances, others = [], [], []
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(0)
    for start in range(0, len(indices), VALIDATION_BATCH):
        some = indices[start : start + VALIDATION_BATCH]
        batch = data.batch(some, np.random.default_rng(0), per_image=99)
        predicted = model.predict(batch.inputs.to(device), generator).float().cpu()
        errors.append((predicted - batch.actions_PHK)[batch.mask_PHK].abs().numpy())
        rows = torch.arange(len(predicted))
        last = batch.mask_PHK.any(-1).sum(-1) - 1 if sequences else robot.horizon - 1
        ends_PK, targets_PK = (c[rows, last].numpy() for c in (predicted, batch.actions_PHK))
        apart = np.linalg.norm(ends_PK[:, None] - targets_PK[None], axis=-1)
        observation = batch.inputs.observation_P.numpy()
        # Where an episode ends within the chunk there is no end to compare: it is filled up.
        whole_P = np.full(len(rows), sequences) | batch.mask_PHK.any(-1).all(-1).numpy()
        for i, own in enumerate(observation):
            differs = np.linalg.norm(targets_PK - targets_PK[i], axis=-1) > DIFFERENT
            same = whole_P & whole_P[i] & (observation == own)
            others += [apart[i, j] > apart[i, i] for j in np.flatnonzero(differs & same)]
        if translation:
            ends = [
                denormalize(
                    data.space.decode(data.processor.take_actions(chunk), batch.still_PC),
                    codec.action_q01_C,
                    codec.action_q99_C,
                )[..., translation].sum(1)
                for chunk in (predicted, batch.actions_PHK)
            ]
            distances.append(np.linalg.norm(ends[0] - ends[1], axis=-1)[whole_P])
    result = {
        "action_error": float(np.concatenate(errors).mean()),
        "listens": float(np.mean(others)) if others else float("nan"),
    }
    if boxes:
        some = indices[:: max(len(indices) // VALIDATION_BATCH, 1)]
        result["points_right"] = _points_right(model, data, some)
        result |= _answers_right(model, data)
    if translation and sum(map(len, distances)):
        result["position_mm"] = 1e3 * float(np.median(np.concatenate(distances)))
        result["within_1cm"] = float(np.mean(np.concatenate(distances) < 0.01))
    return result


def _points_right(model: QwenVla, data: EpisodeDataset, indices: list[int]) -> float:
    batch = data.batch(indices, np.random.default_rng(0), per_image=99, question=True)
    device = next(model.parameters()).device
    predicted_P4 = point_out(model, batch.inputs.to(device), data.processor.tokenizer)
    boxes_P4 = batch.boxes_P4.numpy()
    seen = np.isfinite(boxes_P4).all(1)
    middle_P2 = (predicted_P4[:, :2] + predicted_P4[:, 2:]) / 2
    right = (middle_P2 >= boxes_P4[:, :2]) & (middle_P2 <= boxes_P4[:, 2:])
    return float(right.all(1)[seen].mean()) if seen.any() else float("nan")


def _answers_right(model: QwenVla, data: EpisodeDataset) -> dict[str, float]:
    asked = data.questions(np.random.default_rng(0), QUESTIONS)
    if asked is None:
        return {}
    right_P = answered(model, asked, data.processor.pad)
    inputs = asked.inputs.to(next(model.parameters()).device)
    done_P = np.array(chance_of(model, inputs, data.processor.tokenizer, YES, NO)) > 0.5
    answers, kinds = np.array(asked.answers), np.array(asked.kinds)
    parts = {
        "answers_right": right_P[np.char.endswith(answers, ".")],
        "done_found": done_P[(kinds == "done") & (answers == YES)],
        "done_invented": done_P[(kinds == "done") & (answers == NO)],
    }
    return {key: float(part.mean()) for key, part in parts.items() if len(part)}


def _translation_channels(robot: Embodiment) -> list[int]:
    """Where the translation deltas of the first arm stand among the action channels."""
    start = 0
    for group in robot.groups:
        if isinstance(group.action, EeDelta):
            return [start, start + 1, start + 2]
        start += len(group.action_channels)
    return []


def since_best(curve: Sequence[dict[str, float]]) -> int:
    """Validations since the one with the smallest ``action_error``, mean of the sources."""
    errors = [
        np.mean([value for key, value in row.items() if key.startswith("action_error/")])
        for row in curve
    ]
    # A network that diverged (NaN) is none that improved.
    return len(errors) - 1 - int(np.argmin(np.nan_to_num(errors, nan=np.inf))) if errors else 0


def row_text(row: dict[str, float]) -> str:
    """A row of the curve in words, what is known of each source after its name."""
    parts: dict[str, list[str]] = {}
    for key, value in row.items():
        metric, _, source = key.partition("/")
        if key not in ("minutes", "step"):
            parts.setdefault(source, []).append(f"{metric} {value:.4g}")
    found = "; ".join(
        ", ".join(values) if not source else f"{source}: {', '.join(values)}"
        for source, values in parts.items()
    )
    return f"validated at step {row['step']}, {row['minutes']:.1f} minutes: {found}"


def read_curve(path: Path) -> list[dict[str, float]]:
    """The rows of a csv file, none if it is missing."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{k: float(v) for k, v in r.items() if v} for r in csv.DictReader(file)]


def write_curve(path: Path, rows: list[dict[str, float]]) -> None:
    """Write the rows as a csv file, and a figure of them beside it."""
    keys = list(dict.fromkeys(key for r in rows for key in r))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, keys)
        writer.writeheader()
        writer.writerows(rows)
    _draw(path.with_suffix(".png"), rows)


def _draw(path: Path, rows: list[dict[str, float]]) -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot

    metrics = ("loss", "action_error", "listens", "points_right", "answers_right")
    metrics += ("done_found", "done_invented", "position_mm", "within_1cm")
    panels = [m for m in metrics if any(name.partition("/")[0] == m for name in rows[-1])]
    figure, axes = pyplot.subplots(1, len(panels), figsize=(4 * len(panels), 3), squeeze=False)
    for axis, key in zip(axes[0], panels, strict=True):
        for name in rows[-1]:
            if name.partition("/")[0] == key:
                known = [r for r in rows if name in r]
                axis.plot(
                    [r["minutes"] for r in known],
                    [r[name] for r in known],
                    label=name.partition("/")[2],
                )
        axis.set(title=key, xlabel="minutes of training", ylim=(0, None))
        axis.grid(alpha=0.3)
        if key != "loss":
            axis.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
