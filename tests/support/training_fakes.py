"""Processes in the place of one that trains: what they do is said by the order's reason."""

import json
import os
import sys
import time
from pathlib import Path

from hedged.forecast.models.trainings import Result, read_order, write_result
from hedged.training.bounds import bind


def main() -> None:
    path, parent = Path(sys.argv[1]), int(sys.argv[2])
    order = read_order(path)
    bind(order.memory_mb, order.nice, parent)
    print(json.dumps({"stage": "begun", "share": 0.1}), flush=True)
    what = order.why
    if what == "hungry":
        held = []
        for _ in range(60):
            held.append(bytearray(os.urandom(1 << 20) * 16))
            time.sleep(0.02)
    elif what == "greedy":
        bytearray(64 << 30)
    elif what == "hangs":
        time.sleep(600)
    elif what == "tells":
        for name, value in sorted(os.environ.items()):
            print(f"{name}={value}", file=sys.stderr)
        for name in ("oom_score_adj", "limits"):
            print(Path(f"/proc/self/{name}").read_text(), file=sys.stderr)
        print(f"nice {os.nice(0)} leads {os.getpgid(0) == os.getpid()}", file=sys.stderr)
        print("descriptors", sorted(os.listdir("/proc/self/fd")), file=sys.stderr)
        print("no json", flush=True)
        write_result(path.parent / "out", Result(order.ordered_ms, "rejected", "it only told"))
    elif what == "talks":
        for _ in range(40_000):
            print("twelve bytes", file=sys.stderr)
        raise SystemExit(3)


main()
