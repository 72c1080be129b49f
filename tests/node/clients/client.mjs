// Drives the official TypeScript SDK clients and prints one JSON line.
//
// Standard input holds the plan, so that one process serves many sessions:
//
//   {"sessions": [{"url": "…", "token": "…", "headers": {}, "client": "sdk-1", "steps": [
//       {"do": "list"}, {"do": "call", "tool": "echo", "arguments": {"message": "hi"}}]}]}
//
// client: "sdk-1" is @modelcontextprotocol/sdk, "client-2" is @modelcontextprotocol/client as it comes (handshake),
// "client-2-modern" the same pinned to 2026-07-28, "client-2-auto" the same negotiating, "mcp-remote" is @modelcontextprotocol/sdk
// over standard input and output to mcp-remote, as desktop applications run it.
//
// Standard output: {"sessions": [{"connected": true, "protocol_version": …, "session_id": …, "steps": […]}]}.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import * as second from '@modelcontextprotocol/client';
import { Client as FirstClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as FirstTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const information = { name: 'warder-e2e', version: '1.0.0' };
const pinned = { pin: '2026-07-28' };

// mcp-remote keeps files of its own; they go with the process.
const remoteFolder = mkdtempSync(join(tmpdir(), 'warder-e2e-mcp-remote-'));
process.on('exit', () => rmSync(remoteFolder, { recursive: true, force: true }));

function openRemote(url, { headers }) {
  const proxy = fileURLToPath(import.meta.resolve('mcp-remote/dist/proxy.js'));
  // A value with a space does not survive every application's argument list: it goes through the environment.
  const environment = {};
  const options = Object.entries(headers).flatMap(([name, value], index) => {
    environment[`HEADER_${index}`] = value;
    return ['--header', `${name}:\${HEADER_${index}}`];
  });
  return new StdioClientTransport({
    command: process.execPath,
    args: [proxy, url.href, '--allow-http', '--transport', 'http-only', ...options],
    env: { PATH: process.env.PATH, HOME: remoteFolder, MCP_REMOTE_CONFIG_DIR: remoteFolder, ...environment },
    stderr: 'ignore',
  });
}

function open(kind, url, requestInit) {
  switch (kind) {
    case 'sdk-1':
      return [new FirstClient(information), new FirstTransport(url, { requestInit })];
    case 'client-2':
      return [new second.Client(information), new second.StreamableHTTPClientTransport(url, { requestInit })];
    case 'client-2-modern':
      return [
        new second.Client(information, { versionNegotiation: { mode: pinned } }),
        new second.StreamableHTTPClientTransport(url, { requestInit }),
      ];
    case 'client-2-auto':
      return [
        new second.Client(information, { versionNegotiation: { mode: 'auto' } }),
        new second.StreamableHTTPClientTransport(url, { requestInit }),
      ];
    case 'mcp-remote':
      return [new FirstClient(information), openRemote(url, requestInit)];
    default:
      throw new Error(`no such client: ${kind}`);
  }
}

const describe = (error) => ({
  kind: error?.constructor?.name ?? 'Error',
  message: error?.message ?? String(error),
  code: error?.code ?? null,
  data: error?.data ?? null,
});

async function runStep(client, step) {
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

async function runSession(plan) {
  const headers = { ...(plan.headers ?? {}) };
  if (plan.token) headers.Authorization = `Bearer ${plan.token}`;
  const steps = [];
  const [client, transport] = open(plan.client, new URL(plan.url), { headers });
  try {
    await client.connect(transport);
  } catch (error) {
    return { connected: false, error: describe(error), steps };
  }
  for (const step of plan.steps) {
    steps.push(await runStep(client, step).catch((error) => ({ error: describe(error) })));
  }
  const answer = {
    connected: true,
    protocol_version: transport.protocolVersion ?? null,
    session_id: transport.sessionId ?? null,
    steps,
  };
  await transport.terminateSession?.().catch(() => {});
  await client.close();
  return answer;
}

let input = '';
for await (const chunk of process.stdin) input += chunk;
const sessions = [];
for (const plan of JSON.parse(input).sessions) sessions.push(await runSession(plan));
console.log(JSON.stringify({ sessions }));
