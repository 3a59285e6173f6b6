"""Makes a history of 30 days of 1,000 targets, and says how long the daemon takes to make its pages from it.

    python3 ci/bench.d/pages.py --binary target/release/mcp-probe [--targets 1000] [--days 30] [--raw-hours 30]

Runs one by one are there for the last hours only, by the hour and by the day for the rest, as tidying leaves them.
"""

import argparse
import pathlib
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request

HOUR, DAY, SECOND = 3_600_000_000, 86_400_000_000, 1_000_000
STEP = 30
LIMIT_MS = 1000


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def bucket(micros):
    shift = max(micros.bit_length() - 1 - 7, 0)
    return (shift << 7) + (micros >> shift)


def spread(latencies):
    counts = {}
    for micros in latencies:
        counts[bucket(micros)] = counts.get(bucket(micros), 0) + 1
    out, before = varint(max(latencies)), 0
    for place in sorted(counts):
        out, before = out + varint(place - before) + varint(counts[place]), place
    return out


def fill(path, options, now):
    base = sqlite3.connect(path, isolation_level=None)
    base.execute("PRAGMA synchronous = OFF")
    base.execute("BEGIN")
    word = base.execute("INSERT INTO words (word) VALUES ('tools/list') RETURNING id").fetchone()[0]
    base.create_function("latencies", 1, lambda at: varint(word) + varint((20_000 + at // SECOND * 7919 % 30_000) << 1))
    rolled = (now - 60 * SECOND) // HOUR * HOUR
    raw = (now - options.raw_hours * HOUR) // HOUR * HOUR
    oldest = (now - options.days * DAY) // DAY * DAY
    times = "WITH RECURSIVE t(at) AS (SELECT ? UNION ALL SELECT at + ? FROM t WHERE at + ? < ?)"
    step = STEP * SECOND
    base.execute(
        f"INSERT INTO samples (pair, at, status, stands, duration, latencies) {times} SELECT p.id, t.at + p.id * 997, "
        f"CASE WHEN (t.at / {step} + p.id * 31) % 400 = 0 THEN 3 ELSE 1 END, {STEP * 1100}, 31000, latencies(t.at) "
        "FROM pairs p, t ORDER BY p.id, t.at", (raw, step, step, now))
    blob = spread([20_000 + n * 7919 % 30_000 for n in range(3600 // STEP)])
    for span, unit, until in ((3_600, HOUR, rolled), (86_400, DAY, rolled // DAY * DAY)):
        runs = unit // step
        base.execute(f"INSERT INTO rollups {times} SELECT {span}, p.id, t.at, {runs}, 0, 1, 0, {unit - step}, 0, {step}, 0, 1, 1, 1 "
                     "FROM pairs p, t", (oldest, unit, unit, until))
        base.execute(f"INSERT INTO spreads {times} SELECT {span}, p.id, t.at, ? FROM pairs p, t",
                     (oldest, unit, unit, until, blob))
        base.execute(f"INSERT INTO uptimes {times} SELECT {span}, g.id, t.at, {unit - step}, 0, {step}, 0, 1, 1, 1 "
                     "FROM targets g, t", (oldest, unit, unit, until))
    base.execute("UPDATE targets SET rolled_until = ?", (rolled,))
    for name, at in (("raw_since", raw), ("hours_since", oldest)):
        base.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, str(at)))
    base.execute("COMMIT")
    rows = base.execute("SELECT count(*) FROM samples").fetchone()[0]
    base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    base.close()
    return rows


class Daemon:
    def __init__(self, binary, folder):
        with open(pathlib.Path(folder, "log"), "w") as log:
            self.process = subprocess.Popen([binary, "watch", "probes.toml", "--listen", "127.0.0.1:0", "--state", "state"],
                                            cwd=folder, stderr=log, stdin=subprocess.DEVNULL)
        while not (said := re.search(r"listening on (\S+)", pathlib.Path(folder, "log").read_text())):
            if self.process.poll() is not None:
                sys.exit(pathlib.Path(folder, "log").read_text())
            time.sleep(0.05)
        self.url = said.group(1)

    def took_ms(self, path):
        begun = time.monotonic()
        with urllib.request.urlopen(self.url + path, timeout=300) as reply:
            size = len(reply.read())
        return (time.monotonic() - begun) * 1000, size

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=pathlib.Path, default="target/release/mcp-probe")
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--raw-hours", type=int, default=30)
    options = parser.parse_args()
    binary, slow = options.binary.resolve(), []
    with tempfile.TemporaryDirectory() as folder:
        # Nobody listens there, and nothing is due for a day: the pages alone are at work.
        text = '[[probe]]\nname = "p"\ntarget = "*"\nevery = "48h"\n'
        for number in range(options.targets):
            text += f'[target.t{number}]\nurl = "http://127.0.0.1:9/mcp"\n'
        pathlib.Path(folder, "probes.toml").write_text(text)
        first = Daemon(binary, folder)
        time.sleep(2)
        first.end()
        begun = time.monotonic()
        path = pathlib.Path(folder, "state", "history.sqlite")
        rows = fill(path, options, time.time_ns() // 1000)
        print(f"{options.targets} targets, {options.days} days, {rows} runs one by one, {path.stat().st_size >> 20} MiB, "
              f"made in {time.monotonic() - begun:.0f} s")
        daemon = Daemon(binary, folder)
        for path in ("/?span=24h", "/?span=90m", "/?span=7d", "/?span=90d", "/target/t7?span=24h", "/target/t7?span=7d",
                     "/target/t7?span=90d", "/api/v1/status"):
            (cold, size), (warm, _) = daemon.took_ms(path), daemon.took_ms(path)
            print(f"  {path:24} {cold:8.0f} ms, again {warm:6.0f} ms, {size / 1024:6.0f} KiB", flush=True)
            if cold > LIMIT_MS:
                slow.append(path)
        daemon.end()
    if slow:
        print(f"above {LIMIT_MS} ms: {', '.join(slow)}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
