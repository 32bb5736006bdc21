"""What a recipe learns from is there, or the message names the folder and the keys."""

import pytest

from noise_episodes import PATH
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_model.training.mixture import check_sources
from qwen_vla_model.training.recipe import load_recipe


def test_when_a_folder_of_episodes_is_missing_expect_its_key_and_how_to_record(
    recipe, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    mixture = [{"embodiment": str(PATH), "episodes": "none"}]
    with pytest.raises(QwenVlaError) as refused:
        check_sources(load_recipe(recipe("run", mixture=mixture)))
    assert str(refused.value) == (
        f"mixture: episodes: none: no such folder (seen from {tmp_path}); record them with: "
        f"qwen-vla generate --embodiment {PATH} --out none"
    )


def test_when_all_episodes_are_held_out_expect_both_keys_and_both_numbers(recipe, tmp_path):
    words = r"episodes has 4 episodes, and validation_episodes holds out 4, so none is left"
    with pytest.raises(QwenVlaError, match=f"mixture: episodes: {tmp_path}/{words}"):
        check_sources(load_recipe(recipe("run", validation_episodes=4)))
