"""What a recipe learns from is there, or the message names the folder and the keys."""

import pytest

from noise_episodes import PATH
from qwen_vla_core.errors import QwenVlaError, YamlFileError
from qwen_vla_model.checkpoint import load_config, load_tokenizer
from qwen_vla_model.training.mixture import Mixture, check_sources
from qwen_vla_model.training.recipe import load_recipe


def test_when_a_folder_of_episodes_is_missing_expect_its_key_and_how_to_record(
    recipe, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    mixture = [{"embodiment": str(PATH), "episodes": "none"}]
    with pytest.raises(QwenVlaError) as refused:
        check_sources(load_recipe(recipe("run", mixture=mixture)))
    assert str(refused.value) == (
        f"mixture: episodes: none: no such folder (working folder: {tmp_path}); record them with: "
        f"qwen-vla record --embodiment {PATH} --folder none, or in simulation: "
        f"qwen-vla generate --embodiment {PATH} --out none"
    )


def test_when_a_source_names_a_shipped_robot_expect_its_file_and_of_another_name_the_nearest(
    recipe,
):
    (source,) = load_recipe(
        recipe("a", mixture=[{"embodiment": "aloha", "episodes": "x"}])
    ).mixture
    assert source.embodiment == PATH.with_name("aloha.yaml")
    with pytest.raises(YamlFileError, match=r"embodiment: no embodiment 'alha'.*mean aloha\?"):
        load_recipe(recipe("b", mixture=[{"embodiment": "alha", "episodes": "x"}]))


def test_when_all_episodes_are_held_out_expect_both_keys_and_both_numbers(recipe, tmp_path):
    words = r"episodes has 4 episodes, and validation_episodes holds out 4, so none is left"
    with pytest.raises(QwenVlaError, match=f"mixture: episodes: {tmp_path}/{words}"):
        check_sources(load_recipe(recipe("run", validation_episodes=4)))


def first(recipe, tmp_path, count):
    source = {"embodiment": str(PATH), "episodes": str(tmp_path / "episodes"), "first": count}
    return load_recipe(recipe("run", mixture=[source]))


def test_when_fewer_episodes_are_to_be_learned_from_expect_the_first_and_the_same_held_out(
    recipe, tmp_path, micro_checkpoint
):
    network = load_config(micro_checkpoint), load_tokenizer(micro_checkpoint)
    two, three = (Mixture(first(recipe, tmp_path, count), *network) for count in (2, 3))
    assert seeds(two.learned) == [10_000, 10_001]
    assert seeds(three.learned) == [10_000, 10_001, 10_002]
    assert seeds(two.held_out) == seeds(three.held_out) == [10_003]


def seeds(datasets):
    return sorted({episode.seed for episode, *_ in datasets["widowx"].steps})


def test_when_more_episodes_are_to_be_learned_from_than_there_are_expect_all_numbers(
    recipe, tmp_path
):
    words = r"first: 4 episodes of .*episodes, which has 4, less the 1 of validation_episodes"
    with pytest.raises(QwenVlaError, match=words):
        check_sources(first(recipe, tmp_path, 4))
