"""Prints a probe file of many probes, each with three steps and checks of several kinds, no two patterns alike."""

import sys

probes = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
targets = max(1, probes // 10)

for i in range(targets):
    print(f'''[target.t{i}]
url = "https://host{i}.example/mcp"
headers = {{ X-Team = "search" }}
labels = {{ env = "prod" }}
startup_timeout = "10s"
''')
for i in range(probes):
    print(f'''[[probe]]
name = "probe-{i}"
target = "t{i % targets}"
every = "5m"
timeout = "5s"

[[probe.step]]
method = "tools/list"
expect.latency = {{ warn = "300ms", max = "800ms" }}
expect.tools = {{ include = ["forecast"], min = 3 }}

[[probe.step]]
name = "call"
tool = "forecast"
arguments = {{ city = "Oslo-{i}" }}
save.id = "$.structuredContent.id"
expect.json."$.content[0].type" = "text"
expect.json."$.structuredContent.days[*].sky" = {{ all = {{ matches = "^(clear|cloudy|rain|snow){i}$" }} }}
expect.text = {{ matches = "[A-Z][a-z]+: \\\\d+ degrees{i}" }}

[[probe.step]]
tool = "forget"
arguments = {{ id = "${{save.id}}" }}
allow_side_effects = true
idempotent = true
always = true
expect.json."$.structuredContent[?@.a > {i}].b" = {{ len = {{ ge = 1 }} }}
''')
