"""Lets `mcp-probe watch`, and Prometheus with the blackbox exporter, ask the same servers the same question once a second,
and says what processor time a probe takes of each, beside the least that it can take.

One local server stands for all targets. The exporter posts `tools/list` and looks for the name of a tool in the reply, Prometheus
keeps what it says; mcp-probe judges the reply by the protocol, keeps it in its history and holds it against a rule. The floor
client (`crowd-client`) sends and reads, and no more. One after the other, in rounds; the medians are told.

    python3 ci/bench.d/beside.py --binary target/release/mcp-probe --floor target/floor/release [--targets 300] [--seconds 10]
        [--rounds 3]
"""

import argparse
import contextlib
import json
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

from watch import Page, cpu_seconds, descriptors_for, plan

WARM_UP_S = 5
BODY = {
    "jsonrpc": "2.0", "id": 1, "method": "tools/list",
    "params": {"_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "blackbox", "version": "0"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }},
}
# JSON is YAML, too.
MODULES = {"modules": {"mcp": {"prober": "http", "timeout": "500ms", "http": {
    "method": "POST", "body": json.dumps(BODY), "fail_if_body_not_matches_regexp": ['"name":"echo"'],
    "headers": {
        "content-type": "application/json", "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list",
    },
}}}}


def scraping(url, targets, exporter):
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [{
            "job_name": "mcp", "metrics_path": "/probe", "params": {"module": ["mcp"]},
            "static_configs": [{"targets": [f"{url}?{number}" for number in range(targets)]}],
            "relabel_configs": [
                {"source_labels": ["__address__"], "target_label": "__param_target"},
                {"source_labels": ["__param_target"], "target_label": "instance"},
                {"target_label": "__address__", "replacement": exporter},
            ],
        }],
    }


def free_address():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return "127.0.0.1:%d" % taken.getsockname()[1]


def started(stack, command, folder, name):
    log = open(pathlib.Path(folder, f"{name}.log"), "w")
    process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def used(processes, seconds):
    """Processor time that these took in the next seconds, and the seconds they were in the end."""
    for process in processes:
        if process.poll() is not None:
            sys.exit(f"{process.args[0]} ended with {process.returncode}")
    before, begun = [cpu_seconds(process.pid) for process in processes], time.monotonic()
    time.sleep(seconds)
    return [cpu_seconds(process.pid) - cpu for process, cpu in zip(processes, before)], time.monotonic() - begun


def ours(url, options):
    """Microseconds a run."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        pathlib.Path(folder, "probes.toml").write_text(plan(url, options.targets, "1s"))
        address = free_address()
        watch = [options.binary.resolve(), "watch", "probes.toml", "--listen", address, "--state", "state"]
        daemon = started(stack, watch, folder, "watch")
        time.sleep(WARM_UP_S)
        page = Page(f"http://{address}")
        before, _ = page.runs()
        (cpu,), _ = used([daemon], options.seconds)
        after, _ = page.runs()
    healthy = after["healthy"] - before["healthy"]
    if healthy < options.targets * options.seconds * 0.9 or set(after) != {"healthy"}:
        sys.exit(f"mcp-probe found {healthy} of {options.targets * options.seconds} healthy: {after}")
    return cpu / healthy * 1e6


def theirs(url, options):
    """Microseconds a probe: of the exporter, of Prometheus."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        exporter, prometheus = free_address(), free_address()
        pathlib.Path(folder, "modules.yml").write_text(json.dumps(MODULES))
        pathlib.Path(folder, "scraping.yml").write_text(json.dumps(scraping(url, options.targets, exporter)))
        processes = [
            started(stack, ["prometheus-blackbox-exporter", "--config.file=modules.yml", f"--web.listen-address={exporter}"],
                    folder, "exporter"),
            started(stack, ["prometheus", "--config.file=scraping.yml", "--storage.tsdb.path=data",
                            f"--web.listen-address={prometheus}"], folder, "prometheus"),
        ]
        time.sleep(WARM_UP_S)
        cpu, seconds = used(processes, options.seconds)

        def asked(query):
            with urllib.request.urlopen(
                f"http://{prometheus}/api/v1/query?query={urllib.parse.quote(query)}", timeout=30
            ) as reply:
                found = json.load(reply)["data"]["result"]
            return float(found[0]["value"][1]) if found else 0

        up, probes = asked("sum(probe_success)"), asked(f"sum(count_over_time(probe_success[{round(seconds)}s]))")
    if up != options.targets or probes < options.targets * options.seconds * 0.9:
        sys.exit(f"the blackbox exporter found {up} of {options.targets} healthy, in {probes} probes")
    return [one / probes * 1e6 for one in cpu]


def floor(url, options):
    """Microseconds a request."""
    command = [options.floor.resolve() / "crowd-client", url, str(options.targets), str(options.seconds)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=pathlib.Path, default="target/release/mcp-probe")
    parser.add_argument("--floor", type=pathlib.Path, default="target/floor/release")
    parser.add_argument("--targets", type=int, default=300)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    descriptors_for(options.targets)
    rounds = []
    with contextlib.ExitStack() as stack:
        server = subprocess.Popen([options.floor.resolve() / "fixture", "crowd"], stdout=subprocess.PIPE, text=True,
                                  stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        stack.callback(server.wait)
        stack.callback(server.kill)
        url = re.search(r"http://\S+", server.stdout.readline())[0]
        for _ in range(options.rounds):
            rounds.append((ours(url, options), *theirs(url, options), floor(url, options)))
    own, exporter, prometheus, least = (statistics.median(column) for column in zip(*rounds))
    ratio = statistics.median((one[1] + one[2]) / one[0] for one in rounds)
    above = statistics.median(one[0] / one[3] for one in rounds)
    print(
        f"{options.targets} targets once a second, medians of {options.rounds} rounds of {options.seconds} s, processor time a probe:\n"
        f"  mcp-probe {own:.0f} us, {above:.1f}x the least ({least:.0f} us)\n"
        f"  blackbox exporter {exporter:.0f} us and Prometheus {prometheus:.0f} us: {ratio:.1f}x mcp-probe"
    )


if __name__ == "__main__":
    main()
