"""A server of the Python SDK whose own spans are recorded: the SDK makes a SERVER span for each message, as a child of the
span that `_meta` names.

    python traced.py FILE stdio
    python traced.py FILE streamable-http PORT

Each span is written into FILE as a line of JSON; the tool `header` gives the HTTP header `traceparent`.
"""

import json
import sys

from mcp.server.mcpserver import Context, MCPServer
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

server = MCPServer("witness-traced", version="1")


@server.tool()
def header(ctx: Context) -> str:
    """The header `traceparent` of this request; `none` where there is none."""
    request = getattr(ctx.request_context, "request", None)
    return "none" if request is None else request.headers.get("traceparent", "none")


class Lines(SpanExporter):
    def __init__(self, path: str) -> None:
        self.file = open(path, "a", encoding="utf-8")

    def export(self, spans) -> SpanExportResult:
        for span in spans:
            context, parent = span.get_span_context(), span.parent
            line = {
                "trace_id": f"{context.trace_id:032x}",
                "parent_span_id": f"{parent.span_id:016x}" if parent else None,
                "name": span.name,
                "kind": span.kind.name,
            }
            self.file.write(json.dumps(line) + "\n")
        self.file.flush()
        return SpanExportResult.SUCCESS


def main() -> None:
    path, transport, *rest = sys.argv[1:]
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Lines(path)))
    trace.set_tracer_provider(provider)
    if transport == "stdio":
        server.run("stdio")
    else:
        server.run(transport, host="127.0.0.1", port=int(rest[0]))


if __name__ == "__main__":
    main()
