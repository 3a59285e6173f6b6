"""Lets `mcp-probe watch` look at 1,000 and at 10,000 servers over HTTP, each once a second, and says what that costs:
lateness, processor time per probe, memory per target, and whether lateness grows.

One local server stands for all of them, and has the same cores: what it takes is told beside. It is the fixture that thinks
about nothing; without `--floor` it is the demo server, which takes as long as the prober does.

    python3 ci/bench.d/watch.py --binary target/release/mcp-probe [--floor target/floor/release] [--seconds 60]
        [--sizes 1000,10000] [--every 1s]
"""

import argparse
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

TICKS = os.sysconf("SC_CLK_TCK")
JOBS = 400
# reference: lateness, processor time per probe, memory per target, growth of it from the small size to the large one
LATENESS_MS_MAX, CPU_US_MAX, KIB_MAX, GROWTH_MAX = 2.5, 30, 48, 1.2


def descriptors_for(targets):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # One connection each; the server counts its own.
    wanted = targets + 1000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        sys.exit(f"{targets} targets need {wanted} descriptors, this user may have {hard}: raise `ulimit -n`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_kib(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+)", text).group(1))


def plan(url, targets, every):
    # More runs at once than end within their time-out (400 take some 40 ms) would only make all of them late: at the start,
    # when every session is opened, the rest waits for its place. The time for opening is left at its default.
    text = f"[watch]\njobs = {JOBS}\nper_host = {JOBS}\ntranscripts = false\n"
    for number in range(targets):
        text += f'[target.t{number}]\nurl = "{url}"\nprotocol = "modern"\n'
    text += f'[[probe]]\nname = "list"\ntarget = "*"\nevery = "{every}"\ntimeout = "500ms"\nsession = "reuse"\n'
    text += '[[probe.step]]\nmethod = "tools/list"\n'
    text += '[[alert]]\nname = "down"\nconsecutive_failures = 3\nwithin = "1m"\n'
    return text


class Page:
    def __init__(self, url):
        self.url = url

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=60) as reply:
            return reply.read().decode()

    def runs(self):
        """Runs by status, and what was missed."""
        runs, missed = {}, 0
        for line in self.get("/metrics").splitlines():
            if line.startswith("mcp_probe_runs_total{"):
                status = re.search(r'status="([^"]*)"', line).group(1)
                runs[status] = runs.get(status, 0) + float(line.rsplit(" ", 1)[1])
            elif line.startswith("mcp_probe_missed_runs_total{"):
                missed += float(line.rsplit(" ", 1)[1])
        return runs, missed

    def daemon(self):
        return json.loads(self.get("/api/v1/status?probes=no"))["daemon"]


def slope(points):
    """By least squares, with its 95 % interval: per minute."""
    count = len(points)
    if count < 4:
        return 0.0, float("inf")
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    rise = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    rest = sum((y - mean_y - rise * (x - mean_x)) ** 2 for x, y in points)
    return rise * 60, 60 * 2.1 * (rest / (count - 2) / spread) ** 0.5


def measured(binary, targets, options):
    descriptors_for(targets)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        serve = [options.floor.resolve() / "fixture", "crowd"] if options.floor else [binary, "demo", "--http", "127.0.0.1:0"]
        server = subprocess.Popen(serve, stdout=subprocess.PIPE, text=True,
                                  stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        stack.callback(server.kill)
        url = server.stdout.readline().split()[-1]
        pathlib.Path(folder, "probes.toml").write_text(plan(url, targets, options.every))
        log = open(pathlib.Path(folder, "log"), "w+")
        daemon = subprocess.Popen(
            [binary, "watch", "probes.toml", "--listen", "127.0.0.1:0", "--state", "state"],
            cwd=folder, stderr=log, stdin=subprocess.DEVNULL,
        )
        stack.callback(daemon.kill)
        address = None
        while address is None:
            time.sleep(0.05)
            said = re.search(r"listening on (\S+)", pathlib.Path(folder, "log").read_text())
            address = said and said.group(1)
            if daemon.poll() is not None:
                sys.exit(pathlib.Path(folder, "log").read_text())
        page = Page(address)
        # Sessions are opened, windows and pages filled.
        time.sleep(options.warm_up)
        runs, missed = page.runs()
        cpu, server_cpu, begun, late = cpu_seconds(daemon.pid), cpu_seconds(server.pid), time.monotonic(), []
        while time.monotonic() - begun < options.seconds:
            time.sleep(1)
            said = page.daemon()
            if said.get("lag_p99_ms") is not None:
                late.append((time.monotonic() - begun, said["lag_p50_ms"], said["lag_p99_ms"]))
        took = time.monotonic() - begun
        used, server_used = cpu_seconds(daemon.pid) - cpu, cpu_seconds(server.pid) - server_cpu
        runs_after, missed_after = page.runs()
        memory = memory_kib(daemon.pid)
        daemon.send_signal(signal.SIGTERM)
        code = daemon.wait(120)
    done = sum(runs_after.values()) - sum(runs.values())
    middle = lambda values: sorted(values)[len(values) // 2] if values else float("nan")
    return {
        "targets": targets, "runs": done, "per_second": done / took, "missed": missed_after - missed,
        "unhealthy": done - runs_after.get("healthy", 0) + runs.get("healthy", 0),
        "cpu_us": used / max(done, 1) * 1e6, "cores": used / took, "server_us": server_used / max(done, 1) * 1e6,
        # Each second the figures of the last thousand runs; the middle of them all.
        "p50_ms": middle([p50 for _, p50, _ in late]), "p99_ms": middle([p99 for _, _, p99 in late]),
        "worst_ms": max([p99 for _, _, p99 in late], default=float("nan")),
        "slope": slope([(at, p50) for at, p50, _ in late]), "kib": memory, "code": code,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=pathlib.Path, default="target/release/mcp-probe")
    parser.add_argument("--floor", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--warm-up", type=float, default=30)
    parser.add_argument("--sizes", default="1000,10000")
    parser.add_argument("--every", default="1s")
    options = parser.parse_args()
    binary, seen = options.binary.resolve(), []
    for targets in (int(size) for size in options.sizes.split(",")):
        one = measured(binary, targets, options)
        seen.append(one)
        rise, noise = one["slope"]
        print(
            f"{targets} targets every {options.every}, {one['runs']:.0f} runs in {options.seconds:g} s "
            f"({one['per_second']:.0f}/s): missed {one['missed']:.0f}, not healthy {one['unhealthy']:.0f}\n"
            f"  lateness p50 {one['p50_ms']:.2f} ms, p99 {one['p99_ms']:.2f} ms (worst second {one['worst_ms']:.2f}); "
            f"limit {LATENESS_MS_MAX}\n"
            f"  p50 of lateness grows by {rise:+.3f} ± {noise:.3f} ms a minute\n"
            f"  processor {one['cpu_us']:.0f} us a probe, {one['cores']:.2f} cores (limit {CPU_US_MAX} us); the server "
            f"took {one['server_us']:.0f} us\n"
            f"  memory {one['kib']} KiB, {one['kib'] / targets:.1f} KiB a target, all in all (limit {KIB_MAX})", flush=True,
        )
    if len(seen) > 1:
        small, large = seen[0], seen[-1]
        more = (large["kib"] - small["kib"]) / (large["targets"] - small["targets"])
        growth = (large["kib"] / large["targets"]) / (small["kib"] / small["targets"])
        print(f"each further target takes {more:.1f} KiB (limit {KIB_MAX}); cost per target x{growth:.2f} (limit {GROWTH_MAX})")
    missing = [one for one in seen if one["code"] or one["unhealthy"] or one["missed"]]
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
