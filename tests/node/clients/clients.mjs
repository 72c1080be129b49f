// The official TypeScript SDK clients, and mcp-remote: how each is made, and what a step of a plan does with it.

import { fileURLToPath } from 'node:url';

import * as second from '@modelcontextprotocol/client';
import { Client as FirstClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as FirstTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const information = { name: 'warder-e2e', version: '1.0.0' };
const pinned = { pin: '2026-07-28' };

/** mcp-remote with the files that it keeps in `folder`, as desktop applications run it. */
export function openRemote(url, folder, headers = {}) {
  const proxy = fileURLToPath(import.meta.resolve('mcp-remote/dist/proxy.js'));
  // A value with a space does not survive every application's argument list: it goes through the environment.
  const environment = {};
  const options = Object.entries(headers).flatMap(([name, value], index) => {
    environment[`HEADER_${index}`] = value;
    return ['--header', `${name}:\${HEADER_${index}}`];
  });
  return new StdioClientTransport({
    command: process.execPath,
    args: [proxy, url.href, '--allow-http', '--transport', 'http-only', '--auth-timeout', '120', ...options],
    // Without a path there is no browser that it could open.
    env: { PATH: '', HOME: folder, MCP_REMOTE_CONFIG_DIR: folder, ...environment },
    stderr: 'pipe',
  });
}

/** A client of this kind, and its transport with these options (`requestInit`, `authProvider`). */
export function open(kind, url, options) {
  const negotiation = { 'client-2': undefined, 'client-2-modern': { mode: pinned }, 'client-2-auto': { mode: 'auto' } };
  if (kind === 'sdk-1') return [new FirstClient(information), new FirstTransport(url, options)];
  if (!(kind in negotiation)) throw new Error(`no such client: ${kind}`);
  const client = new second.Client(information, { versionNegotiation: negotiation[kind] });
  return [client, new second.StreamableHTTPClientTransport(url, options)];
}

/** The client that applications put in front of mcp-remote. */
export const openApplication = () => new FirstClient(information);

/** What the caller of the library would learn from this error. */
export const describe = (error) => ({
  kind: error?.constructor?.name ?? 'Error',
  message: error?.message ?? String(error),
  code: error?.code ?? null,
  data: error?.data ?? null,
});

/** Carries out one step of a plan. */
export async function runStep(client, step) {
  switch (step.do) {
    case 'list':
      return { tools: (await client.listTools()).tools.map((tool) => tool.name) };
    case 'call': {
      const progress = [];
      const onprogress = ({ progress: done, total }) => progress.push([done, total ?? null]);
      const parameters = { name: step.tool, arguments: step.arguments ?? {} };
      // The first client takes a result schema between the parameters and the options.
      const result =
        client instanceof FirstClient
          ? await client.callTool(parameters, undefined, { onprogress })
          : await client.callTool(parameters, { onprogress });
      return {
        is_error: result.isError ?? false,
        text: result.content.map((block) => block.text ?? '').join(''),
        structured: result.structuredContent ?? null,
        progress,
      };
    }
    case 'prompts':
      return { prompts: (await client.listPrompts()).prompts.map((prompt) => prompt.name) };
    case 'resources':
      return { resources: (await client.listResources()).resources.map((resource) => resource.uri) };
    case 'ping':
      return { pong: await client.ping() };
    default:
      throw new Error(`no such step: ${step.do}`);
  }
}
