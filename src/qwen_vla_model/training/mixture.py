"""Whose episodes a batch is of: the mixture of robots is data, not code."""

import math
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerFast

from qwen_vla_core.embodiment import Embodiment, load_embodiment
from qwen_vla_core.embodiment.signature import embodiment_signature, with_views
from qwen_vla_core.errors import CheckpointError, QwenVlaError
from qwen_vla_data.sources import EpisodeSource, find_episodes
from qwen_vla_data.view_statistics import ViewStatistics, statistics_of

from ..action_space import OURS
from ..config import QwenVlaConfig
from ..processor import Processor
from ..trained_robots import as_trained, load_action_space
from .dataset import EpisodeDataset, shuffled
from .recipe import Recipe, Source


def episodes_of(source: Source) -> list[EpisodeSource]:
    """The episodes of a source, in the order of their names or numbers.

    Raises:
        QwenVlaError: there are none.
    """
    return find_episodes(source.episodes)


def check_sources(recipe: Recipe) -> None:
    """See that there are episodes to learn from; opens no episode.

    Raises:
        QwenVlaError: a folder of the mixture is missing, or has too few episodes.
    """
    for source in recipe.mixture:
        folder, held_out = source.episodes, recipe.validation_episodes
        if not folder.is_dir():
            where = "" if folder.is_absolute() else f" (working folder: {Path.cwd()})"
            raise QwenVlaError(
                f"mixture: episodes: {folder}: no such folder{where}; record them with: "
                f"qwen-vla record --embodiment {source.embodiment} --folder {folder}, or in "
                f"simulation: qwen-vla generate --embodiment {source.embodiment} --out {folder}"
            )
        if (found := len(episodes_of(source))) <= held_out:
            raise QwenVlaError(
                f"mixture: episodes: {folder} has {found} episodes, and validation_episodes holds "
                f"out {held_out}, so none is left to learn from; record more, or hold out fewer"
            )
        if source.first and source.first > found - held_out:
            raise QwenVlaError(
                f"mixture: first: {source.first} episodes of {folder}, which has {found}, less "
                f"the {held_out} of validation_episodes; record more, or learn from fewer"
            )


