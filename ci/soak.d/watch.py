"""Lets `mcp-probe watch` work for a while and looks at what grows: memory, descriptors, processes, lag."""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

from loop import descriptors, listening, resident_kib

TARGETS = 20
WARM_UP_SECONDS = 60
# Noise of the allocator and of SQLite's pages: what grows without end is above it in ten minutes.
GROWTH_KIB_MAX = 8192
DESCRIPTORS_GROWTH_MAX = 8
LAG_MS_MAX = 250


def plan(binary, url):
    text = "[watch]\nrun_at_start = true\n"
    for number in range(TARGETS):
        text += f'[target.child{number}]\ncommand = ["{binary}", "demo"]\n'
        text += f'[target.web{number}]\nurl = "{url}"\n'
    text += '[[probe]]\nname = "fresh"\ntarget = "*"\nevery = "2s"\ntimeout = "1900ms"\n'
    text += '[[probe]]\nname = "warm"\ntarget = "*"\nevery = "2s"\ntimeout = "1900ms"\nsession = "reuse"\n'
    text += '[[alert]]\nname = "down"\nconsecutive_failures = 3\nwithin = "1m"\n'
    return text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    binary = options.binary.resolve()
    with tempfile.TemporaryDirectory() as folder, listening([binary, "demo", "--http", "127.0.0.1:0"]) as (_, url):
        pathlib.Path(folder, "probes.toml").write_text(plan(binary, url))
        daemon = subprocess.Popen(
            [binary, "watch", "probes.toml", "--listen", "127.0.0.1:0", "--state", "state"],
            cwd=folder, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
        )
        page = next(line.split()[-1] for line in daemon.stderr if line.startswith("listening on "))
        os.set_blocking(daemon.stderr.fileno(), False)
        begun, seen = time.monotonic(), []
        while time.monotonic() - begun < WARM_UP_SECONDS + options.minutes * 60:
            time.sleep(5)
            daemon.stderr.read()
            if time.monotonic() - begun > WARM_UP_SECONDS:
                seen.append((resident_kib(daemon.pid), descriptors(daemon.pid)))
        with urllib.request.urlopen(f"{page}/api/v1/status") as reply:
            status = json.load(reply)
        daemon.send_signal(signal.SIGTERM)
        code = daemon.wait(60)
    third = max(1, len(seen) // 3)
    memory = max(rss for rss, _ in seen[-third:]) - max(rss for rss, _ in seen[:third])
    files = max(fds for _, fds in seen[-third:]) - max(fds for _, fds in seen[:third])
    lag, summary = status["daemon"].get("lag_p99_ms"), status["summary"]
    print(f"watch, {options.minutes:g} minutes: {summary}, memory {memory:+} KiB, descriptors {files:+}, lag p99 {lag} ms")
    wrong = []
    if code != 0:
        wrong.append(f"ended with {code}")
    if memory > GROWTH_KIB_MAX or files > DESCRIPTORS_GROWTH_MAX:
        wrong.append("it grows")
    if summary["healthy"] != summary["probes"] or lag is None or lag > LAG_MS_MAX:
        wrong.append("probes are not healthy, or late")
    for text in wrong:
        print(f"  {text}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
