"""Stages of training (paper section 2.4), one recipe each, one after the other."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError
from tqdm import tqdm

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.freed_memory import keep_freed_memory
from qwen_vla_core.observation.empty_scene import INSTRUCTION
from qwen_vla_core.yaml_file import problems_in

from ..checkpoint import build_empty, load_config, load_tokenizer
from ..config import qwen_vla_tiny
from ..hub import find_checkpoint, find_folder
from ..model import QwenVla
from ..precision import free_bytes
from ..pretrained_backbone import config_around, tokenizer_with_tags
from ..processor import Processor
from ..tokenizer import IMAGE, train_tokenizer
from .estimate import in_words, needs
from .mixture import check_sources, robot_of
from .parallel import Processes
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


def rehearse(paths: Sequence[Path], out: Path | None, robot: str | None) -> None:
    """Print what each recipe will take; of the first one also by some real steps, if it fits.

    Nothing is written.

    Raises:
        QwenVlaError: as ``train``, but for the folders of runs.
    """
    recipes = load_stages(paths, out or Path(), robot)
    processes = Processes.planned()
    model, tokens = None, 0
    for path, recipe in zip(paths, recipes, strict=True):
        if model is None:  # a later stage has the first one's network
            model, tokens = _described(recipe)
        device = recipe.device or ("cuda" if torch.cuda.is_available() else "cpu")
        found = needs(recipe, model, tokens, processes)
        tqdm.write("\n".join([str(path), *in_words(found, recipe, device, processes)]))
    first = recipes[0]
    device = torch.device(first.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    needed = needs(first, model, tokens, processes).memory
    if needed > (free := free_bytes(device)):
        tqdm.write(f"not tried: {free / 1e9:.3g} GB are free on {device}")
        return
    check_sources(first)
    tqdm.write(Trainer(first).rehearse())


def _described(recipe: Recipe) -> tuple[QwenVla, int]:
    """The network of a recipe without its weights, and the tokens of its longest prompt."""
    if recipe.start_from:
        folder = find_checkpoint(recipe.start_from)
        config, tokenizer = load_config(folder), load_tokenizer(folder)
    elif recipe.backbone:
        folder = find_folder(recipe.backbone, weights=False)
        horizon = max(load_embodiment(s.embodiment).horizon for s in recipe.mixture)
        config = config_around(folder, recipe.expert, horizon, recipe.channel_layout)
        tokenizer, _ = tokenizer_with_tags(folder, config)
    else:
        folder, tokenizer = Path("the small network"), train_tokenizer()
        image_token = tokenizer.convert_tokens_to_ids(IMAGE)
        config = qwen_vla_tiny(len(tokenizer), image_token, recipe.channel_layout)
    if recipe.prompt:
        config = config.model_copy(update={"prompt": recipe.prompt})
    tokens = []
    for source in recipe.mixture:
        processor = Processor(config, tokenizer, robot_of(recipe, source))
        views = [recipe.images] * len(processor.embodiment.cameras)
        state_S = np.zeros(len(processor.embodiment.state_channels))
        tokens.append(len(processor.tokens(INSTRUCTION, state_S, views)))
    return build_empty(config, folder), max(tokens)


def _finished(recipe: Recipe) -> bool:
    progress = saved_progress(recipe.out)
    if progress is None:
        return False
    curve = read_curve(recipe.out / CURVE)
    return fraction_done(recipe, progress) >= 1.0 or stopped_improving(recipe, curve)


def _train(path: Path, recipe: Recipe) -> None:
    """One stage, from its latest save if there is one."""
    with only_writer(recipe.out) if Processes.planned_rank() == 0 else nullcontext():
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