class Mixture:
    """The episodes of every source of a recipe.

    Attributes:
        learned, held_out: source -> its episodes to learn from, and those to validate on. A source
            is called as its robot, and a second one of a robot ``robot:folder``.
    """

    def __init__(
        self, recipe: Recipe, config: QwenVlaConfig, tokenizer: PreTrainedTokenizerFast
    ) -> None:
        """Load everything.

        Raises:
            QwenVlaError: a source is named twice, or has no episodes left to learn from.
        """
        self._recipe = recipe
        self.learned: dict[str, EpisodeDataset] = {}
        self.held_out: dict[str, EpisodeDataset] = {}
        for source in recipe.mixture:
            self._load(source, config, tokenizer)

    def _load(self, source: Source, config: QwenVlaConfig, tokenizer) -> None:
        recipe, robot = self._recipe, robot_of(self._recipe, source)
        first, name = self.learned.get(robot.name), robot.name
        if first is not None:
            name = f"{robot.name}:{source.episodes.name}"
        if name in self.learned:
            raise QwenVlaError(f"{source.episodes}: {name} is in the mixture already")
        # Fitted to the robot's first source, unless the checkpoint was trained with its space, or
        # the recipe has its own way.
        counting = recipe.actions or OURS
        space = None if counting.each_source else first and first.space
        if recipe.start_from and recipe.actions is None:
            with suppress(CheckpointError):
                space = load_action_space(recipe.start_from, robot)
        found, held_out = episodes_of(source), recipe.validation_episodes
        processor = Processor(config, tokenizer, robot)
        learned = EpisodeDataset(
            found[:-held_out][: source.first],
            processor,
            space,
            recipe.images,
            source.takeovers,
            counting,
            recipe.full_sequence,
        )
        self.learned[name] = learned
        self.held_out[name] = EpisodeDataset(
            found[-held_out:],
            processor,
            learned.space,
            recipe.images,
            full_sequence=recipe.full_sequence,
        )

    def batches(self, start: int) -> Iterator[tuple[str, list[int]]]:
        """For each batch from the ``start``-th on: a source, and which observations of it.

        Sources come as often as their weights say. The same recipe gives the same batches, so that
        a resumed training sees what it would have.
        """
        recipe, names = self._recipe, list(self.learned)
        weights = np.array([source.weight for source in recipe.mixture])
        choices = np.random.default_rng(recipe.seed).choice(
            len(names), recipe.max_steps * recipe.batches, p=weights / weights.sum()
        )
        streams = [
            shuffled(
                len(data),
                recipe.observations,
                recipe.seed,
                int(np.count_nonzero(choices[:start] == i)),
            )
            for i, data in enumerate(self.learned.values())
        ]
        for choice in choices[start:]:
            yield names[choice], next(streams[choice])

    def embodiments(self) -> dict[str, dict]:
        """What a checkpoint stores about each robot."""
        known: dict[str, dict] = {}
        for data in self.learned.values():
            robot = data.processor.embodiment
            first = known.get(robot.name, {})
            trained = first.get("instructions", [])
            known[robot.name] = {
                **embodiment_signature(robot),
                "action_space": first.get("action_space", data.space.model_dump()),
                "instructions": sorted(data.instructions.union(trained)),
            }
        return known

    def views(self) -> dict[str, dict[str, ViewStatistics]]:
        """Robot -> view tag -> what its camera shows; nothing where no image is read."""
        patches: dict[str, dict[str, list[np.ndarray]]] = {}
        for data in self.learned.values():
            robot = data.processor.embodiment
            of_robot = patches.setdefault(robot.name, {})
            for camera, found in zip(robot.cameras, data.patches, strict=False):
                of_robot.setdefault(camera.tag, []).extend(found)
        return {
            name: {tag: statistics_of(found) for tag, found in of_robot.items()}
            for name, of_robot in patches.items()
            if of_robot
        }

    def __len__(self) -> int:
        """Observations to learn from."""
        return sum(map(len, self.learned.values()))


def robot_of(recipe: Recipe, source: Source) -> Embodiment:
    """The robot of a source with views as large as the recipe or the checkpoint has them."""
    robot = load_embodiment(source.embodiment)
    if recipe.view:
        try:
            return with_views(robot, [recipe.view] * len(robot.cameras))
        except ValueError as error:
            raise QwenVlaError(
                f"view: {list(recipe.view)} is no size of a view: {error}"
            ) from error
    if recipe.start_from:
        with suppress(CheckpointError):
            return as_trained(recipe.start_from, robot)
    return robot


def lacking(mixture: Mixture) -> list[str]:
    """Where parts that were driven are not learned from, and who says which; in words."""
    return [
        f"{name}: {data.lacking} recordings lack a part that was driven, for the robot could not "
        "be observed; qwen-vla data check says which and why"
        for name, data in mixture.learned.items()
        if data.lacking
    ]


def small_views(config: QwenVlaConfig, robots: Iterable[Embodiment]) -> list[str]:
    """Views below what the backbone was made for, each with the size to use; in words."""
    vision = config.backbone_config().vision_config
    unit = vision.patch_size * vision.spatial_merge_size
    side = math.ceil(math.sqrt(config.min_view_pixels) / unit) * unit
    sizes = {
        (camera.width, camera.height)
        for robot in robots
        for camera in robot.cameras
        if camera.width * camera.height < config.min_view_pixels
    }
    return [
        f"views of {width} x {height} are {width * height // unit**2} tokens each; the backbone "
        f"was made for {config.min_view_pixels} pixels or more: view: [{side}, {side}] in the "
        f"recipe gives {(side // unit) ** 2}"
        for width, height in sorted(sizes)
    ]
