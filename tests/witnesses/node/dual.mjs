// A small server on the official TypeScript SDK, second generation: two tools, both eras.
//
//   node dual.mjs stdio    serves one client
//   node dual.mjs http     takes a free port and says which on its first line of stdout
//
// ERA=modern refuses the legacy handshake; ANSWER=sse|json|auto picks the form of HTTP answers.
// Every HTTP request's method, MCP method and status go to stderr, so that a test can see what a client sent.
import { createServer } from 'node:http';

import { toNodeHandler } from '@modelcontextprotocol/node';
import { McpServer, createMcpHandler } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import * as z from 'zod';

const modernOnly = process.env.ERA === 'modern' ? { legacy: 'reject' } : {};

function server() {
  const mcp = new McpServer({ name: 'witness-ts2', version: '2.4.0' });
  mcp.registerTool(
    'add',
    {
      description: 'The sum of two numbers',
      inputSchema: z.object({ a: z.number(), b: z.number() }),
      annotations: { readOnlyHint: true },
    },
    async ({ a, b }) => ({ content: [{ type: 'text', text: String(a + b) }] }),
  );
  mcp.registerTool(
    'count',
    { description: 'Counts to n, telling its progress', inputSchema: z.object({ n: z.number().int().max(100) }) },
    async ({ n }, context) => {
      const progressToken = context.mcpReq._meta?.progressToken;
      for (let progress = 1; progressToken !== undefined && progress <= n; progress += 1) {
        await context.mcpReq.notify({
          method: 'notifications/progress',
          params: { progressToken, progress, total: n },
        });
      }
      return { content: [{ type: 'text', text: `counted to ${n}` }] };
    },
  );
  return mcp;
}

const mode = process.argv[2];
if (mode === 'stdio') {
  serveStdio(server, modernOnly);
} else if (mode === 'http') {
  const form = process.env.ANSWER ? { responseMode: process.env.ANSWER } : {};
  const handle = toNodeHandler(createMcpHandler(server, { ...modernOnly, ...form }));
  const http = createServer((request, response) => {
    response.on('close', () => {
      console.error(`${request.method} ${request.headers['mcp-method'] ?? '-'} ${response.statusCode}`);
    });
    if (request.url === '/mcp') handle(request, response);
    else response.writeHead(404).end();
  });
  http.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${http.address().port}/mcp`));
} else {
  console.error('usage: node dual.mjs stdio|http');
  process.exitCode = 2;
}
