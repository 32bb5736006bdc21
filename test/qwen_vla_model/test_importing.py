"""Weights under other names: a report first, and the same policy afterwards."""

import json
import random
import re

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from noise_episodes import PATH, WIDOWX
from qwen_vla_cli.main import main
from qwen_vla_core.errors import CheckpointError, QwenVlaError
from qwen_vla_core.observation.empty_scene import empty_scene
from qwen_vla_model.checkpoint import from_pretrained
from qwen_vla_model.config import ExpertConfig
from qwen_vla_model.importing import Import
from qwen_vla_model.policy import QwenVlaPolicy
from qwen_vla_model.pretrained_backbone import from_qwen
from qwen_vla_model.trained_robots import load_action_space
from tiny_qwen import save_tiny_qwen

EXPERT = {"width": 32, "blocks": 2, "heads": 2, "head_dim": 32, "mlp_hidden": 48}
EXPERT |= {"context": "joint", "proprioception": "none", "prediction": "velocity"}
QUANTILES = {"q01": [-0.02] * 6 + [0.0], "q99": [0.02] * 6 + [1.0], "mean": [0.0] * 7}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A model of ours, the folder of its backbone, and its weights under other names."""
    folder = tmp_path_factory.mktemp("foreign")
    save_tiny_qwen(folder / "qwen")
    torch.manual_seed(1)
    model, _ = from_qwen(folder / "qwen", ExpertConfig(**EXPERT))
    model.bfloat16()
    for parameter in model.expert.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    (folder / "theirs").mkdir()
    return model, folder


@pytest.fixture
def foreign(original, tmp_path):
    """Called with changes: writes the weights, the map and the statistics."""
    model, folder = original
    rng, names, rules, tensors = random.Random(0), {}, [], {}
    for name, tensor in model.named_parameters():
        if split := re.fullmatch(r"expert\.blocks\.(\d+)\.qkv\.(\w+)", name):
            for i, part in enumerate(tensor.detach().chunk(3)):
                tensors[f"dit.{'qkv'[i]}.{split[1]}.{split[2]}"] = part.contiguous()
        else:
            names[name] = f"n{len(names)}_{rng.randrange(10**6)}"  # says nothing
            tensors[names[name]] = tensor.detach().contiguous()
            rules.append({"theirs": re.escape(names[name]), "ours": name})
    for i in range(3):
        theirs = rf"dit\.{'qkv'[i]}\.(\d+)\.(\w+)"
        rules.append({"theirs": theirs, "ours": r"expert.blocks.\1.qkv.\2", "part": [i, 3]})
    rng.shuffle(rules)
    tensors = dict(rng.sample(sorted(tensors.items()), len(tensors)))

    def write(change=lambda tensors: None, **of_map):
        change(tensors)
        save_file(tensors, tmp_path / "model.safetensors")
        values = {
            "backbone": str(folder / "qwen"),
            "expert": EXPERT,
            "euler_steps": 3,
            "tensors": rules,
            "robots": [{"embodiment": str(PATH), "statistics": "bridge", "view": [64, 64]}],
        }
        (tmp_path / "names.yaml").write_text(yaml.safe_dump(values | of_map))
        (tmp_path / "stats.json").write_text(json.dumps({"bridge": {"action": QUANTILES}}))
        return Import(tmp_path, tmp_path / "names.yaml", tmp_path / "stats.json")

    write.names = names
    return write


def test_when_names_are_shuffled_expect_the_same_numbers_and_a_policy(original, foreign, tmp_path):
    found = foreign()
    assert found.match.complete and found.match.report()[1:] == [
        f"{what:<12} 0" for what in ("missing", "unexpected", "wrong", "dropped")
    ]
    found.write(tmp_path / "out")
    imported = from_pretrained(tmp_path / "out", weights="bfloat16")
    for name, tensor in original[0].named_parameters():
        assert torch.equal(imported.get_parameter(name), tensor), name
    assert imported.config.euler_steps == 3
    space = load_action_space(tmp_path / "out", WIDOWX)
    native = np.array([QUANTILES["q01"], QUANTILES["q99"]])
    policy = QwenVlaPolicy.load(tmp_path / "out", WIDOWX)
    normal = policy.processor.codec.normalize_actions(native)
    np.testing.assert_allclose([space.q01[0], space.q99[0]], normal, atol=1e-9)
    assert policy.processor.embodiment.cameras[0].width == 64
    assert np.isfinite(policy.infer(empty_scene(WIDOWX))).all()


def test_when_tensors_are_missing_left_over_or_misshapen_expect_each_named_and_nothing_written(
    foreign, tmp_path, capsys, monkeypatch
):
    gone, bent = (foreign.names[f"expert.blocks.{i}.down.weight"] for i in (0, 1))

    def damage(tensors):
        del tensors[gone]
        tensors[bent] = torch.zeros(3, 4)
        tensors["surplus"] = torch.zeros(1)
        del tensors["dit.k.1.weight"]

    match = foreign(damage).match
    assert match.missing == ("expert.blocks.0.down.weight",)
    assert match.unexpected == ("surplus",)
    assert len(match.wrong) == 2
    assert f"is (32, 48) here, and there {bent} (3, 4)" in match.wrong[0]
    assert "expert.blocks.1.qkv.weight has 2 of its 3 parts" in match.wrong[1]
    out = tmp_path / "out"
    files = ("--map", str(tmp_path / "names.yaml"), "--stats", str(tmp_path / "stats.json"))
    monkeypatch.setattr(
        "sys.argv", ["qwen-vla", "import", str(tmp_path), *files, "--out", str(out)]
    )
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2 and not out.exists()
    printed = capsys.readouterr()
    assert "surplus" in printed.out and "nothing was written" in printed.err


def test_when_the_folder_is_not_empty_expect_it_left_alone(foreign, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(QwenVlaError, match="out holds something already"):
        foreign().write(tmp_path / "out")


def test_when_a_tensor_is_nan_expect_no_checkpoint(foreign, tmp_path):
    name = foreign.names["expert.context_in.weight"]
    found = foreign(lambda tensors: tensors[name].fill_(float("nan")))
    with pytest.raises(CheckpointError, match="expert.context_in.weight is NaN"):
        found.write(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_when_statistics_are_of_another_robot_or_beyond_its_range_expect_why(foreign, tmp_path):
    robots = [{"embodiment": str(PATH), "statistics": "droid"}]
    with pytest.raises(QwenVlaError, match="droid: needs .*it has the keys bridge"):
        foreign(robots=robots)
    foreign()
    wide = QUANTILES | {"q99": [9.0, *QUANTILES["q99"][1:]]}
    (tmp_path / "wide.json").write_text(json.dumps({"bridge": {"action": wide}}))
    with pytest.raises(QwenVlaError, match="goes beyond q01 and q99 of widowx"):
        Import(tmp_path, tmp_path / "names.yaml", tmp_path / "wide.json")
