"""Lets `mcp-probe watch` work for a while and looks at what grows; then has it end ten thousand servers that do not want to.

First part: 1,000 servers over HTTP and 100 over stdio, every 6 seconds, some on sessions that are held. When the first
results are there, how evenly the runs are spread, how late they are, and the slopes of memory, descriptors and lateness
with their 95 % intervals. Second part: runs against servers that ignore SIGTERM and leave a process in a session of its
own; of these nothing may be left.
"""

import argparse
import collections
import contextlib
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

from loop import MARK, descriptors, survivors

EVERY_SECONDS = 6
FIRST_RESULTS_SECONDS_MAX = EVERY_SECONDS + 2
SPREAD_MAX = 2
LAG_P99_MS_MAX = 250
# A slope counts where it is above noise and would matter: in a day this much per hour is some 24 MiB, or 24 descriptors.
RSS_KIB_PER_HOUR_MAX = 1024
DESCRIPTORS_PER_HOUR_MAX = 1
# Quantiles of Student's distribution at 97.5 %, for the interval of a slope over few blocks.
STUDENT = [12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13]
BLOCKS = 12


class Daemon:
    """`mcp-probe watch` at work in a folder, with its log in a file."""

    def __init__(self, binary, folder, text, options=()):
        self.folder, self.mark = pathlib.Path(folder), f"soak-{os.getpid()}-{time.monotonic_ns()}"
        (self.folder / "probes.toml").write_text(text)
        with open(self.folder / "log", "w") as log:
            self.process = subprocess.Popen(
                [binary, "watch", "probes.toml", "--listen", "127.0.0.1:0", "--state", "state", *options],
                cwd=folder, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, MARK: self.mark, "HOME": folder},
            )
        self.begun, self.pid = time.monotonic(), self.process.pid
        while not (said := re.search(r"listening on (\S+)", (self.folder / "log").read_text())):
            if self.process.poll() is not None:
                sys.exit((self.folder / "log").read_text())
            time.sleep(0.02)
        self.url = said.group(1)

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=60) as reply:
            return reply.read().decode()

    def status(self, probes=True):
        return json.loads(self.get("/api/v1/status" if probes else "/api/v1/status?probes=no"))

    def metric(self, name):
        """The sum over all series of a metric, by status where it has one."""
        found = collections.Counter()
        for line in self.get("/metrics").splitlines():
            if line.startswith((name + "{", name + " ")):
                status = re.search(r'status="([^"]*)"', line)
                found[status.group(1) if status else ""] += float(line.rsplit(" ", 1)[1])
        return found

    def memory_kib(self):
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+)", text).group(1))

    def ended(self):
        """Its exit code, and what it left behind."""
        self.process.send_signal(signal.SIGTERM)
        code, begun = self.process.wait(120), time.monotonic()
        while (left := survivors(self.mark)) and time.monotonic() - begun < 10:
            time.sleep(0.2)
        return code, left

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()


