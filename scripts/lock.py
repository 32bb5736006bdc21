"""Resolves requirements*.txt for each supported Python into locks/: `make lock`.

Set-up installs from the locks and never searches. `locks/3.11.txt` has what runs and tests this
repository on a CPU, without torch. `locks/3.11-cuda.txt` has torch as the default index serves it
for Linux, which cannot be imported without the CUDA libraries, those libraries, and what
requirements-gpu.txt asks for. `locks/jazzy.txt` has what a ROS distribution lacks, without torch.
Each line holds one version, the checksums of its files and the megabytes to fetch.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

REPOSITORY = Path(__file__).parents[1]
PYTHONS = ("3.10", "3.11", "3.12")
# What the ROS wheels are built for: glibc of Ubuntu 20.04 and newer, x86-64 only.
PLATFORM = "x86_64-manylinux_2_28"
REQUIREMENTS = (
    "requirements.txt",
    "requirements-distribution.txt",
    "requirements-ros.txt",
    "requirements-dev.txt",
)
# ROS distribution -> the Python of its Ubuntu.
DISTRIBUTIONS = {"humble": "3.10", "jazzy": "3.12"}
# Its cv_bridge is compiled against NumPy 1, and its colcon calls what setuptools 80 has no more.
FOR_A_DISTRIBUTION = ("numpy<2", "setuptools<80")


def resolve(python, *requirements, extra=()):
    """Package name -> its entry in a pylock.toml (PEP 751), as uv resolves the requirements."""
    with tempfile.TemporaryDirectory() as folder:
        lock = Path(folder, "pylock.toml")
        extras = Path(folder, "extra.txt")
        extras.write_text("\n".join(extra))
        subprocess.run(
            [
                *(Path(sys.executable).with_name("uv"), "pip", "compile", "--quiet"),
                *("--python-version", python, "--python-platform", PLATFORM),
                *("--python", sys.executable, "--no-python-downloads"),
                *("--format", "pylock.toml", "--output-file", lock, *requirements, extras),
            ],
            cwd=REPOSITORY,
            check=True,
        )
        return {entry["name"]: entry for entry in tomllib.loads(lock.read_text())["packages"]}


def is_for_cuda(name):
    return name in ("torch", "triton") or name.startswith(("nvidia-", "cuda-"))


def line(entry):
    """A line for pip and uv: version, checksums, and the megabytes of the largest file."""
    files = entry.get("wheels") or [entry["sdist"]]
    hashes = " ".join(f"--hash=sha256:{file['hashes']['sha256']}" for file in files)
    megabytes = max(file["size"] for file in files) / 1e6
    return f"{entry['name']}=={entry['version']} {hashes}  # {megabytes:.1f} MB"


def write(name, entries):
    lines = ["# Made by `make lock` from requirements*.txt: do not edit.", *map(line, entries)]
    path = REPOSITORY / "locks" / name
    path.write_text("\n".join(lines) + "\n")
    print(f"{path.relative_to(REPOSITORY)}: {len(entries)} packages")


def main():
    for python in PYTHONS:
        everything = resolve(python, *REQUIREMENTS, "requirements-gpu.txt")
        without_gpu = resolve(python, *REQUIREMENTS)
        base = {name for name in without_gpu if not is_for_cuda(name)}
        write(f"{python}.txt", [everything[name] for name in sorted(base)])
        write(
            f"{python}-cuda.txt", [everything[name] for name in sorted(everything.keys() - base)]
        )
    for distribution, python in DISTRIBUTIONS.items():
        lacks = resolve(python, "requirements.txt", extra=FOR_A_DISTRIBUTION)
        write(f"{distribution}.txt", [lacks[name] for name in lacks if not is_for_cuda(name)])


if __name__ == "__main__":
    main()
