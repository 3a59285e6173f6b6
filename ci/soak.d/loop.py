"""Runs mcp-probe against every fault of its demo server, many times, and looks for what is left behind."""

import argparse
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

MARK = "MCP_PROBE_SOAK_RUN"
RUN_SECONDS_MAX = 30
# What a one-shot run may end with: the documented codes, less the one that means a bug in mcp-probe.
CODES = {0, 1, 3, 4, 5, 8}
OPTIONS = ["--timeout", "1s", "--json"]
STEADY_CALLS = 400


def survivors(mark):
    """The living processes that inherited a run's mark."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for process in pathlib.Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if wanted in (process / "environ").read_bytes().split(b"\0"):
                found.append((int(process.name), (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()))
    return found


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


@contextlib.contextmanager
def listening(command):
    server = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        start_new_session=True,
    )
    try:
        line = server.stdout.readline()
        # A fault may be that the server does not start at all.
        yield server, line.removeprefix("listening on ").strip() if line.startswith("listening on ") else None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


class Soak:
    def __init__(self, binary):
        self.binary = str(binary.resolve())
        self.runs = 0
        self.codes = {}
        self.complaints = []

    def complain(self, text):
        print(f"  {text}", flush=True)
        self.complaints.append(text)

    def run(self, what, arguments):
        self.runs += 1
        mark = f"{os.getpid()}-{self.runs}"
        prober = subprocess.Popen(
            [self.binary, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, MARK: mark},
        )
        try:
            code = prober.wait(RUN_SECONDS_MAX)
            self.codes[code] = self.codes.get(code, 0) + 1
            if code not in CODES:
                self.complain(f"{what}: exit code {code}")
        except subprocess.TimeoutExpired:
            prober.kill()
            prober.wait()
            self.complain(f"{what}: not done after {RUN_SECONDS_MAX} s")
        for pid, line in survivors(mark):
            self.complain(f"{what}: left behind: {pid} {line}")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def faults(self):
        listed = subprocess.run([self.binary, "demo", "--faults"], capture_output=True, text=True, check=True).stdout
        return [line.split()[0] for line in listed.splitlines() if line.strip() and not line[0].isspace()]

    def round(self, fault):
        server = [self.binary, "demo", *(["--fault", fault] if fault else [])]
        self.run(f"stdio, {fault}", ["tools/list", *OPTIONS, "--", *server])
        with listening([*server, "--http", "127.0.0.1:0"]) as (_, url):
            if url:
                self.run(f"http, {fault}", ["tools/list", url, *OPTIONS])

    def steady(self):
        """One prober, many calls, on one good server: descriptors and memory of both stay where they were."""
        with listening([self.binary, "demo", "--http", "127.0.0.1:0"]) as (server, url):
            if url is None:
                self.complain("the demo server did not say where it listens")
                return
            prober = subprocess.Popen(
                [self.binary, "tools/list", url, "-n", str(STEADY_CALLS), "--interval", "10ms", "--json"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            )
            seen = []
            while prober.poll() is None and len(seen) < 10 * RUN_SECONDS_MAX:
                with contextlib.suppress(OSError):
                    seen.append([count(process.pid) for process in (prober, server) for count in (descriptors, resident_kib)])
                time.sleep(0.1)
            if prober.poll() is None:
                prober.kill()
                self.complain("steady calls: not done in time")
            if prober.wait() != 0 or len(seen) < 8:
                self.complain(f"steady calls: exit code {prober.returncode} after {len(seen)} looks")
                return
            # The first quarter warms up; what the second had, the last may have too.
            quarter = len(seen) // 4
            names = ["descriptors of mcp-probe", "its KiB", "descriptors of the server", "its KiB"]
            for column, (name, slack) in enumerate(zip(names, [2, 2048, 2, 4096])):
                before = max(look[column] for look in seen[quarter : 2 * quarter])
                after = max(look[column] for look in seen[-quarter:])
                print(f"  steady calls: {name}: {before}, then {after}")
                if after > before + slack:
                    self.complain(f"steady calls: {name} grew from {before} to {after}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10)
    arguments = parser.parse_args()
    until = time.monotonic() + 60 * arguments.minutes
    soak = Soak(arguments.binary)
    faults = [None, *soak.faults()]
    print(f"{len(faults) - 1} faults, {arguments.rounds} rounds, at most {arguments.minutes:g} minutes")
    soak.steady()
    before = descriptors(os.getpid())
    for _ in range(arguments.rounds):
        for fault in faults:
            if time.monotonic() > until:
                print("time is up")
                break
            soak.round(fault)
    if descriptors(os.getpid()) > before:
        soak.complain("this script itself holds more descriptors than before")
    print(f"{soak.runs} runs, exit codes {dict(sorted(soak.codes.items()))}, {len(soak.complaints)} complaints")
    return 1 if soak.complaints or soak.runs == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
