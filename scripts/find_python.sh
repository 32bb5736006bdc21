# find_python VERSION prints the interpreter of a version: on PATH, or one of pyenv's that is not
# switched on. To be sourced.
find_python() {
    local candidate
    for candidate in "python$1" "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions/$1".*/bin/python; do
        if "$candidate" -c "import sys; assert '%d.%d' % sys.version_info[:2] == '$1'" \
            2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}
