// A client that knows nothing but a server's URL and finds its way through OAuth, with a test in the place of the person.
//
//   node oauth_client.mjs --address-file ADDRESS
//
// Hears {"url", "client", "folder"} first; client is "sdk-1", "client-2", "client-2-auto" or "mcp-remote" as in client.mjs, and `folder` keeps
// what the client remembers (registration, tokens). Says {"authorize": URL} whenever a browser should be opened, {"connected": …} once,
// and then answers each step that it hears.

import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { converse } from '../conversation.mjs';
import { describe, open, openApplication, openRemote, runStep } from './clients.mjs';

const { hear, say } = await converse();
const plan = await hear();
const url = new URL(plan.url);

/** What an application does for the OAuth helpers of both SDKs: it keeps their data, opens a browser and hears the answer. */
class Application {
  constructor(folder, port) {
    this.file = join(folder, 'oauth.json');
    this.kept = existsSync(this.file) ? JSON.parse(readFileSync(this.file, 'utf8')) : {};
    this.redirectUrl = `http://localhost:${port}/callback`;
  }

  #keep(name, value) {
    this.kept[name] = value;
    writeFileSync(this.file, JSON.stringify(this.kept), { mode: 0o600 });
  }

  get clientMetadata() {
    return {
      client_name: 'Warder e2e',
      redirect_uris: [this.redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    };
  }

  state() {
    this.expectedState = randomBytes(16).toString('hex');
    return this.expectedState;
  }

  clientInformation = () => this.kept.client;
  saveClientInformation = (value) => this.#keep('client', value);
  tokens = () => this.kept.tokens;
  saveTokens = (value) => this.#keep('tokens', value);
  codeVerifier = () => this.verifier;
  saveCodeVerifier = (value) => void (this.verifier = value);
  redirectToAuthorization = (authorizationUrl) => void say({ authorize: authorizationUrl.href });

  invalidateCredentials(scope) {
    if (scope === 'all' || scope === 'client') this.#keep('client', undefined);
    if (scope === 'all' || scope === 'tokens') this.#keep('tokens', undefined);
  }
}

/** Listens for the browser's return. Answers the port and a function that waits for the parameters. */
async function listenForReturn() {
  const returns = [];
  const waiting = [];
  const server = http.createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://localhost');
    const isReturn = pathname === '/callback';
    response.writeHead(isReturn ? 200 : 404, { 'content-type': 'text/plain' }).end('You can close this window.');
    if (isReturn) (waiting.shift() ?? ((parameters) => returns.push(parameters)))(searchParams);
  });
  await new Promise((resolve) => server.listen(0, 'localhost', resolve));
  const next = () => returns.shift() ?? new Promise((resolve) => waiting.push(resolve));
  return { port: server.address().port, next };
}

async function connectDirectly() {
  const { port, next } = await listenForReturn();
  const application = new Application(plan.folder, port);
  for (let attempt = 0; ; attempt += 1) {
    const [client, transport] = open(plan.client, url, { authProvider: application });
    try {
      await client.connect(transport);
      return client;
    } catch (error) {
      if (error?.constructor?.name !== 'UnauthorizedError' || attempt > 0) throw error;
      const parameters = await next();
      if (parameters.get('state') !== application.expectedState) throw new Error('the state is not ours');
      if (parameters.has('error')) throw new Error(parameters.get('error'));
      await transport.finishAuth(plan.client === 'sdk-1' ? parameters.get('code') : parameters);
    }
  }
}

async function connectThroughRemote() {
  const client = openApplication();
  const transport = openRemote(url, plan.folder);
  const connected = client.connect(transport, { timeout: 120_000 });
  (async () => {
    // It opens a browser itself where there is one, and prints the URL in any case.
    for await (const line of createInterface({ input: transport.stderr })) {
      process.stderr.write(`${line}\n`);
      const found = /^\s*(https?:\/\/\S*code_challenge\S*)\s*$/.exec(line);
      if (found) say({ authorize: found[1] });
    }
  })();
  await connected;
  return client;
}

let client;
try {
  client = await (plan.client === 'mcp-remote' ? connectThroughRemote() : connectDirectly());
  say({ connected: true });
} catch (error) {
  say({ connected: false, error: describe(error) });
}
for (let step = await hear(); step; step = await hear()) {
  say(await runStep(client, step).catch((error) => ({ error: describe(error) })));
}
await client?.close();
process.exit();
