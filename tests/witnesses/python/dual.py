"""A small server on the official Python SDK, second generation: three tools, both eras.

    python dual.py stdio
    python dual.py streamable-http PORT [json_response] [stateless_http]
    python dual.py sse PORT

The access log on stderr shows every HTTP request, so that a test can see sessions end.
"""

import sys

import anyio
from mcp.server.mcpserver import MCPServer

server = MCPServer("witness-py2", version="2.3.0", instructions="A server for tests.")


@server.tool()
def add(a: int, b: int) -> int:
    """The sum of two whole numbers."""
    return a + b


@server.tool()
async def nap(ms: int) -> str:
    """Sleeps for so many milliseconds (at most ten seconds)."""
    await anyio.sleep(min(ms, 10_000) / 1000)
    return f"slept for {ms} ms"


@server.tool()
def broken() -> str:
    """Always fails."""
    raise RuntimeError("this tool is broken on purpose")


def main() -> None:
    transport, *rest = sys.argv[1:] or ["stdio"]
    if transport == "stdio":
        server.run("stdio")
    else:
        port, *switches = rest
        server.run(transport, host="127.0.0.1", port=int(port), **dict.fromkeys(switches, True))


if __name__ == "__main__":
    main()
