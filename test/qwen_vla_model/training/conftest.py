"""Recipes on episodes of noise: what is learned from them does not matter."""

import pytest
import yaml

from micro_processor import micro_processor
from noise_episodes import PATH, WIDOWX, record
from qwen_vla_model.checkpoint import save_pretrained
from qwen_vla_model.training import validation
from qwen_vla_model.training.stages import train

DRAW = validation._draw
OTHER_STARTS = {"start_from", "backbone", "channel_layout", "expert"}


@pytest.fixture(scope="session")
def micro_checkpoint(tmp_path_factory):
    """A small network with random weights: one of the shipped size learns ten times as slowly."""
    folder = tmp_path_factory.mktemp("micro") / "checkpoint"
    model, processor = micro_processor(WIDOWX)
    save_pretrained(folder, model, processor.tokenizer, {}, {})
    return folder


@pytest.fixture(scope="module", autouse=True)
def not_drawn():
    """No training draws its curves, which takes longer than to learn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "_draw", lambda path, rows: None)
        yield


@pytest.fixture
def drawn(monkeypatch):
    """Curves are drawn after all."""
    monkeypatch.setattr(validation, "_draw", DRAW)


def recipes_in(folder, micro_checkpoint):
    """Writes recipes there that start from the small network; called with the name of a run."""
    episodes = folder / "episodes"
    episodes.mkdir()
    for seed in range(10_000, 10_004):
        record(episodes, seed)

    def write(name, **changes):
        values = {
            "mixture": [{"embodiment": str(PATH), "episodes": str(episodes)}],
            "out": str(folder / name),
            "max_steps": 3,
            "observations": 2,
            "instructions": 2,
            "draws": 2,
            "tau": {"kind": "beta"},
            "grounding": {"steps": 2},
            "learning_rates": {"vision": 1e-3, "language": 1e-3, "expert": 1e-3},
            "warmup_steps": 2,
            "validation_episodes": 1,
            "validation_steps": 2,
            "validate_every_minutes": 60.0,
            "save_every_minutes": 60.0,
        }
        if not OTHER_STARTS & changes.keys():
            values["start_from"] = str(micro_checkpoint)
        path = folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(values | changes))
        return path

    return write


@pytest.fixture
def recipe(tmp_path, micro_checkpoint):
    return recipes_in(tmp_path, micro_checkpoint)


@pytest.fixture(scope="session")
def known(tmp_path_factory, micro_checkpoint):
    """A checkpoint that has learned: fresh ones have closed gates that stop gradients."""
    return train(
        recipes_in(tmp_path_factory.mktemp("known"), micro_checkpoint)("run", max_steps=4)
    )


@pytest.fixture
def two_robots(recipe, tmp_path):
    """A mixture of the WidowX and, three times as often, another robot."""
    twin = tmp_path / "twin.yaml"
    twin.write_text(PATH.read_text().replace("name: widowx\n", "name: twin\n", 1))
    (tmp_path / "twins").mkdir()
    for seed in range(10_000, 10_003):
        record(tmp_path / "twins", seed, robot="twin")
    return [
        {"embodiment": str(PATH), "episodes": str(tmp_path / "episodes"), "weight": 1.0},
        {"embodiment": str(twin), "episodes": str(tmp_path / "twins"), "weight": 3.0},
    ]
