"""Installs the qwen_vla_* packages; colcon and pip both read this file."""

from pathlib import Path
from xml.etree import ElementTree

from setuptools import find_packages, setup

# The repository, also where `colcon build --symlink-install` runs a link to this file.
ROOT = Path(__file__).resolve().parent
NAME = "qwen_vla_ros"
VERSION = ElementTree.parse("package.xml").findtext("version")
PACKAGES = find_packages("src", exclude=["interfaces", "interfaces.*"])


def files_below(folder):
    """Every file of a folder, without what Python leaves behind."""
    return sorted(
        path
        for path in Path(folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )


def share(folder):
    """data_files entries that install a folder as it is below share/qwen_vla_ros."""
    by_parent = {}
    for path in files_below(folder):
        by_parent.setdefault(f"share/{NAME}/{path.parent}", []).append(str(path))
    return list(by_parent.items())


def package_data(top_level):
    """Whatever is not code, such as the shipped checkpoint, travels with its package."""
    root = Path("src", top_level)
    return [str(path.relative_to(root)) for path in files_below(root) if path.suffix != ".py"]


def requirements(file):
    """The lines of a requirements file: the one place where a dependency is named."""
    lines = (ROOT / file).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


# Always installed: what runs the package on a plain Python.
DEPENDENCIES = ("requirements.txt", "requirements-distribution.txt")
# Each further requirements-NAME.txt is an extra: pip install '.[ros,gpu]'.
EXTRAS = {
    path.stem.partition("-")[2]: requirements(path)
    for path in sorted(ROOT.glob("requirements-*.txt"))
    if path.name not in DEPENDENCIES
}

setup(
    name=NAME,
    version=VERSION,
    description="Runs the Qwen-VLA vision-language-action model on robots.",
    license="Apache-2.0",
    maintainer="qwen_vla_ros maintainers",
    maintainer_email="maintainers@qwen-vla-ros.org",
    python_requires=">=3.10,<3.13",
    package_dir={"": "src"},
    packages=PACKAGES,
    package_data={name: package_data(name) for name in PACKAGES if "." not in name},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        *share("launch"),
        *share("config"),
        *share("embodiments"),
        *share("rviz"),
        *share("resource/web"),
        # colcon.pkg names it: `qwen-vla` is a command wherever the workspace is sourced.
        (f"share/{NAME}/hook", ["resource/hook/path.dsv"]),
    ],
    install_requires=[line for file in DEPENDENCIES for line in requirements(file)],
    # Without 'test', `colcon test` runs nothing and says OK; see test/quick_selection.py.
    extras_require=EXTRAS | {"test": ["pytest"]},
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "qwen-vla = qwen_vla_cli.main:main",
            "policy_node = qwen_vla_cli.executables:policy_node",
            "control_node = qwen_vla_cli.executables:control_node",
            "teleop_node = qwen_vla_cli.executables:teleop_node",
            "page_node = qwen_vla_cli.executables:page_node",
            "visualizer_node = qwen_vla_cli.executables:visualizer_node",
            "recorder_node = qwen_vla_cli.executables:recorder_node",
            "sim_node = qwen_vla_cli.executables:sim_node",
        ],
    },
)
