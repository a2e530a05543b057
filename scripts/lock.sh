#!/usr/bin/env bash
# Regenerates requirements.lock (what the daemon serves with) and requirements-dev.lock (the same plus
# the tools of `make check`). Neither holds torch: see docs/adr/0002.
#
# Why the override is safe: injective-py -> bip32 asks for coincurve<21, ccxt asks for coincurve==21.0.0,
# so pip refuses the pair. bip32 calls coincurve only to derive keys, and derives the very same keys on
# 20 and on 21; its upper bound guards against the unknown, not against a known break (docs/adr/0001).
#
# What is pinned stays as it is, and what is new is added. To move one package or all:
#   UPGRADE='--upgrade-package ccxt' make lock      UPGRADE=--upgrade make lock
set -euo pipefail
cd "$(dirname "$0")/.."

UV_VERSION=${UV_VERSION:-0.13.8}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "==> a throw-away environment with uv $UV_VERSION"
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION"
echo 'coincurve==21.0.0' >"$work/override.txt"

header() {
    cat <<TEXT
# $1
# Made by scripts/lock.sh (make lock), not by hand:
#   uv pip compile --universal --python-version 3.11 --override <coincurve==21.0.0> pyproject.toml
# Complete, so install it without letting pip resolve again: pip install --no-deps -r $2
TEXT
}

compile() { # what it is for, file, further arguments
    local purpose=$1 file=$2
    shift 2
    echo "==> $file"
    cp "$file" "$work/pins.txt" # uv keeps to what the file holds that it is to write
    # shellcheck disable=SC2086 # several arguments on purpose
    "$work/venv/bin/uv" pip compile --quiet --no-config --no-header --universal --python-version 3.11 \
        --no-emit-package pip --override "$work/override.txt" ${UPGRADE:-} -o "$work/pins.txt" "$@" pyproject.toml >"$work/out.txt"
    sed "s|--override [^ ]*override.txt|scripts/lock.sh (override)|" "$work/pins.txt" >"$work/body.txt"
    { header "$purpose" "$file"; cat "$work/body.txt"; } >"$work/new.lock"
    cp "$work/new.lock" "$file"
}

compile "Everything the running daemon needs." requirements.lock
compile "Everything of requirements.lock at the same versions, plus the tools of make check." \
    requirements-dev.lock --group dev --constraint requirements.lock --no-annotate
echo "==> $(grep -c == requirements.lock) packages to serve, $(grep -c == requirements-dev.lock) with the tools"
