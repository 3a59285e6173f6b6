"""Writes the linker script that puts the functions of a start side by side.

Run by ci/start-order. Callgrind tells which functions a few typical starts run through. Their names are written as
patterns without the compiler's hashes where that is clear enough, so that the list outlives a new compiler and new
versions of dependencies.
"""

import collections
import pathlib
import re
import subprocess
import sys
import tempfile

SECONDS_MAX = 120
# A pattern that more functions fit than these would bring much along that no start needs: such names stay as they are.
ALIKE_MAX = 3
HASHES = [(r"(\.llvm)?\.\d+$", "*"), (r"17h[0-9a-f]{16}E", "17h*E"), (r"Cs[0-9A-Za-z]+_", "Cs*_")]
HEAD = """\
/* Written by ci/start-order: the functions that a start runs through, side by side. */
SECTIONS {
  .text.start : {
"""
TAIL = """\
  }
} INSERT BEFORE .text;
"""


def functions_run(command, binary, folder):
    """For each process of a command, the names of the functions of `binary` that it runs through."""
    subprocess.run(
        ["valgrind", "--tool=callgrind", "--demangle=no", f"--callgrind-out-file={folder}/run.%p", "--trace-children=yes",
         *command],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS_MAX, check=True,
    )
    for profile in sorted(folder.glob("run.*")):
        objects, functions, found, run = {}, {}, "", {}
        for line in profile.read_text().splitlines():
            match = re.match(r"(c?ob|c?fn)=\((\d+)\)(?: (.*))?", line)
            if not match:
                continue
            kind, number, name = match.groups()
            names = objects if kind.endswith("ob") else functions
            if name:
                names[number] = name
            if kind == "ob":
                found = objects[number]
            elif kind == "fn" and found == binary:
                run[re.sub(r"'\d+$", "", functions[number])] = None
        profile.unlink()
        yield [name for name in run if name.startswith(("_R", "_ZN"))]


def pattern(name):
    for hashed, star in HASHES:
        name = re.sub(hashed, star, name)
    return name


def alike(binary):
    """How many functions of the binary each pattern fits."""
    listed = subprocess.run(["nm", "--defined-only", "--format=posix", binary], capture_output=True, text=True, check=True)
    return collections.Counter(pattern(line.split()[0]) for line in listed.stdout.splitlines())


def main():
    binary, script = str(pathlib.Path(sys.argv[1]).resolve()), pathlib.Path(sys.argv[2])
    server = subprocess.Popen(
        [binary, "demo", "--http", "127.0.0.1:0"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    try:
        url = re.search(r"http://\S+", server.stdout.readline())[0]
        starts = [
            ["tools/list", "--", binary, "demo"], ["tools/list", url], ["tools/list", "--json", url], ["--version"],
        ]
        with tempfile.TemporaryDirectory() as folder:
            runs = [run for start in starts for run in functions_run([binary, *start], binary, pathlib.Path(folder))]
    finally:
        server.kill()
        server.wait()
    # What the same starts need stands together, so that each touches its own pages and no others.
    needed_by = collections.defaultdict(list)
    for number, run in enumerate(runs):
        for name in run:
            needed_by[name].append(number)
    fitting = alike(binary)
    names = sorted(needed_by, key=lambda name: (-len(needed_by[name]), needed_by[name]))
    patterns = dict.fromkeys(pattern(name) if fitting[pattern(name)] <= ALIKE_MAX else name for name in names)
    script.write_text(HEAD + "".join(f"    *(.text.{name})\n" for name in patterns) + TAIL)
    print(f"{len(patterns)} functions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
