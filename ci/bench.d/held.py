"""Says what a child costs the prober itself while it is held between runs (`session = "reuse"`), over stdio.

The child's own memory is another process's. What a target costs anyhow, its statistics above all, is taken out by the same
plan with `session = "fresh"`, where nothing is held between the runs: each plan is watched with few targets and with many,
the slope between them is what one more target takes, and the difference of the two slopes is what holding takes.

    python3 ci/bench.d/held.py --binary target/release/mcp-probe --floor target/floor/release [--sizes 50,300]
        [--pairs 3]
"""

import argparse
import contextlib
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from watch import Page, memory_kib

# reference: memory of a held child, and of a target with its statistics
HELD_KIB_MAX, TARGET_KIB_MAX = 24, 48
EVERY_S, RUNS = 8, 4


def plan(fixture, targets, session):
    # All of them start within one interval, few at a time: what many need at once stays with the process.
    text = f"[watch]\njobs = 4\nspawns = {max(16, 2 * targets // EVERY_S)}\ntranscripts = false\n"
    for number in range(targets):
        text += f'[target.t{number}]\ncommand = ["{fixture}", "stdio"]\nprotocol = "modern"\n'
    text += f'[[probe]]\nname = "list"\ntarget = "*"\nevery = "{EVERY_S}s"\ntimeout = "5s"\nsession = "{session}"\n'
    text += '[[probe.step]]\nmethod = "tools/list"\n'
    text += '[[alert]]\nname = "down"\nconsecutive_failures = 3\nwithin = "1m"\n'
    return text


def children(pid):
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def measured(options, session, targets):
    """KiB of the daemon when each target was looked at `RUNS` times."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        pathlib.Path(folder, "probes.toml").write_text(plan(options.floor.resolve() / "fixture", targets, session))
        said = pathlib.Path(folder, "log")
        daemon = subprocess.Popen(
            [options.binary.resolve(), "watch", "probes.toml", "--listen", "127.0.0.1:0", "--state", "state"],
            cwd=folder, stderr=open(said, "w"), stdin=subprocess.DEVNULL,
        )
        stack.callback(daemon.kill)
        until = time.monotonic() + EVERY_S * (RUNS + 3) + 60
        page, done, samples, held = None, 0, [], 0
        while len(samples) < 20:
            time.sleep(0.1 if page else 0.02)
            if daemon.poll() is not None or time.monotonic() > until:
                sys.exit(f"{done} of {targets} x {RUNS} runs\n{said.read_text()[-2000:]}")
            if page is None:
                address = re.search(r"listening on (\S+)", said.read_text())
                page = address and Page(address.group(1))
                continue
            # A page is made, too: none is asked for while it is measured.
            if done < targets * RUNS:
                time.sleep(1)
                runs, _ = page.runs()
                done = sum(runs.values())
                if done != runs.get("healthy", 0):
                    sys.exit(f"not all are healthy: {runs}")
                continue
            # What runs in this moment is not what is held: the middle of many moments, over most of an interval.
            time.sleep(EVERY_S / 20)
            samples.append(memory_kib(daemon.pid))
            held = max(held, len(children(daemon.pid)))
        if session == "reuse" and held < targets:
            sys.exit(f"{held} children are held, and there are {targets} targets")
        daemon.terminate()
        if daemon.wait(60):
            sys.exit(said.read_text()[-2000:])
    return statistics.median(samples)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=pathlib.Path, default="target/release/mcp-probe")
    parser.add_argument("--floor", type=pathlib.Path, default="target/floor/release")
    parser.add_argument("--sizes", default="50,300")
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    few, many = (int(size) for size in options.sizes.split(","))
    # Three pipes and the process of each child.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 5 * many + 1000)), hard))
    slopes = {"reuse": [], "fresh": []}
    for number in range(options.pairs):
        for session, seen in slopes.items():
            small, large = measured(options, session, few), measured(options, session, many)
            seen.append((large - small) / (many - few))
            print(f"pair {number + 1}, {session}: {small:.0f} KiB for {few} targets, {large:.0f} KiB for {many}: "
                  f"{seen[-1]:.1f} KiB each", flush=True)
    target, fresh = (statistics.median(slopes[session]) for session in ("reuse", "fresh"))
    held = statistics.median(one - other for one, other in zip(slopes["reuse"], slopes["fresh"]))
    print(f"a target over stdio takes {target:.1f} KiB with the child that is held, all in all (limit {TARGET_KIB_MAX}), and "
          f"{fresh:.1f} KiB where none is; holding it takes {held:.1f} KiB (limit {HELD_KIB_MAX})")
    return 1 if held > HELD_KIB_MAX else 0


if __name__ == "__main__":
    sys.exit(main())
