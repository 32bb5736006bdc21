"""What `qwen-vla fleet up` serves, as a file; as Ray's configuration; and how many replicas."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from qwen_vla_core.embodiment import find_embodiment
from qwen_vla_core.resources import embodiments_directory
from qwen_vla_core.yaml_file import Strict, WrongKey, read_yaml
from qwen_vla_core.yaml_file.kinds import FLEET
from qwen_vla_ros.load_policy import is_ours

from ..serving import Serving

APP, REPLICA = "qwen-vla", "replica"
"""What Ray calls the fleet, and what it has several of."""
IDLE = 0.1
"""Share of ``queue_age_s`` below which there are too many replicas. Half of them then serve twice
the robots each, and requests still wait for less than they may."""
MEASURING = {"metrics_interval_s": 1.0, "look_back_period_s": 5.0}
"""How often replicas say how long requests waited, and over what time Ray takes the mean: the same
in every file. A replica that runs would keep the old interval after an update of them, and forget
by the new time; with less than the interval it would often have nothing to say (Ray 2.60)."""


class Replicas(Strict):
    """How many there are.

    Attributes:
        least, most: the bounds.
        queue_age_s: there is one more when requests wait for longer than this for a policy, on
            the mean; one fewer when for less than a tenth.
        more_after_s, fewer_after_s: for how long that has to be so.
    """

    least: PositiveInt = 1
    most: PositiveInt = 1
    queue_age_s: PositiveFloat = 0.1
    more_after_s: PositiveFloat = 30.0
    fewer_after_s: PositiveFloat = 600.0

    @model_validator(mode="after")
    def _bounds(self) -> "Replicas":
        if self.most < self.least:
            raise WrongKey("most", f"{self.most} is below least, which is {self.least}")
        return self


class FleetFile(Strict):
    """As the arguments of `qwen-vla serve`. Relative paths count from the working folder.

    Attributes:
        device: of each replica: one GPU, or ``threads`` cores.
    """

    replicas: Replicas = Replicas()
    embodiments: Annotated[tuple[str, ...], Field(min_length=1)] = ("widowx",)
    checkpoint: str | None = None
    instruction: str | None = None
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    device: Literal["cpu", "cuda"] = "cpu"
    weights: Literal["float32", "bfloat16", "float16", "int8", "nf4"] | None = None
    threads: PositiveInt = 1
    compile: bool = False
    api_key_file: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None

    def resolved(self) -> "FleetFile":
        """With whole paths, as every replica needs them, and what a link leads to now."""
        files = (_whole(name) if Path(name).is_file() else name for name in self.embodiments)
        found = {"embodiments": tuple(files)}
        for key in ("api_key_file", "tls_cert", "tls_key"):
            if (path := getattr(self, key)) is not None:
                found[key] = Path(_whole(path))
        if self.checkpoint is not None and Path(self.checkpoint).is_dir():
            found["checkpoint"] = str(Path(self.checkpoint).resolve())
        return self.model_copy(update=found)

    def serving(self) -> Serving:
        """As one process serves it; a checkpoint on the hub is fetched.

        Raises:
            QwenVlaError: there is no such checkpoint or robot.
        """
        checkpoint = self.checkpoint
        if is_ours(checkpoint):
            from qwen_vla_model.hub import find_checkpoint

            find_checkpoint(checkpoint)  # refused before gigabytes have come over the network
            checkpoint = find_checkpoint(checkpoint, weights=True)
        tls = self.tls_cert, self.tls_key
        return Serving(
            checkpoint=checkpoint,
            embodiments=[find_embodiment(n, embodiments_directory()) for n in self.embodiments],
            instruction=self.instruction,
            host=self.host,
            port=self.port,
            devices=[self.device],
            weights=self.weights,
            threads=self.threads,
            compiled=self.compile,
            api_key_file=self.api_key_file,
            tls=tls if any(tls) else None,
        )


def load_fleet(path: Path) -> FleetFile:
    """Read the file of a fleet.

    Raises:
        YamlFileError: with file, line and key of everything that is wrong.
    """
    return read_yaml(path).check(FleetFile, FLEET)


def describe_fleet(fleet: FleetFile, origin: str) -> list[str]:
    """The file in lines for a person."""
    replicas = fleet.replicas
    count = f"{replicas.least}" + (
        f" to {replicas.most}" if replicas.most > replicas.least else ""
    )
    return [
        f"{origin}: a fleet is valid",
        "",
        f"{count} replicas on {fleet.device} behind {fleet.host}:{fleet.port}",
        f"checkpoint {fleet.checkpoint or 'shipped'}, for {', '.join(fleet.embodiments)}",
    ]


def deployment(fleet: FleetFile, revision: int = 0) -> dict:
    """The options of Ray Serve's deployment.

    Args:
        revision: another one is an update although the file is the same.
    """
    count = fleet.replicas
    return {
        "ray_actor_options": {
            "num_cpus": fleet.threads,
            "num_gpus": int(fleet.device == "cuda"),
        },
        "user_config": {
            "fleet": fleet.resolved().model_dump(
                mode="json", exclude_unset=True, exclude={"replicas"}
            ),
            "revision": revision,
        },
        "autoscaling_config": {
            "min_replicas": count.least,
            "max_replicas": count.most,
            "upscale_delay_s": count.more_after_s,
            "downscale_delay_s": count.fewer_after_s,
            **MEASURING,
            "policy": {
                "policy_function": "qwen_vla_eval.fleet.replica:Scale",
                "policy_kwargs": {"queue_age_s": count.queue_age_s},
            },
        },
    }


def ray_configuration(fleet: FleetFile) -> dict:
    """The file that `serve deploy` takes, for a cluster that runs."""
    return {
        "proxy_location": "Disabled",
        "applications": [
            {
                "name": APP,
                "import_path": "qwen_vla_eval.fleet.replica:app",
                "route_prefix": None,
                "deployments": [{"name": REPLICA, **deployment(fleet)}],
            }
        ],
    }


def wanted_replicas(
    target: int,
    running: int,
    age_s: Mapping[object, float],
    refused: Mapping[object, float],
    wanted_s: float,
) -> int:
    """How many there should be; bounds and pauses are kept by who asks.

    Args:
        target: how many there should be by now; some may be starting, or be updated.
        running: how many serve.
        age_s: how long requests waited, on the mean, by replica. Who is silent is not idle.
        refused: how many were refused because they would have come too late, by replica.
        wanted_s: how long they may wait.
    """
    if not age_s:
        return target
    mean_s = sum(age_s.values()) / len(age_s)
    if mean_s > wanted_s or any(refused.values()):
        return max(target, running + 1)
    idle = mean_s < IDLE * wanted_s and len(age_s) == target
    return target - 1 if idle else target


def _whole(path: Path | str) -> str:
    return str(Path(path).absolute())
