"""The kinds of YAML files used here, distinguished by their keys."""

from typing import Any

EMBODIMENT = "an embodiment"
RECIPE = "a training recipe"
PLAN = "a report plan"
GAMEPAD = "a map of a gamepad"
BACKEND = "a backend"
FLEET = "a fleet"
REINFORCEMENT = "a reinforcement"
NAMES = "a map of tensor names"

KINDS = {
    EMBODIMENT: ("prompt_words", "action_hz", "cameras", "groups", "watchdogs"),
    RECIPE: ("mixture", "max_steps", "observations", "tau", "learning_rates"),
    PLAN: ("checkpoints", "robots", "sections", "bars"),
    GAMEPAD: ("deadman", "sticks", "pairs"),
    BACKEND: ("images", "states", "actions", "prompt", "constants"),
    FLEET: ("replicas", "embodiments", "device", "tls_cert", "api_key_file"),
    REINFORCEMENT: ("recipe", "tasks", "scenes", "tries"),
    NAMES: ("tensors", "robots", "expert", "euler_steps"),
    "a file of node parameters": ("/**",),
    "a file of Interbotix motor modes": ("port", "groups", "singles"),
}
"""Kind -> keys that most files of that kind have and hardly any of another."""


def kind_of(values: dict[str, Any]) -> str | None:
    """The kind with most of its keys there; the first one of several, None where there is none."""
    found = {kind: sum(key in values for key in keys) for kind, keys in KINDS.items()}
    best = max(found, key=found.__getitem__)
    return best if found[best] else None
