#!/usr/bin/env bash
# Create .venv when it is missing and install the project into it, in place, with the extras asked for.
#
#   scripts/environment.sh [EXTRA...]
#
# Uses uv when it is on the path, else the standard venv module and pip. Fetches from the package index only.
# PYTHON chooses the interpreter (3.11 or newer); without it the newest suitable one on the path is taken.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
    printf 'environment: %s\n' "$*" >&2
    exit 1
}

suitable() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

interpreter() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
        if suitable "$candidate"; then
            printf '%s' "$candidate"
            return
        fi
    done
    fail "no Python 3.11 or newer found${PYTHON:+ at PYTHON=$PYTHON}; install one or name it: make PYTHON=/path/to/python"
}

create() {
    if command -v uv >/dev/null && [ -z "${PYTHON:-}" ]; then
        uv venv --quiet --python '>=3.11' .venv
        return
    fi
    local python
    python="$(interpreter)"
    "$python" -m venv .venv ||
        fail "$python cannot create a virtual environment (on Debian and Ubuntu: apt-get install python3-venv), or install uv"
}

install() {
    local target="$1"
    if command -v uv >/dev/null; then
        uv pip install --quiet --python .venv/bin/python --reinstall-package gyral --editable "$target"
        return
    fi
    # An environment made by uv carries no pip.
    .venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip --upgrade >/dev/null
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable "$target"
}

native_built() {
    .venv/bin/python -c 'import gyral._native' >/dev/null 2>&1
}

[ -x .venv/bin/python ] || { echo "creating .venv"; rm -rf .venv; create; }

extras="$(IFS=,; echo "$*")"
echo "installing gyral${extras:+[$extras]} into .venv"
install ".${extras:+[$extras]}"

if [ -f setup.py ] && ! native_built; then
    echo "note: the native module gyral._native was not built (is there a C compiler?); the CPU device needs it" >&2
fi
