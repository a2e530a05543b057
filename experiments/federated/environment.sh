#!/usr/bin/env bash
# Make the environment of nodes and server: Flower, and behind it what .venv holds (torch, numpy, hedged itself).
set -euo pipefail
cd "$(dirname "$0")/../.."
here=${1:-out/experiments/flower}
[ -x "$here/bin/python" ] || .venv/bin/python -m venv "$here"
.venv/bin/python -c 'import sys; print(*(p for p in sys.path if p and "site-packages" in p), sep="\n")' \
	> "$here/lib/$(basename "$(echo "$here"/lib/python3*)")/site-packages/project.pth"
pwd >> "$here/lib/$(basename "$(echo "$here"/lib/python3*)")/site-packages/project.pth"
"$here/bin/python" -m pip install --quiet --requirement experiments/federated/requirements.txt
echo "$here/bin/python"
