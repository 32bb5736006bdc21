# set_up_lerobot WHO installs LeRobot into $lerobot, or ends the script where there is no Python
# 3.12; WHO says so. To be sourced.
. scripts/find_python.sh
lerobot=.venv-lerobot

set_up_lerobot() {
    local python wanted=scripts/lerobot/requirements.txt
    if ! python=$(find_python 3.12); then
        echo "$1: Python 3.12 is not found here: left out"
        exit 0
    fi
    cmp -s "$wanted" "$lerobot/installed.txt" && return
    echo "$1: installing LeRobot into $lerobot: up to 3 GB where torch comes with CUDA only"
    "$python" -m venv --clear "$lerobot"
    local install=("$VENV/bin/uv" pip install --quiet --python "$lerobot/bin/python" -r "$wanted")
    # The build of torch for CPUs is not on every index.
    UV_HTTP_RETRIES=0 "${install[@]}" --torch-backend cpu 2>/dev/null || "${install[@]}"
    cp "$wanted" "$lerobot/installed.txt"
}
