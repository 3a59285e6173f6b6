# A HEALTHCHECK for the image of your own MCP server: the last lines of this file are what you need. mcp-probe is linked
# with glibc; into an image without it, copy the static build.
#
# This file is linted (hadolint) and has not been built where it was written: there was no container engine.

FROM node:22-bookworm-slim
WORKDIR /app
COPY . .
RUN npm ci --omit=dev
USER 1000:1000
EXPOSE 8080
CMD ["node", "server.js"]

COPY --from=mcp-probe:0.1.0 /usr/bin/mcp-probe /usr/bin/mcp-probe
# Its own limit is below Docker's, so that it ends in order and says why; 1 is the only code that Docker knows.
HEALTHCHECK --interval=30s --timeout=6s --start-period=20s --retries=3 \
    CMD ["sh", "-c", "mcp-probe tools/list http://127.0.0.1:8080/mcp --timeout 4s --quiet >/dev/null || exit 1"]
