#!/usr/bin/env bash
# Sets up .venv; the Makefile calls it and remembers which step is done.
#   set_up.sh python     system libraries, virtual environment, locked packages, this package
#   set_up.sh messages   the packages in src/interfaces, where no robot workspace brings them
#   set_up.sh gpu        torch and its libraries for an NVIDIA GPU
#   set_up.sh docs       what builds the documentation, in an environment beside the other
#   set_up.sh distribution   beside a sourced ROS distribution: what that lacks
# PYTHON (python3) is the interpreter to use, VENV (.venv) the folder of the environment.
set -Eeuo pipefail  # E: the trap below sees failures inside functions
cd "$(dirname "$0")/.."

VENV=$PWD/${VENV:-.venv}
PYTHON=${PYTHON:-python3}

say() { echo "set-up: $*"; }
stop() { echo "set-up failed: $*" >&2; exit 1; }
trap 'echo "set-up failed at line $LINENO of scripts/set_up.sh, see above" >&2' ERR

# --- system libraries: the few that Python packages cannot bring -----------------------------

can_compile() { command -v "${CXX:-c++}" >/dev/null; }

has_python_headers() {
    "$PYTHON" -c 'import os, sysconfig
assert os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))' 2>/dev/null
}

can_make_environments() { "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; }

# MuJoCo draws without a screen through EGL or, where that is already there, OSMesa.
can_draw_off_screen() {
    "$PYTHON" - 2>/dev/null <<'END'
import ctypes

for name in ("libEGL.so.1", "libOSMesa.so.8", "libOSMesa.so.6"):
    try:
        ctypes.CDLL(name)
        break
    except OSError:
        continue
else:
    raise SystemExit(1)
END
}

# Prints the Debian packages that are still missing.
missing_packages() {
    can_compile || echo g++
    has_python_headers || echo python3-dev
    can_make_environments || echo python3-venv
    can_draw_off_screen || echo libegl1 libopengl0 libgl1-mesa-dri
}

install_system_packages() {
    local packages as_root=()
    packages=$(missing_packages | xargs)
    [ -n "$packages" ] || return 0

    if [ "$(id -u)" -ne 0 ]; then
        as_root=(sudo -n)
        sudo -n true 2>/dev/null || stop "needs the system packages: $packages
Install them as root, e.g. apt-get install $packages"
    fi
    command -v apt-get >/dev/null || stop "needs what Debian calls: $packages"
    say "installing $packages"
    "${as_root[@]}" apt-get update -qq
    # shellcheck disable=SC2086  # one word a package
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends $packages >/dev/null

    packages=$(missing_packages | xargs)
    [ -z "$packages" ] || stop "installed, and yet not usable by $PYTHON: $packages"
}

# --- packages: from locks/, which `make lock` writes -------------------------------------------

# The lock of the environment's Python: locks/3.11.txt, or with "-cuda" locks/3.11-cuda.txt.
lock() {
    "$VENV/bin/python" -c "import sys; print('locks/%d.%d${1:-}.txt' % sys.version_info[:2])"
}

# Says what the given locks still bring: lines that are installed in their version do not count.
say_what_is_missing() {
    "$VENV/bin/python" - "$@" <<'END'
import re
import sys
from importlib.metadata import distributions

installed = {re.sub("[-_.]+", "-", d.name).lower() + "==" + d.version for d in distributions()}
lines = [line for lock in sys.argv[1:] for line in open(lock) if "==" in line]
missing = [line for line in lines if line.split()[0] not in installed]
megabytes = sum(float(line.split("#")[1].split()[0]) for line in missing)
print(f"set-up: {len(missing)} of {len(lines)} packages are missing: {megabytes:.0f} MB to fetch")
END
}

# uv reads no pip configuration: what a lab configured there (a mirror, wheels on a disk, a
# certificate) counts here as well. Prints shell assignments.
pip_settings_for_uv() {
    "$VENV/bin/python" - <<'END'
import ast
import shlex
import subprocess
import sys

NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}
settings = {}
listing = subprocess.check_output([sys.executable, "-m", "pip", "config", "list"], text=True)
# The environment's lines (":env:") come first and win.
for line in listing.splitlines():
    key, _, value = line.partition("=")
    section, _, name = key.rpartition(".")
    if name in NAMES and section in (":env:", "global", "install"):
        settings.setdefault(NAMES[name], ast.literal_eval(value).split())
for name, values in settings.items():
    separator = "," if name == "UV_FIND_LINKS" else " "
    print(f": ${{{name}:={shlex.quote(separator.join(values))}}}; export {name}")
END
}

