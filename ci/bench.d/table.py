"""Measures mcp-probe against floors and peers, in pairs, and judges the ratios.

Run by ci/bench, which builds what is measured. Every comparison takes turns between the two sides, so that a busy
machine harms both, and judges the median of the ratios of the pairs. Times on another machine will differ; the ratios
are what holds.
"""

import argparse
import contextlib
import json
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

import probes

SECONDS_MAX = 120
ROUNDS = 2000
SIZE_MB_MAX = 22
INSTRUCTIONS_MAX = 3_000_000
TRUST_STORES = re.compile(r'"[^"]*(?:/etc/ssl|/etc/pki|ca-certificates|ca-bundle|/cert\.pem|/certs/)[^"]*"')


class Cost:
    """What one run of a command cost, as its launcher saw it."""

    def __init__(self, wall_us, user_us, system_us, peak_kib):
        self.wall_ms = wall_us / 1000
        self.cpu_ms = (user_us + system_us) / 1000
        self.peak_mib = peak_kib / 1024


class Bench:
    def __init__(self, arguments, folder):
        self.binary = str(arguments.binary.resolve())
        self.floor = arguments.floor and arguments.floor.resolve()
        self.inspector = arguments.inspector
        self.pairs = arguments.pairs
        self.folder = folder
        self.rows = []

    # -- the two kinds of fixture: ours, which costs next to nothing, or the demo where the floors were not built

    def stdio_server(self):
        return [str(self.floor / "fixture"), "stdio"] if self.floor else [self.binary, "demo"]

    @contextlib.contextmanager
    def http_server(self):
        if self.floor:
            command = [str(self.floor / "fixture"), "http"]
        else:
            command = [self.binary, "demo", "--http", "127.0.0.1:0"]
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        try:
            line = server.stdout.readline()
            if not line.startswith("listening on "):
                sys.exit(f"the fixture said {line!r} instead of where it listens")
            yield line.removeprefix("listening on ").strip()
        finally:
            server.kill()
            server.wait()

    # -- measuring

    def cost(self, command):
        output = self.folder / "output"
        launched = subprocess.run(
            [str(self.floor / "launch"), str(output), *command],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS_MAX, check=True,
        )
        *numbers, code = map(int, launched.stdout.split())
        if code != 0:
            sys.exit(f"exit code {code} from {' '.join(command)}\n{output.read_text()}")
        return Cost(*numbers)

    def compare(self, ours, theirs, pairs=None):
        """The costs of both sides in turns, after one unmeasured run of each."""
        self.cost(ours), self.cost(theirs)
        return [(self.cost(ours), self.cost(theirs)) for _ in range(pairs or self.pairs)]

    def row(self, target, what, value, limit, unit="x", at_least=False, detail=""):
        met = value >= limit if at_least else value <= limit
        self.rows.append({
            "target": target, "what": what, "value": round(value, 3), "limit": limit, "unit": unit,
            "direction": "at least" if at_least else "at most", "met": met, "detail": detail,
        })

    def ratios(self, target, what, pairs, attribute, limit, unit):
        ours, theirs = ([getattr(pair[side], attribute) for pair in pairs] for side in (0, 1))
        ratio = statistics.median(a / b for a, b in zip(ours, theirs))
        detail = f"{statistics.median(ours):.2f} and {statistics.median(theirs):.2f} {unit}"
        self.row(target, what, ratio, limit, detail=detail)

    def times_better(self, target, what, pairs, attribute, limit, unit):
        ours, theirs = ([getattr(pair[side], attribute) for pair in pairs] for side in (0, 1))
        ratio = statistics.median(b / a for a, b in zip(ours, theirs))
        detail = f"{statistics.median(ours):.2f} and {statistics.median(theirs):.2f} {unit}"
        self.row(target, what, ratio, limit, at_least=True, detail=detail)

    # -- targets that need the floors

    def one_shots(self):
        server = self.stdio_server()
        ours = [self.binary, "tools/list", "--", *server]
        floor = self.compare(ours, [str(self.floor / "stdio-client"), "once", *server])
        self.ratios(1, "stdio tools/list, wall, to a minimal client", floor, "wall_ms", 1.5, "ms")
        self.ratios(1, "stdio tools/list, peak memory, to a minimal client", floor, "peak_mib", 2.5, "MiB")
        with self.http_server() as url:
            pairs = self.compare([self.binary, "tools/list", url], [str(self.floor / "http-client"), url])
        self.ratios(3, "http tools/list, wall, to a minimal client", pairs, "wall_ms", 1.6, "ms")
        pairs = self.compare([self.binary, "--version"], [str(self.floor / "noop")])
        self.ratios(5, "--version, wall, to an empty program", pairs, "wall_ms", 2.2, "ms")

    def peers(self):
        server = self.stdio_server()
        ours = [self.binary, "tools/list", "--", *server]
        pairs = self.compare(ours, [*self.inspector, "--cli", *server, "--method", "tools/list"])
        self.times_better(2, "faster than the Inspector's CLI", pairs, "wall_ms", 75, "ms")
        self.times_better(2, "less CPU than the Inspector's CLI", pairs, "cpu_ms", 100, "ms")
        self.times_better(2, "less peak memory than the Inspector's CLI", pairs, "peak_mib", 10, "MiB")

    def round_trips(self):
        places = [("any core", [], 1.15)]
        if shutil.which("taskset"):
            places.append(("one core", ["taskset", "-c", "0"], 1.3))
        for place, prefix, limit in places:
            ratios, ours, theirs = [], [], []
            for _ in range(self.pairs):
                ours.append(self.our_round_trip(prefix))
                theirs.append(self.floor_round_trip(prefix))
                ratios.append(ours[-1] / theirs[-1])
            detail = f"{statistics.median(ours):.1f} and {statistics.median(theirs):.1f} us"
            what = f"stdio round trip, p50, {place}, to a blocking client"
            self.row(17, what, statistics.median(ratios), limit, detail=detail)

    def our_round_trip(self, prefix):
        command = [*prefix, self.binary, "tools/list", "-n", str(ROUNDS), "--json", "--", *self.stdio_server()]
        return json.loads(output_of(command))["latency"]["p50"] * 1000

    def floor_round_trip(self, prefix):
        command = [*prefix, str(self.floor / "stdio-client"), "loop", str(ROUNDS), *self.stdio_server()]
        return float(output_of(command))

    # -- targets that need no clock

    def size(self):
        megabytes = pathlib.Path(self.binary).stat().st_size / 1e6
        self.row(5, "size of the binary", megabytes, SIZE_MB_MAX, unit="MB")

    def no_tls_where_none_is_needed(self):
        with self.http_server() as url:
            runs = {"stdio": ["tools/list", "--", *self.stdio_server()], "http": ["tools/list", url]}
            for name, arguments in runs.items():
                trace = self.trace("open,openat", arguments)
                opened = [line for line in trace.splitlines() if TRUST_STORES.search(line)]
                self.row(3, f"trust stores opened by {name} runs", len(opened), 0, unit="", detail=" ".join(opened[:2]))
            for name, arguments in runs.items():
                executed = self.instructions(arguments)
                self.row(3, f"instructions of one {name} run", executed / 1e6, INSTRUCTIONS_MAX / 1e6, unit="M")

    def instructions(self, arguments):
        counted = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={self.folder / 'callgrind'}", self.binary, *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS_MAX,
        )
        found = re.search(r"Collected : (\d+)", counted.stderr)
        if counted.returncode != 0 or not found:
            sys.exit(f"callgrind counted nothing: {counted.stderr[-2000:]}")
        return int(found[1])

    def spawns_by_vfork_only(self):
        server = self.stdio_server()
        runs = {
            "a plain run": ["tools/list", "--", *server],
            "a folder and a variable": ["tools/list", "--cwd", str(self.folder), "-e", "A=b", "--", *server],
            "a bare name and a changed PATH": ["tools/list", "-e", "PATH=/usr/bin:/bin", "--", "env", *server],
        }
        for name, arguments in runs.items():
            calls = re.findall(r"\b(?:clone3?|v?fork)\(.*", self.trace("clone,clone3,fork,vfork", arguments))
            started = [call for call in calls if "CLONE_THREAD" not in call]
            slow = [call for call in started if not call.startswith("vfork") and "CLONE_VFORK" not in call]
            if not started:
                sys.exit(f"strace saw no child start in {name}")
            self.row(18, f"children started the slow way, {name}", len(slow), 0, unit="", detail=" ".join(slow[:1]))

    def trace(self, calls, arguments):
        log = self.folder / "strace"
        traced = subprocess.run(
            ["strace", "-f", "-o", str(log), "-e", f"trace={calls}", self.binary, *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS_MAX,
        )
        if traced.returncode != 0:
            sys.exit(f"exit code {traced.returncode} from mcp-probe {' '.join(arguments)}\n{traced.stderr[-2000:]}")
        return log.read_text()


def output_of(command):
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS_MAX, check=True
    ).stdout


def table(rows):
    cells = [("target", "what", "measured", "limit", "", "ours and theirs")]
    for row in rows:
        unit = row["unit"] and (row["unit"] if row["unit"] == "x" else " " + row["unit"])
        cells.append((
            str(row["target"]), row["what"], f"{row['value']:.4g}{unit}", f"{row['direction']} {row['limit']:g}{unit}",
            "met" if row["met"] else "MISSED", row["detail"],
        ))
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--floor", type=pathlib.Path, help="folder of the floor programs; without it only the gates")
    parser.add_argument("--inspector", nargs="+", help="the command of the MCP Inspector")
    parser.add_argument("--pairs", type=int, default=11)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments, pathlib.Path(folder))
        bench.size()
        bench.no_tls_where_none_is_needed()
        bench.spawns_by_vfork_only()
        if arguments.floor:
            bench.one_shots()
            bench.round_trips()
            probes.measure(bench)
        if arguments.inspector:
            bench.peers()
    rows = sorted(bench.rows, key=lambda row: row["target"])
    print(json.dumps({"schema": "mcp-probe/bench/1", "rows": rows}, indent=2) if arguments.json else table(rows))
    return 0 if all(row["met"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
