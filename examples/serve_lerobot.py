"""A policy that LeRobot trained, behind openpi's protocol; runs in LeRobot's environment.

    pip install "lerobot[dataset,training]==0.6.1" msgpack websockets
    lerobot-train --dataset.repo_id=local/red_block --dataset.root=datasets/red_block \
        --dataset.video_backend=pyav --policy.type=act --policy.chunk_size=16 \
        --policy.n_action_steps=16 --policy.device=cpu --policy.push_to_hub=false \
        --output_dir=runs/act
    python serve_lerobot.py runs/act/checkpoints/last/pretrained_model --port 8000

and on the robot, or in simulation:

    qwen-vla evaluate --policy-url ws://localhost:8000 --backend lerobot_widowx

Requests have images, a state and a prompt as config/backends/lerobot_widowx.yaml says; answers
have the whole chunk. For policies of one observation (ACT, SmolVLA, pi0); one robot at a time.
"""

import argparse

import msgpack
import numpy as np
import torch
from websockets.sync.server import serve

try:
    from lerobot.configs import PreTrainedConfig
    from lerobot.policies.factory import get_policy_class, make_pre_post_processors
except ModuleNotFoundError as error:
    raise SystemExit(f"{error}: run this with the Python of LeRobot's environment") from None


class Served:
    """A checkpoint of LeRobot's, with the processors that were saved with it."""

    def __init__(self, folder: str, device: str, threads: int):
        torch.set_num_threads(threads)
        config = PreTrainedConfig.from_pretrained(folder)
        config.device = device
        self.policy = get_policy_class(config.type).from_pretrained(folder, config=config)
        to_device = {"device_processor": {"device": device}}
        self.before, self.after = make_pre_post_processors(
            config, folder, preprocessor_overrides=to_device
        )
        self.metadata = {"policy": config.type, "action_horizon": config.chunk_size}

    @torch.inference_mode()
    def infer(self, request: dict) -> dict:
        """An observation to the next actions [H, C], in the units of the training data."""
        seen = {
            f"observation.images.{name}": torch.from_numpy(image.copy()).permute(2, 0, 1) / 255.0
            for name, image in request["images"].items()
        }
        seen |= {"observation.state": torch.from_numpy(request["state"].copy())}
        chunk = self.policy.predict_action_chunk(self.before({**seen, "task": request["prompt"]}))
        return {"actions": self.after(chunk)[0].numpy()}

    def answer(self, connection) -> None:
        """Talk to one robot: metadata first, then an answer for each request."""
        connection.send(pack(self.metadata))
        for frame in connection:
            try:
                answer = pack(self.infer(unpack(frame)))
            except (KeyError, TypeError, ValueError, RuntimeError) as error:
                connection.send(f"{type(error).__name__}: {error}")  # a text is a refusal
                connection.close(1011)
                return
            connection.send(answer)


def pack(value: dict) -> bytes:
    """openpi's frames: msgpack, with arrays as maps."""
    return msgpack.packb(
        value,
        default=lambda array: {
            b"__ndarray__": True,
            b"data": array.tobytes(),
            b"dtype": array.dtype.str,
            b"shape": array.shape,
        },
    )


def unpack(frame: bytes) -> dict:
    """The inverse of ``pack``."""

    def array(value: dict):
        if b"__ndarray__" not in value:
            return value
        return np.frombuffer(value[b"data"], value[b"dtype"]).reshape(value[b"shape"])

    return msgpack.unpackb(frame, object_hook=array)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("checkpoint", help="folder pretrained_model of a LeRobot training")
    parser.add_argument("--host", default="127.0.0.1", help="there is no key: keep it to yourself")
    parser.add_argument("--port", type=int, default=8000, help="0 for a free one (8000)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps (cpu)")
    parser.add_argument("--threads", type=int, default=1, help="of a CPU (1)")
    arguments = parser.parse_args()
    served = Served(arguments.checkpoint, arguments.device, arguments.threads)
    with serve(
        served.answer, arguments.host, arguments.port, compression=None, max_size=2**24
    ) as server:
        port = server.socket.getsockname()[1]
        print(f"serving {arguments.checkpoint} at ws://{arguments.host}:{port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
