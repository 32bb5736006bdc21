"""Some steps of a recipe in each of two processes; the first prints the losses.

They have what torchrun gives, its variables and its store, but are forked from one process that
has imported torch, which takes each of three processes seconds.
"""

import json
import os
import signal
import sys
import traceback
from pathlib import Path

from torch.distributed import TCPStore

from qwen_vla_core.child_process import die_with_parent
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


def fork(rank, path, steps):
    """A process that learns, goes on from its save, and learns; its id."""
    if child := os.fork():
        return child
    status = 1
    try:
        die_with_parent()
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        losses, _ = learn(path, steps)
        more, trainer = learn(path, steps)  # from the save
        if trainer._processes.first:
            print(json.dumps(losses + more), flush=True)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


if __name__ == "__main__":
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    os.environ |= {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port)}
    os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "True"
    running = {fork(rank, Path(sys.argv[1]), int(sys.argv[2])) for rank in range(2)}
    while running:
        child, status = os.wait()
        running.remove(child)
        if status:
            for other in running:  # it would wait for the one that has failed
                os.kill(other, signal.SIGKILL)
            sys.exit(1)
