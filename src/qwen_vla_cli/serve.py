"""Serve a policy to robots on other machines, over openpi's websocket protocol.

Example:
  qwen-vla serve                                   # the shipped weights, this machine only
  qwen-vla serve --embodiment widowx --embodiment aloha --device cuda \\
      --host 0.0.0.0 --api-key-file key.txt --tls-cert cert.pem --tls-key key.pem
  qwen-vla serve --device cuda:0 --device cuda:1 --checkpoint runs/current

A robot uses it with policy_url:=ws://host:port (wss:// with TLS) and the key in the environment
variable QWEN_VLA_API_KEY; a stock openpi client works as well. GET /healthz says whether it is
alive, GET /metrics what it did, for Prometheus. Anything but loopback needs a key.

Several devices are a fleet: a replica of the policy on each, behind one port. A connection goes to
the replica that has the fewest; one that dies is started again. SIGUSR1 to this process replaces
one after the other by what --checkpoint names then, and no request is lost; if that does not load,
those that serve go on. Their /metrics are on --port + 1, + 2, and so on.
"""

import argparse
from pathlib import Path

from .arguments import (
    add_checkpoint,
    embodiment_file,
    policy_name,
    port,
    positive,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla serve`."""
    add_checkpoint(parser)
    parser.add_argument(
        "--embodiment",
        action="append",
        metavar="ROBOT",
        help="name or YAML file; repeat it for several (widowx)",
    )
    parser.add_argument(
        "--instruction", help="of clients that send no prompt, such as openpi's ALOHA"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=port, default=8000, help="0: any free one (8000)")
    parser.add_argument(
        "--device",
        action="append",
        help="torch device: cpu, cuda, cuda:1; repeat it for several (cpu)",
    )
    parser.add_argument(
        "--weights",
        choices=("float32", "bfloat16", "float16", "int8", "nf4"),
        help="data type of the weights (bfloat16 on a GPU, float32 elsewhere)",
    )
    parser.add_argument(
        "--compile",
        action="store_true",
        help="let torch.compile fuse passes on a GPU: minutes at the start, quicker afterwards",
    )
    parser.add_argument("--threads", type=positive, default=1, help="CPU threads of the model (1)")
    parser.add_argument("--api-key-file", type=Path, help="its first line is the clients' key")
    parser.add_argument("--tls-cert", type=Path, help="certificate chain, PEM")
    parser.add_argument("--tls-key", type=Path, help="its private key, PEM")


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted."""
    from qwen_vla_eval.serving import Serving, serve_checkpoint

    tls = arguments.tls_cert, arguments.tls_key
    serve_checkpoint(
        Serving(
            checkpoint=policy_name(arguments.checkpoint),
            embodiments=[embodiment_file(name) for name in arguments.embodiment or ["widowx"]],
            instruction=arguments.instruction,
            host=arguments.host,
            port=arguments.port,
            devices=arguments.device or ["cpu"],
            weights=arguments.weights,
            threads=arguments.threads,
            compiled=arguments.compile,
            api_key_file=arguments.api_key_file,
            tls=tls if any(tls) else None,
        )
    )
    return 0
