"""The file of a fleet, how many replicas it wants, and what is said without Ray."""

import sys
from pathlib import Path

import pytest

from qwen_vla_cli.fleet import add_arguments, run
from qwen_vla_cli.parser import Parser
from qwen_vla_core.errors import QwenVlaError, YamlFileError
from qwen_vla_eval.fleet.plan import (
    FleetFile,
    Replicas,
    deployment,
    describe_fleet,
    load_fleet,
    ray_configuration,
    wanted_replicas,
)

EXAMPLE = Path(__file__).parents[3] / "config" / "fleets" / "example.yaml"
WANTED_S = 0.1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("replicas:\n  most: 2\n  least: 3\n", ":2: replicas.most: 2 is below least, which is 3"),
        ("replicas: {}\nport: 0\n", ":2: port: needs to be at least 1, not 0"),
        ("device: cude\n", ":1: device: 'cude' is none of cpu, cuda; did you mean cuda?"),
        ("device: cpu\ncheckpont: a\n", ":2: checkpont: unknown key; did you mean checkpoint?"),
        ("embodiments: []\n", ":1: embodiments: needs at least 1 of them, not 0"),
        ("port: 8000\n", ": needs to be a fleet, and is a file of Interbotix motor modes"),
    ],
)
def test_when_the_file_is_wrong_expect_its_line_key_and_what_to_write(tmp_path, text, said):
    file = tmp_path / "fleet.yaml"
    file.write_text(text)
    with pytest.raises(YamlFileError) as error:
        load_fleet(file)
    assert str(error.value) == f"{file}{said}"


def test_when_the_example_is_read_expect_what_it_says_for_a_person_and_for_ray():
    fleet = load_fleet(EXAMPLE)
    assert describe_fleet(fleet, "it")[2:] == [
        "2 to 4 replicas on cuda behind 127.0.0.1:8000",
        "checkpoint shipped, for widowx",
    ]
    (application,) = ray_configuration(fleet)["applications"]
    (replicas,) = application["deployments"]
    assert replicas["ray_actor_options"] == {"num_cpus": 1, "num_gpus": 1}
    scaling = replicas["autoscaling_config"]
    assert (scaling["min_replicas"], scaling["max_replicas"]) == (2, 4)
    assert (scaling["upscale_delay_s"], scaling["downscale_delay_s"]) == (30.0, 600.0)
    # Replicas that are asked for by other numbers do not load what they serve anew.
    served = FleetFile.model_validate(replicas["user_config"]["fleet"])
    assert served == fleet.model_copy(update={"replicas": served.replicas})


def test_when_a_link_leads_elsewhere_expect_an_update_and_paths_that_count_in_every_process(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        Path(name).mkdir()
    fleet = FleetFile(checkpoint="current", api_key_file=Path("key.txt"), device="cpu")
    configs = []
    for name in ("one", "two", "two"):
        Path("current").unlink(missing_ok=True)
        Path("current").symlink_to(name)
        configs.append(deployment(fleet)["user_config"])
    assert configs[0] != configs[1] == configs[2] != deployment(fleet, 1)["user_config"]
    assert configs[1]["fleet"]["checkpoint"] == str(tmp_path / "two")
    assert configs[1]["fleet"]["api_key_file"] == str(tmp_path / "key.txt")


@pytest.mark.parametrize(
    ("age_s", "refused", "wanted"),
    [
        ({}, {}, 2),  # nothing has been measured yet
        ({1: 0.05, 2: 0.05}, {1: 0.0, 2: 0.0}, 2),
        ({1: 0.30, 2: 0.02}, {1: 0.0, 2: 0.0}, 3),
        ({1: 0.00, 2: 0.00}, {1: 0.2, 2: 0.0}, 3),  # robots were told that it is busy
        ({1: 0.00, 2: 0.01}, {1: 0.0, 2: 0.0}, 1),
        ({1: 0.00}, {1: 0.0}, 2),  # the other says nothing, which does not mean that it is idle
    ],
)
def test_when_requests_wait_or_are_refused_expect_one_more_and_when_idle_one_fewer(
    age_s, refused, wanted
):
    assert wanted_replicas(2, 2, age_s, refused, WANTED_S) == wanted


@pytest.mark.parametrize(
    ("running", "age_s"), [(0, {}), (1, {}), (1, {1: 0.0}), (1, {1: 0.05}), (1, {1: 0.5})]
)
def test_when_a_replica_is_still_starting_or_being_updated_expect_neither_more_nor_fewer(
    running, age_s
):
    assert wanted_replicas(2, running, age_s, {}, WANTED_S) == 2


def test_when_another_count_is_asked_for_expect_replicas_to_measure_at_the_same_intervals():
    # Ray 2.60 tells those that run of another time to look back, and leaves their intervals.
    files = [FleetFile(replicas=Replicas(more_after_s=after_s)) for after_s in (4.0, 30.0)]
    scaling = [deployment(fleet)["autoscaling_config"] for fleet in files]
    for key in ("look_back_period_s", "metrics_interval_s"):
        assert scaling[0][key] == scaling[1][key]


def test_when_ray_is_not_installed_expect_one_line_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    parser = Parser()
    add_arguments(parser)
    with pytest.raises(QwenVlaError, match=r"pip install -r requirements-fleet\.txt.*qwen-vla"):
        run(parser.parse_args(["up", "--config", str(EXAMPLE)]))
