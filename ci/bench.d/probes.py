"""Measures runs of many probes: that none pays for the others, and that big files are read in no time.

Imported by table.py. By itself it measures these rows alone, with whatever binary it is given:
python3 ci/bench.d/probes.py --binary target/debug/mcp-probe
"""

import argparse
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile

SECONDS_MAX = 120
PROBES = 200
# The server sleeps so long in every call: its own time, which is no business of ours.
SLEEP_MS = 20
JOBS = 8
PAIRS = 5
# What a probe reports above the server's sleep is the way there and back, and the server's timer, which counts whole
# milliseconds: about 1.4 ms, most of it the timer. Eight that were started together are answered together, and the server
# has one thread: an answer waits there for the others of its group. The second pair of rows shows that it is there that
# they wait: with a server for each of the eight, the median is that of one at a time (1.28 to 1.44 ms to 1.37 on two busy
# cores, where one server for all gave 1.08 to 1.89). If queueing for a turn were part of a latency, the ratio would be in
# the hundreds: 200 probes share eight places for 40 ms each.
INFLATION_MAX = 2.0
TAIL_INFLATION_MAX = 3.0
# With a server for each, nothing but the prober is shared, and the two cores.
APART_INFLATION_MAX = 1.5
BIG_FILE_PROBES = 1000
BIG_FILE_MS_MAX = 100


def measure(bench):
    """Adds the rows."""
    inflation(bench)
    big_file(bench)


def inflation(bench):
    for servers, shared, median_max in [
        (1, "one server", INFLATION_MAX),
        (JOBS, f"{JOBS} servers", APART_INFLATION_MAX),
    ]:
        file = plan(bench, servers)
        overheads(bench.binary, file, JOBS)
        pairs = [(overheads(bench.binary, file, JOBS), overheads(bench.binary, file, 1)) for _ in range(PAIRS)]
        for what, limit, figure in [
            ("median", median_max, statistics.median),
            ("p95", TAIL_INFLATION_MAX, lambda times: statistics.quantiles(times, n=20)[-1]),
        ]:
            together = [figure(pair[0]) for pair in pairs]
            alone = [figure(pair[1]) for pair in pairs]
            ratio = statistics.median(a / b for a, b in zip(together, alone))
            detail = f"{statistics.median(together):.2f} and {statistics.median(alone):.2f} ms"
            name = f"latency less the server's own time, {what}, {PROBES} probes, {shared}, {JOBS} at a time to one"
            bench.row(12, name, ratio, limit, detail=detail)


def plan(bench, servers):
    """A file of probes, spread evenly over demo servers; neighbours are on different ones."""
    command = [bench.binary, "demo", "--http", "127.0.0.1:0", "--latency", f"{SLEEP_MS}ms"]
    text = "[defaults]\ntimeout = \"60s\"\n"
    for server in range(servers):
        text += f"[target.demo{server}]\nurl = \"http://127.0.0.1:0/mcp\"\nstart = {json.dumps(command)}\n"
    step = "[[probe.step]]\ntool = \"echo\"\narguments = { message = \"x\" }\n"
    for n in range(PROBES):
        text += f"[[probe]]\nname = \"p{n}\"\ntarget = \"demo{n % servers}\"\n{step}"
    file = bench.folder / f"inflation-{servers}.toml"
    file.write_text(text)
    return file


def overheads(binary, file, jobs):
    """Per probe, what it reported above the time that the server slept, in milliseconds."""
    ran = subprocess.run(
        [binary, "check", str(file), "--jobs", str(jobs), "--json"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS_MAX, check=True,
    )
    report = json.loads(ran.stdout)
    if report["summary"]["healthy"] != PROBES:
        sys.exit(f"not all probes were healthy: {report['summary']}")
    return [probe["steps"][0]["latency_ms"] - SLEEP_MS for probe in report["probes"]]


def big_file(bench):
    text = "[target.t]\nurl = \"https://weather.example/mcp\"\n"
    for n in range(BIG_FILE_PROBES):
        text += f"""
[[probe]]
name = "probe {n}"
target = "t"
[[probe.step]]
method = "tools/list"
expect.latency = {{ warn = "300ms", max = "800ms" }}
expect.tools = {{ include = ["forecast"], min = 3 }}
[[probe.step]]
tool = "forecast"
arguments = {{ city = "Oslo", days = {n % 7 + 1} }}
save.id = "$.structuredContent.id"
expect.json."$.content[0].type" = "text"
expect.json."$.structuredContent.days" = {{ ge = 1, le = 14 }}
expect.text = {{ matches = "^[A-Z][a-z]+ {n}" }}
"""
    file = bench.folder / "big.toml"
    file.write_text(text)
    for what, arguments in [("check --dry-run", ["check", "--dry-run"]), ("validate", ["validate"])]:
        took = statistics.median(cpu_ms([bench.binary, *arguments, str(file)]) for _ in range(PAIRS))
        bench.row(23, f"{what} of a file of {BIG_FILE_PROBES} probes, processor time", took, BIG_FILE_MS_MAX, unit="ms")


def cpu_ms(command):
    """Of a program with one thread that waits for nothing, this is the time it takes on a machine that is not busy."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS_MAX)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if ran.returncode != 0:
        sys.exit(f"exit code {ran.returncode} from {' '.join(command)}\n{ran.stderr[-2000:]}")
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def main():
    import table

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    arguments.floor, arguments.inspector, arguments.pairs = None, None, PAIRS
    with tempfile.TemporaryDirectory() as folder:
        bench = table.Bench(arguments, pathlib.Path(folder))
        measure(bench)
    print(table.table(bench.rows))
    return 0 if all(row["met"] for row in bench.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