def slope(points):
    """Of the means of some blocks, which leaves little of what neighbours have in common: per hour, and its 95 % interval."""
    size = max(1, len(points) // BLOCKS)
    blocks = [points[at:at + size] for at in range(0, len(points) - size + 1, size)]
    means = [(sum(x for x, _ in block) / len(block), sum(y for _, y in block) / len(block)) for block in blocks]
    count = len(means)
    if count < 3:
        return 0.0, float("inf")
    mean_x, mean_y = sum(x for x, _ in means) / count, sum(y for _, y in means) / count
    spread = sum((x - mean_x) ** 2 for x, _ in means)
    rise = sum((x - mean_x) * (y - mean_y) for x, y in means) / spread
    rest = sum((y - mean_y - rise * (x - mean_x)) ** 2 for x, y in means)
    student = STUDENT[min(count - 2, len(STUDENT)) - 1]
    return rise * 3600, student * (rest / (count - 2) / spread) ** 0.5 * 3600


def fleet(binary, url, http, stdio):
    text = "[watch]\njitter = \"2%\"\n"
    for number in range(http):
        text += f'[target.web{number}]\nurl = "{url}"\nstartup_timeout = "2s"\n'
    for number in range(stdio):
        text += f'[target.child{number}]\ncommand = ["{binary}", "demo"]\nstartup_timeout = "2s"\n'
    for name, session, remainder in (("fresh", "fresh", (0, 1, 2)), ("warm", "reuse", (3,))):
        names = [f"web{n}" for n in range(http) if n % 4 in remainder]
        names += [f"child{n}" for n in range(stdio) if n % 4 in remainder]
        text += f'[[probe]]\nname = "{name}"\nevery = "{EVERY_SECONDS}s"\ntimeout = "3s"\nsession = "{session}"\n'
        text += f"target = {json.dumps(names)}\n"
    return text + '[[alert]]\nname = "down"\nconsecutive_failures = 3\nwithin = "2m"\n'


def spread(status):
    """How many runs began in each second of one interval: the most, and the middle."""
    begun = [probe["last_run_at"] for probe in status["probes"] if "last_run_at" in probe]
    counts = collections.Counter(at[:19] for at in begun)
    # The first and the last second of the interval are not whole.
    inner = [counts[second] for second in sorted(counts)[1:-1]] or [0]
    return max(inner), sorted(inner)[len(inner) // 2]


def long_work(binary, options, wrong):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        server = subprocess.Popen([binary, "demo", "--http", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True,
                                  stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        stack.callback(server.kill)
        url = server.stdout.readline().split()[-1]
        daemon = Daemon(binary, folder, fleet(binary, url, options.http, options.stdio))
        stack.callback(daemon.kill)
        while (status := daemon.status())["summary"]["waiting"] and time.monotonic() - daemon.begun < 120:
            time.sleep(0.5)
        first = time.monotonic() - daemon.begun
        time.sleep(max(0, options.warm_up - first))
        most, middle = spread(daemon.status())
        seen, begun = [], time.monotonic()
        while time.monotonic() - begun < options.minutes * 60:
            time.sleep(5)
            said = daemon.status(probes=False)["daemon"]
            seen.append((time.monotonic() - begun, daemon.memory_kib(), descriptors(daemon.pid), said["lag_p50_ms"],
                         said["lag_p99_ms"]))
        status, runs = daemon.status(), daemon.metric("mcp_probe_runs_total")
        missed = sum(daemon.metric("mcp_probe_missed_runs_total").values())
        code, left = daemon.ended()
    memory, files = slope([(at, kib) for at, kib, *_ in seen]), slope([(at, fds) for at, _, fds, *_ in seen])
    late = slope([(at, p50) for at, _, _, p50, _ in seen])
    p50 = sorted(row[3] for row in seen)[len(seen) // 2]
    p99 = max(row[4] for row in seen)
    done, summary = int(sum(runs.values())), status["summary"]
    print(f"watch: {options.http} HTTP and {options.stdio} stdio targets every {EVERY_SECONDS} s, {options.minutes:g} minutes")
    print(f"  runs              {done}, not healthy {done - int(runs['healthy'])}, missed {missed:.0f}; now {summary}")
    print(f"  first results     after {first:.1f} s (at most {FIRST_RESULTS_SECONDS_MAX})")
    print(f"  runs per second   most {most}, middle {middle}: x{most / max(middle, 1):.2f} (below {SPREAD_MAX})")
    print(f"  lag               p50 {p50:.2f} ms, p99 at worst {p99:.2f} ms (below {LAG_P99_MS_MAX})")
    print(f"  slope of lag p50  {late[0]:+.3f} ± {late[1]:.3f} ms an hour")
    print(f"  memory            {seen[0][1]} KiB then {seen[-1][1]} KiB; slope {memory[0]:+.0f} ± {memory[1]:.0f} KiB an hour")
    print(f"  descriptors       {seen[0][2]} then {seen[-1][2]}; slope {files[0]:+.2f} ± {files[1]:.2f} an hour")
    print(f"  at the end        exit code {code}, survivors {len(left)}", flush=True)
    grows = lambda found, limit: found[0] - found[1] > limit
    for fails, what in (
        (code != 0 or left, f"it ends with {code} and leaves {left}"),
        (summary["healthy"] != summary["probes"] or done != runs["healthy"], "not every run was healthy"),
        (missed, "runs were missed"),
        (first > FIRST_RESULTS_SECONDS_MAX, "the first results came late"),
        (most >= SPREAD_MAX * middle, "runs come in bunches"),
        (p99 >= LAG_P99_MS_MAX, "runs are late"),
        (grows(late, 1), "runs become later and later"),
        (grows(memory, RSS_KIB_PER_HOUR_MAX), "memory grows"),
        (grows(files, DESCRIPTORS_PER_HOUR_MAX), "descriptors grow"),
    ):
        if fails:
            wrong.append(what)


def stubborn(binary, options, wrong):
    targets = options.at_once
    text = f"[watch]\nrun_at_start = true\njobs = {targets}\nspawns = {targets}\ntranscripts = false\n"
    command = json.dumps([str(binary), "demo", "--fault", "ignore-sigterm", "--fault", "fork-detached"])
    for number in range(targets):
        text += f'[target.t{number}]\ncommand = {command}\n'
    text += '[[probe]]\nname = "p"\ntarget = "*"\nevery = "6s"\ntimeout = "5s"\n[[probe.step]]\nmethod = "tools/list"\n'
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(binary, folder, text)
        try:
            peak, first, runs, limit = 0, None, 0, 120 + options.runs * 0.5
            while runs < options.runs and time.monotonic() - daemon.begun < limit:
                time.sleep(2)
                counts = daemon.metric("mcp_probe_runs_total")
                runs = int(sum(counts.values()))
                peak = max(peak, len(survivors(daemon.mark)))
                if first is None and runs >= min(options.runs // 10, 2 * targets):
                    first = (daemon.memory_kib(), descriptors(daemon.pid))
            last, took = (daemon.memory_kib(), descriptors(daemon.pid)), time.monotonic() - daemon.begun
            code, left = daemon.ended()
        finally:
            daemon.kill()
            for pid, _ in survivors(daemon.mark):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    first = first or last
    print(f"stubborn servers: {runs} runs in {took:.0f} s, {targets} at once")
    print(f"  processes at most {peak} (daemon, guard, servers and what they left)")
    print(f"  memory            {first[0]} KiB then {last[0]} KiB, descriptors {first[1]} then {last[1]}")
    print(f"  by status         {dict(counts)}")
    print(f"  at the end        exit code {code}, survivors {len(left)}", flush=True)
    for fails, what in (
        (runs < options.runs, f"only {runs} of {options.runs} runs were made"),
        (code != 0, f"it ends with {code}"),
        (left, f"{len(left)} processes survive: {left[:3]}"),
        (peak > 2 + 3 * targets, "more processes at once than runs can have"),
        (last[1] > first[1] + 2 * targets, "descriptors grow"),
    ):
        if fails:
            wrong.append(what)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--minutes", type=float, default=10)
    # The history keeps 4 MiB of its pages in memory: it takes some 100,000 runs until no more are added.
    parser.add_argument("--warm-up", type=float, default=660, help="seconds before slopes are taken")
    parser.add_argument("--http", type=int, default=1000)
    parser.add_argument("--stdio", type=int, default=100)
    parser.add_argument("--runs", type=int, default=10_000, help="against servers that do not want to end")
    parser.add_argument("--at-once", type=int, default=120)
    options = parser.parse_args()
    binary, wrong = options.binary.resolve(), []
    if options.minutes:
        long_work(binary, options, wrong)
    if options.runs:
        stubborn(binary, options, wrong)
    for what in wrong:
        print(f"WRONG: {what}")
    print("all is as it should be" if not wrong else f"{len(wrong)} things are wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
