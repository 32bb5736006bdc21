"""What LeRobot wants to know about each column: ranges, means and quantiles."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
SAMPLED_IMAGES = 100
"""How many of an episode's images are sampled, as LeRobot does."""
SAMPLED_PX = 150
"""Larger images are thinned to about this size first."""

Statistics = dict[str, list]
"""Name of a statistic -> numbers, in JSON's types."""


def of_numbers(values_TN: np.ndarray) -> Statistics:
    """Over time, for each of N numbers."""
    return _described(values_TN.astype(np.float64), axis=0, count=len(values_TN))


def sampled(length: int) -> list[int]:
    """Which of an episode's images are sampled."""
    return sorted(set(np.linspace(0, length - 1, min(length, SAMPLED_IMAGES)).round().astype(int)))


def thinned(image_HWC: np.ndarray) -> np.ndarray:
    """An image that is small enough to use every pixel."""
    step = max(1, max(image_HWC.shape[:2]) // SAMPLED_PX)
    return image_HWC[::step, ::step]


def of_images(images: Sequence[np.ndarray]) -> Statistics:
    """Over time and pixels, for each colour, of 0..1, with the shape (3, 1, 1)."""
    pixels_N3 = np.stack(images).reshape(-1, 3) / 255.0
    found = _described(pixels_N3, axis=0, count=len(images))
    return {
        name: values if name == "count" else [[[value]] for value in values]
        for name, values in found.items()
    }


def together(parts: Iterable[Mapping[str, list]]) -> Statistics:
    """Statistics of several episodes: exact, but quantiles are their mean (as in LeRobot)."""
    parts = list(parts)
    stacked = {
        name: np.stack([np.asarray(p[name], np.float64) for p in parts]) for name in parts[0]
    }
    count = stacked["count"]
    weights = (count / count.sum()).reshape(-1, *(1,) * (stacked["mean"].ndim - 1))
    mean = (stacked["mean"] * weights).sum(0)
    variance = ((stacked["std"] ** 2 + (stacked["mean"] - mean) ** 2) * weights).sum(0)
    total = {name: (stacked[name] * weights).sum(0) for name in QUANTILES}
    total |= {"min": stacked["min"].min(0), "max": stacked["max"].max(0)}
    total |= {"mean": mean, "std": np.sqrt(variance)}
    return {name: v.tolist() for name, v in total.items()} | {"count": [int(count.sum())]}


def _described(values: np.ndarray, axis: int, count: int) -> Statistics:
    found = {
        "min": values.min(axis),
        "max": values.max(axis),
        "mean": values.mean(axis),
        "std": values.std(axis),
        **dict(
            zip(QUANTILES, np.quantile(values, list(QUANTILES.values()), axis=axis), strict=True)
        ),
    }
    return {name: value.tolist() for name, value in found.items()} | {"count": [count]}
