"""Stages of training (paper section 2.4), one recipe each, one after the other."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError
from tqdm import tqdm

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.freed_memory import keep_freed_memory
from qwen_vla_core.yaml_file import problems_in

from .mixture import check_sources
from .recipe import Recipe, load_recipe
from .saves import CHECKPOINT, CURVE, only_writer, refuse_overwriting, saved_progress
from .trainer import Trainer, fraction_done, stopped_improving
from .validation import read_curve


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
        QwenVlaError: a recipe, an episode or a save is unusable, a folder of a run cannot be
            written or holds a run already, or there is nothing to resume.
        KeyboardInterrupt: as it came, saying what was saved and how to go on.
    """
    keep_freed_memory()
    recipes = load_stages(
        paths, out, robot
    )  # a mistake in the last one is reported before any training
    if not resume:
        for recipe in recipes:
            refuse_overwriting(recipe.out)
    elif not any(saved_progress(recipe.out) for recipe in recipes):
        raise QwenVlaError(
            f"{recipes[0].out}: nothing was saved there, so there is nothing to resume; "
            "the same command without --resume begins"
        )
    for recipe in recipes:
        if not _finished(recipe):
            check_sources(recipe)
    try:
        for path, recipe in zip(paths, recipes, strict=True):
            _train(path, recipe)
    except KeyboardInterrupt:
        saved = [recipe.out for recipe in recipes if saved_progress(recipe.out)]
        raise KeyboardInterrupt(_how_to_go_on(saved)) from None
    checkpoint = recipes[-1].out / CHECKPOINT
    robot_file = recipes[-1].mixture[0].embodiment
    tqdm.write(
        f"the checkpoint is in {checkpoint}; to measure it: "
        f"qwen-vla evaluate --embodiment {robot_file} --checkpoint {checkpoint}"
    )
    return checkpoint


def _finished(recipe: Recipe) -> bool:
    progress = saved_progress(recipe.out)
    if progress is None:
        return False
    curve = read_curve(recipe.out / CURVE)
    return fraction_done(recipe, progress) >= 1.0 or stopped_improving(recipe, curve)


def _train(path: Path, recipe: Recipe) -> None:
    """One stage, from its latest save if there is one."""
    with only_writer(recipe.out):
        progress = saved_progress(recipe.out)
        if _finished(recipe):
            tqdm.write(f"{path}: finished already, at step {progress.step}, in {recipe.out}")
            return
        tqdm.write(f"{path} -> {recipe.out}")
        Trainer(recipe).run(resume=progress is not None)


def _how_to_go_on(saved: Sequence[Path]) -> str:
    if not saved:
        return "nothing was saved yet; the same command begins again"
    step = saved_progress(saved[-1]).step
    return (
        f"{saved[-1]} is saved at step {step}; the same command with --resume goes on from there"
    )


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
                "\n".join(f"{path}: {problem.text(decided)}" for problem in problems)
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
