"""How good a model is on episodes it has not seen, in the robot's units; and the curves."""

import csv
from collections import defaultdict
from pathlib import Path

import matplotlib
import numpy as np
import torch

from qwen_vla_core.embodiment.normalization import denormalize
from qwen_vla_core.embodiment.schema import EeDelta, Embodiment

from ..model import QwenVla
from .dataset import EpisodeDataset

VALIDATION_BATCH = 50


def validate(model: QwenVla, data: EpisodeDataset, indices: list[int]) -> dict[str, float]:
    """Predict the chunks of some held-out steps under all their instructions.

    Returns:
        ``action_error``: mean |predicted - expert| over valid normalised actions. Where the robot
        moves by end-effector deltas also, at the end of the chunk, ``position_mm`` (median
        distance to the expert's), ``position_mm/<instruction>`` and ``listens``: the fraction
        that ends nearer to what its own instruction asks for than to what another does.
    """
    codec, robot = data.processor.codec, data.processor.embodiment
    translation = _translation_channels(robot)
    errors, own, others = [], defaultdict(list), []
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(0)
    for start in range(0, len(indices), VALIDATION_BATCH):
        some = indices[start : start + VALIDATION_BATCH]
        batch = data.batch(some, np.random.default_rng(0), per_image=99)
        predicted = model.predict(batch.inputs.to(device), generator).float().cpu()
        errors.append((predicted - batch.actions_PHK)[batch.mask_PHK].abs().numpy())
        ends = [
            denormalize(
                data.space.decode(
                    chunk[:, : robot.horizon, : len(robot.action_channels)].double().numpy()
                ),
                codec.action_q01_C,
                codec.action_q99_C,
            )[..., translation].sum(1)
            for chunk in (predicted, batch.actions_PHK)
        ]
        apart = np.linalg.norm(ends[0][:, None] - ends[1][None], axis=-1)
        observation = batch.inputs.observation_P.numpy()
        for i, label in enumerate(batch.instructions):
            own[label].append(apart[i, i])
            rivals = np.flatnonzero(
                (observation == observation[i])
                & (np.linalg.norm(ends[1] - ends[1][i], axis=-1) > 0.02)
            )
            others += [apart[i, j] > apart[i, i] for j in rivals]
    result = {"action_error": float(np.concatenate(errors).mean())}
    if translation:
        distances = np.concatenate(list(own.values()))
        result["position_mm"] = 1e3 * float(np.median(distances))
        result["within_1cm"] = float(np.mean(distances < 0.01))
        result["listens"] = float(np.mean(others)) if others else float("nan")
        for label, values in sorted(own.items()):
            result[f"position_mm/{label}"] = 1e3 * float(np.median(values))
    return result


def _translation_channels(robot: Embodiment) -> list[int]:
    """Where the translation deltas of the first arm stand among the action channels."""
    start = 0
    for group in robot.groups:
        if isinstance(group.action, EeDelta):
            return [start, start + 1, start + 2]
        start += len(group.action_channels)
    return []


def append_curve(path: Path, row: dict[str, float]) -> None:
    """Add a row to the csv file and redraw the picture beside it."""
    rows = []
    if path.exists():
        with path.open(newline="") as file:
            rows = [{k: float(v) for k, v in r.items() if v} for r in csv.DictReader(file)]
    rows.append(row)
    keys = list(dict.fromkeys(key for r in rows for key in r))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, keys)
        writer.writeheader()
        writer.writerows(rows)
    _draw(path.with_suffix(".png"), rows)


def _draw(path: Path, rows: list[dict[str, float]]) -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = [
        k
        for k in ("loss", "action_error", "position_mm", "within_1cm", "listens")
        if k in rows[-1]
    ]
    figure, axes = pyplot.subplots(1, len(panels), figsize=(4 * len(panels), 3), squeeze=False)
    for axis, key in zip(axes[0], panels, strict=True):
        for name in rows[-1]:
            if name == key or name.startswith(f"{key}/"):
                known = [r for r in rows if name in r]
                axis.plot([r["minutes"] for r in known], [r[name] for r in known], label=name)
        axis.set(title=key, xlabel="minutes of training", ylim=(0, None))
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
