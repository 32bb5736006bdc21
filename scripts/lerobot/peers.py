"""peers.py: LeRobot's policies with random weights, in LeRobot's environment.

Reads a line of JSON for each request and answers with one: ``{"robot": {...}, "policy": "act",
"size": "own"}`` builds a policy, and ``{"run": 0, "threads": 1}`` has the first one that was built
predict a chunk. Nothing is fetched.
"""

import json
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402
import torchvision  # noqa: E402
from lerobot.configs import FeatureType, PolicyFeature  # noqa: E402
from lerobot.policies.act.configuration_act import ACTConfig  # noqa: E402
from lerobot.policies.act.modeling_act import ACTPolicy  # noqa: E402
from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig  # noqa: E402
from lerobot.policies.diffusion.modeling_diffusion import DiffusionPolicy  # noqa: E402
from lerobot.policies.smolvla import smolvlm_with_expert  # noqa: E402
from lerobot.policies.smolvla.configuration_smolvla import SmolVLAConfig  # noqa: E402
from lerobot.policies.smolvla.modeling_smolvla import SmolVLAPolicy  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402
from transformers import SmolVLMConfig  # noqa: E402

OWN, CUT = "own", "cut"
"""Sizes: LeRobot's defaults, and about as many parameters and the same chunks as ours."""

# config.json of HuggingFaceTB/SmolVLM2-500M-Video-Instruct, SmolVLA's default
SMOLVLM2_500M = {
    "scale_factor": 4,
    "text_config": {
        "model_type": "llama",
        "hidden_size": 960,
        "intermediate_size": 2560,
        "num_hidden_layers": 32,
        "num_attention_heads": 15,
        "num_key_value_heads": 5,
        "head_dim": 64,
        "vocab_size": 49280,
        "rms_norm_eps": 1e-5,
        "pad_token_id": 2,
    },
    "vision_config": {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "image_size": 512,
        "patch_size": 16,
    },
}
# Vision tower and words as ours.
SMALL_SMOLVLM = {
    "scale_factor": 3,
    "text_config": {
        "model_type": "llama",
        "hidden_size": 192,
        "intermediate_size": 512,
        "num_hidden_layers": 6,
        "num_attention_heads": 3,
        "num_key_value_heads": 3,
        "head_dim": 64,
        "vocab_size": 530,
        "pad_token_id": 2,
    },
    "vision_config": {
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "image_size": 96,
        "patch_size": 8,
    },
}


def shallow_resnet(full=torchvision.models.resnet18, **options):
    """ResNet-18 without its last stage: 2.8 of 11.2 M parameters."""
    model = full(**options)
    model.layer4, model.layer3, model.fc = model.layer3, nn.Identity(), nn.Linear(256, 1)
    return model


def act(features, horizon, size):
    options = {"pretrained_backbone_weights": None, **features}
    if size == CUT:
        options |= {"chunk_size": horizon, "n_action_steps": horizon, "use_vae": False}
        options |= {"dim_model": 192, "dim_feedforward": 1024, "n_heads": 3}
    return ACTPolicy(ACTConfig(**options))


def diffusion(features, horizon, size):
    options = {"pretrained_backbone_weights": None, **features}
    if size == CUT:  # ten steps of DDIM instead of a hundred of DDPM
        options |= {"horizon": horizon, "n_action_steps": horizon // 2}
        options |= {"use_separate_rgb_encoder_per_camera": False, "down_dims": (40, 80, 160)}
        options |= {"noise_scheduler_type": "DDIM", "num_inference_steps": 10}
    return DiffusionPolicy(DiffusionConfig(**options))


def smolvla(features, horizon, size):
    with TemporaryDirectory() as folder:
        shape = SMOLVLM2_500M if size == OWN else SMALL_SMOLVLM
        config = SmolVLMConfig(**shape, image_token_id=1, pad_token_id=2)
        Path(folder, "config.json").write_text(json.dumps(config.to_dict()))
        options = {"vlm_model_name": folder, **features}
        if size == CUT:
            options |= {"chunk_size": horizon, "n_action_steps": horizon, "num_vlm_layers": 6}
            options |= {"resize_imgs_with_padding": (96, 96), "max_state_dim": 16}
            options |= {"max_action_dim": 16}
        return SmolVLAPolicy(SmolVLAConfig(**options))


POLICIES = {"act": act, "diffusion": diffusion, "smolvla": smolvla}


class Peer:
    """A policy and an observation for it, as its own processor would have made it."""

    def __init__(self, robot, policy, size):
        visual = PolicyFeature(
            type=FeatureType.VISUAL, shape=(3, robot["pixels"], robot["pixels"])
        )
        keys = [f"observation.images.{number}" for number in range(robot["views"])]
        state = PolicyFeature(type=FeatureType.STATE, shape=(robot["state"],))
        action = PolicyFeature(type=FeatureType.ACTION, shape=(robot["actions"],))
        features = {
            "input_features": {**dict.fromkeys(keys, visual), "observation.state": state},
            "output_features": {"action": action},
            "device": "cpu",
        }
        full = torchvision.models.resnet18
        torchvision.models.resnet18 = full if size == OWN else shallow_resnet
        try:
            self.policy = POLICIES[policy](features, robot["horizon"], size).eval()
        finally:
            torchvision.models.resnet18 = full
        steps = getattr(self.policy.config, "n_obs_steps", 1)
        several = (steps,) if steps > 1 else ()
        self.seen = {key: torch.rand(1, *several, *visual.shape) for key in keys}
        self.seen["observation.state"] = torch.rand(1, *several, robot["state"])
        words = torch.full((1, robot["words"]), 3)
        self.seen["observation.language.tokens"] = words
        self.seen["observation.language.attention_mask"] = torch.ones_like(words, dtype=torch.bool)

    def describe(self):
        with FlopCounterMode(display=False) as counter:
            shape = self.chunk().shape
        return {
            "parameters": sum(p.numel() for p in self.policy.parameters()),
            "operations": counter.get_total_flops(),
            "chunk": list(shape),
        }

    @torch.inference_mode()
    def chunk(self):
        return self.policy.predict_action_chunk(dict(self.seen))

    def timed(self):
        begin_s, begin_cpu_s = time.perf_counter(), time.process_time()
        self.chunk()
        return {
            "ms": (time.perf_counter() - begin_s) * 1e3,
            "cpu_ms": (time.process_time() - begin_cpu_s) * 1e3,
        }


def main():
    answers, sys.stdout = sys.stdout, sys.stderr  # what LeRobot prints is no answer
    smolvlm_with_expert.AutoProcessor = SimpleNamespace(  # only asked for two tokens
        from_pretrained=lambda _: SimpleNamespace(
            tokenizer=SimpleNamespace(fake_image_token_id=4, global_image_token_id=5)
        )
    )
    peers = []
    for line in sys.stdin:
        request = json.loads(line)
        if "run" in request:
            torch.set_num_threads(request["threads"])
            answer = peers[request["run"]].timed()
        else:
            peers.append(Peer(**request))
            answer = peers[-1].describe()
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
