#!/usr/bin/env bash
# pip, told in a few lines: scripts/pip_step.sh PYTHON ARGUMENTS... runs `PYTHON -m pip install ARGUMENTS`.
# What pip says is kept in install.log beside the environment, and its end is shown when it fails.
set -euo pipefail

python=$1
shift
log=$(dirname "$python")/../install.log
total=0
for argument in "$@"; do
    case $argument in *.lock) total=$(grep -c '^[a-zA-Z0-9].*==' "$argument") ;; esac
done

"$python" -m pip --disable-pip-version-check --no-input install --no-compile --progress-bar off "$@" 2>&1 |
    tee "$log" |
    awk -v total="$total" '
        /^(Collecting|Processing|Ignoring|Requirement already)/ {
            if (total && (++n % 20 == 0 || n == total)) print "    " n " of " total " packages"
        }
        /^ *Downloading .*\([0-9.]+ [MG]B\)/ && !total { print "    downloading " $2 " " $3 " " $4 }
        /Retrying/ && !lost++ { print "    an index does not answer; looking in the others" }
        /^Installing collected/ { print "    unpacking" }
        { fflush() }
    ' || {
    echo "pip failed; the end of $log:" >&2
    tail -n 25 "$log" >&2
    exit 1
}
