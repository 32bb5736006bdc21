"""Some steps of a recipe in each process that torchrun starts; the first prints the losses."""

import json
import sys
from pathlib import Path

from qwen_vla_model.training.recipe import load_recipe
from qwen_vla_model.training.saves import saved_progress
from qwen_vla_model.training.trainer import Trainer


def learn(path, steps):
    """Go on from a save where there is one, learn, save; the losses."""
    recipe = load_recipe(path)
    recipe.out.joinpath("saves").mkdir(parents=True, exist_ok=True)
    trainer = Trainer(recipe)
    if saved_progress(recipe.out):
        trainer.load_state()
    batches = trainer.batches()
    losses = [trainer.learn(next(batches)) for _ in range(steps)]
    trainer.save()
    return losses, trainer


if __name__ == "__main__":
    losses, _ = learn(Path(sys.argv[1]), int(sys.argv[2]))
    more, trainer = learn(Path(sys.argv[1]), int(sys.argv[2]))  # from the save
    losses += more
    if trainer._processes.first:
        print(json.dumps(losses))
