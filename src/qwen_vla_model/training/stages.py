"""Stages of training (paper section 2.4), one recipe each, one after the other."""

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError
from tqdm import tqdm

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.yaml_file import problems_in

from .recipe import Recipe, load_recipe
from .trainer import CHECKPOINT, PROGRESS, STATE, Trainer, fraction_done, keep_freed_memory


def train(
    *paths: Path, out: Path | None = None, robot: str | None = None, resume: bool = False
) -> Path:
    """Train as the recipes say; returns the last one's checkpoint folder.

    Args:
        paths: of the recipes. Each but the first starts from what the one before it made.
        out: folder of the runs, each named as its recipe; None for the recipes' own.
        robot: learn from this robot of the mixture alone, with as many steps as it has there.
        resume: go on where an earlier call ended; what it finished is not done again.
    Raises:
        QwenVlaError: a recipe or an episode is unusable, or there is nothing to resume.
    """
    keep_freed_memory()
    recipes = load_stages(paths, out, robot)  # a mistake in the last one is told at once
    told = [recipe.out / STATE / PROGRESS for recipe in recipes]
    if resume and not any(path.exists() for path in told):
        raise QwenVlaError(f"{recipes[0].out / STATE}: nothing to resume")
    for path, recipe, progress in zip(paths, recipes, told, strict=True):
        begun = resume and progress.exists()
        if begun and fraction_done(recipe, **json.loads(progress.read_text())) >= 1.0:
            continue
        tqdm.write(f"{path} -> {recipe.out}")
        Trainer(recipe).run(begun)
    return recipes[-1].out / CHECKPOINT


def load_stages(paths: Sequence[Path], out: Path | None, robot: str | None) -> list[Recipe]:
    """The recipes with everything decided; see ``train``."""
    recipes: list[Recipe] = []
    for path in paths:
        recipe = load_recipe(path)
        changes = only(recipe, robot, path) if robot else {}
        if out:
            changes["out"] = out / path.stem
        elif recipe.out is None:
            raise QwenVlaError(f"{path}: no key out; name a folder with --out")
        if recipes:
            if recipe.start_from or recipe.backbone:
                raise QwenVlaError(
                    f"{path}: start_from, backbone: it starts from {paths[len(recipes) - 1]}; "
                    "remove the key, or train them by two calls"
                )
            changes["start_from"] = recipes[-1].out / CHECKPOINT
        decided = recipe.model_dump() | changes
        try:
            recipes.append(Recipe.model_validate(decided))
        except ValidationError as error:
            problems = problems_in(error, Recipe, decided)
            raise QwenVlaError(
                "\n".join(f"{path}: {problem.words(decided)}" for problem in problems)
            ) from error
    return recipes


def only(recipe: Recipe, robot: str, path: Path) -> dict:
    """What changes when a recipe learns from one of its robots, with its share of the steps."""
    names = [load_embodiment(source.embodiment).name for source in recipe.mixture]
    if robot not in names:
        raise QwenVlaError(
            f"{path}: the mixture has no {robot}, only {', '.join(dict.fromkeys(names))}"
        )
    own = [s for s, name in zip(recipe.mixture, names, strict=True) if name == robot]
    share = sum(s.weight for s in own) / sum(s.weight for s in recipe.mixture)
    grounding_steps = round(recipe.grounding.steps * share)
    return {
        "mixture": own,
        "max_steps": max(1, round(recipe.max_steps * share)),
        "max_minutes": recipe.max_minutes and recipe.max_minutes * share,
        "grounding": {"steps": grounding_steps, "weight": recipe.grounding.weight},
    }