# Installs exactly its arguments, without looking for anything else. Not its list of what it
# installed: hundreds of lines in a log.
install_locked() {
    "$VENV/bin/uv" pip install --no-deps --python "$VENV/bin/python" "$@" 2>&1 |
        { grep -Ev '^ [-+~] ' || true; }
}

# uv cannot do without a cache, and hard links from it make an environment a matter of seconds.
prepare_uv() {
    local settings
    settings=$(pip_settings_for_uv)
    eval "$settings"
    # As pip does: whichever source has the locked version may serve it, not only the first.
    export UV_INDEX_STRATEGY=unsafe-best-match UV_PYTHON_DOWNLOADS=never
    UV_BUILD_CONSTRAINT=$(lock) && export UV_BUILD_CONSTRAINT
    mkdir -p "${UV_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/uv}" 2>/dev/null ||
        export UV_CACHE_DIR=$VENV/cache
    grep '^uv==' "$(lock)" >"$VENV/uv.txt"
    "$VENV/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes \
        --requirement "$VENV/uv.txt"
}

has_torch() { "$VENV/bin/python" -c 'import torch' 2>/dev/null; }

has_gpu() { command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; }

# The default index serves torch for Linux with CUDA only, 2.7 GB that a CPU has no use for. The
# build for CPUs comes from what pip is configured for or from PyTorch's own index, which uv knows.
install_torch_for_cpu() {
    local torch
    torch=$(grep -o '^torch==[0-9.]*' "$(lock -cuda)")
    say "installing $torch for the CPU: about 190 MB to fetch"
    install_locked --quiet "$torch+cpu" >/dev/null ||
        UV_HTTP_RETRIES=0 install_locked --quiet --torch-backend cpu "$torch" >/dev/null
}

install_torch_for_gpu() {
    say "installing torch with the CUDA libraries"
    say_what_is_missing "$(lock -cuda)"
    install_locked --requirement "$(lock -cuda)"
}

# torch with CUDA where there is no GPU: what it cannot be imported without. The kernels of
# flash-linear-attention would be called and fail.
install_torch_with_cuda_for_cpu() {
    local needed=$VENV/torch-with-cuda.txt
    grep -Ev '^(triton|nvidia-cusolver|flash-linear-attention|fla-core|einops)==' \
        "$(lock -cuda)" >"$needed"
    say "no source here has torch without CUDA: installing it with the CUDA libraries"
    say_what_is_missing "$needed"
    install_locked --requirement "$needed"
}

install_torch() {
    if has_gpu; then
        install_torch_for_gpu
    else
        has_torch || install_torch_for_cpu || install_torch_with_cuda_for_cpu
    fi
}

# --- step: python ----------------------------------------------------------------------------

set_up_python() {
    "$PYTHON" -c 'import sys; assert (3, 10) <= sys.version_info < (3, 13)' 2>/dev/null ||
        stop "needs Python 3.10 to 3.12 as '$PYTHON' (set PYTHON to choose another)"
    install_system_packages

    # An interrupted set-up may have left an environment without pip.
    if ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
        say "creating ${VENV##*/}"
        "$PYTHON" -m venv --clear "$VENV"
    fi

    # The ROS wheels find each other only below one prefix, which is why everything goes into
    # this environment.
    say_what_is_missing "$(lock)"
    prepare_uv
    install_locked --requirement "$(lock)"
    install_torch

    say "installing this package, editable"
    install_locked --quiet --no-build-isolation --editable .
    link_share_folders
}

