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

import { describe, open, openApplication, openRemote, runStep } from './clients.mjs';

// mcp-remote keeps files of its own; they go with the process.
const remoteFolder = mkdtempSync(join(tmpdir(), 'warder-e2e-mcp-remote-'));
process.on('exit', () => rmSync(remoteFolder, { recursive: true, force: true }));

async function runSession(plan) {
  const headers = { ...(plan.headers ?? {}) };
  if (plan.token) headers.Authorization = `Bearer ${plan.token}`;
  const steps = [];
  const url = new URL(plan.url);
  const [client, transport] =
    plan.client === 'mcp-remote'
      ? [openApplication(), openRemote(url, remoteFolder, headers)]
      : open(plan.client, url, { requestInit: { headers } });
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