# Debian refuses pip outside an environment (PEP 668); this one sees the distribution's packages.
set_up_distribution() {
    local distribution=${ROS_DISTRO:-}
    [ -n "$distribution" ] || stop "source a ROS distribution first: . /opt/ros/jazzy/setup.bash"
    [ -f "locks/$distribution.txt" ] || stop "ROS $distribution is not supported: Humble and Jazzy"
    "$PYTHON" -c 'import rclpy' || stop "'$PYTHON' is not the Python of ROS $distribution"
    install_system_packages
    if ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
        say "creating ${VENV##*/}"
        "$PYTHON" -m venv --system-site-packages --clear "$VENV"
    fi
    touch "$VENV/COLCON_IGNORE"
    say_what_is_missing "locks/$distribution.txt"
    prepare_uv
    install_locked --requirement "locks/$distribution.txt"
    install_torch
    say "done; now build in the workspace with this environment's Python:
    $VENV/bin/python -m colcon build --packages-select qwen_vla_ros"
}

set_up_gpu() {
    has_gpu || stop "nvidia-smi finds no GPU here"
    prepare_uv
    install_torch_for_gpu
}

set_up_docs() {
    [ -x "$VENV-docs/bin/mkdocs" ] && [ "$VENV-docs" -nt requirements-docs.txt ] && return
    prepare_uv
    "$VENV/bin/uv" venv --quiet --clear "$VENV-docs"
    "$VENV/bin/uv" pip install --python "$VENV-docs/bin/python" -r requirements-docs.txt
}

# An editable install leaves out what a ROS package has below share/. Links, so that an edited
# YAML counts at once and there is one truth.
link_share_folders() {
    local entry share=$VENV/share/qwen_vla_ros index=$VENV/share/ament_index/resource_index
    mkdir -p "$share" "$index/packages"
    for entry in launch config embodiments rviz package.xml; do
        ln -sfn "$PWD/$entry" "$share/$entry"
    done
    ln -sfn "$PWD/resource/qwen_vla_ros" "$index/packages/qwen_vla_ros"
}

# --- step: messages --------------------------------------------------------------------------

# True if a sourced workspace or distribution brings the real package: it must never be shadowed.
workspace_has() {
    "$VENV/bin/python" - "$1" 2>/dev/null <<'END'
import importlib
import sys

sys.exit(importlib.import_module(sys.argv[1] + ".msg").__file__.startswith(sys.prefix))
END
}

set_up_messages() {
    local package
    for package in src/interfaces/*/package.xml; do
        package=$(basename "$(dirname "$package")")
        if workspace_has "$package"; then
            say "$package comes from the workspace that is sourced"
        else
            build_messages "$package"
        fi
    done
}

build_messages() (
    say "building $1 (about a minute)"
    build=$VENV/build/$1
    rm -rf "$build"
    mkdir -p "$build"
    export AMENT_PREFIX_PATH=$VENV
    # The environment's tools come first: the generators need its Python and CMake.
    export PATH=$VENV/bin:$PATH
    {
        cmake -S "src/interfaces/$1" -B "$build" \
            -DCMAKE_PROJECT_INCLUDE="$PWD/src/interfaces/cmake/strip_includes.cmake" \
            -DCMAKE_PREFIX_PATH="$VENV" -DCMAKE_INSTALL_PREFIX="$VENV" \
            -DPython3_EXECUTABLE="$VENV/bin/python" -DBUILD_TESTING=OFF &&
            cmake --build "$build" -j2 &&
            cmake --install "$build"
    } >"$build/log.txt" 2>&1 || {
        tail -n 40 "$build/log.txt" >&2
        stop "$1 does not build; all output is in $build/log.txt"
    }
    "$VENV/bin/python" -c "import rclpy, $1.msg"
)

# Two `make` at a time take turns instead of building over each other.
exec 9<scripts/set_up.sh
flock 9

case ${1:-} in
    python) set_up_python ;;
    messages) set_up_messages ;;
    gpu) set_up_gpu ;;
    distribution) set_up_distribution ;;
    docs) set_up_docs ;;
    *) stop "say which step: python, messages, gpu, docs or distribution" ;;
esac
