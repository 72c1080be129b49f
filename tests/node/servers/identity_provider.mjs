// A real identity provider: the certified oidc-provider on loopback, with users, clients and faults that a test chooses.
//
//   node identity_provider.mjs --port PORT --config CONFIG --address-file ADDRESS
//
// CONFIG holds {"host", "users", "clients", "algorithms", "interactive", "access_token_seconds", "default_resource"}; see `settings` below.
// Writes {"url": ISSUER, "control": "http://127.0.0.1:PORT"} to ADDRESS once it listens. The control port takes one JSON document per POST:
//
//   /rotate {keep_old}           new keys; old ones stay published if asked
//   /user {name, claims}         replaces a user's claims, for tokens issued from now on
//   /answer {path, status, …}    the endpoint answers this instead, until {path} alone comes
//   /mint {header, claims, key}  a token signed by the current key ("current") or one that was never published ("unknown")
//   /user-token {user, …}        walks the code flow with PKCE as `user` and returns what the token endpoint answers
//   /counts                      how often each endpoint was asked
//
// Without `interactive` everyone is signed in at once, as `login_hint` says or as the first user; `login_hint=deny` refuses.

import { constants, createHash, generateKeyPairSync, randomBytes, randomUUID, sign } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { parseArgs } from 'node:util';

import { Provider } from 'oidc-provider';

const { values: options } = parseArgs({
  options: { port: { type: 'string' }, config: { type: 'string' }, 'address-file': { type: 'string' } },
});
const settings = {
  host: '127.0.0.1',
  users: { alice: { email: 'alice@example.com', email_verified: true } },
  clients: [],
  algorithms: ['RS256'],
  interactive: false,
  access_token_seconds: 300,
  default_resource: null,
  ...JSON.parse(readFileSync(options.config, 'utf8')),
};
const issuer = `http://${settings.host}:${options.port}`;
const counts = {};
const overrides = new Map();
const cookieKeys = [randomUUID()];
const scopes = ['openid', 'offline_access', 'profile', 'email', 'mcp:read', 'mcp:tools'];

const hash = (algorithm) => `sha${algorithm.slice(2)}`;
const curves = { ES256: 'P-256', ES384: 'P-384' };

function generateKey(algorithm) {
  const { privateKey, publicKey } =
    algorithm === 'EdDSA'
      ? generateKeyPairSync('ed25519')
      : curves[algorithm]
        ? generateKeyPairSync('ec', { namedCurve: curves[algorithm] })
        : generateKeyPairSync('rsa', { modulusLength: 2048 });
  const names = { alg: algorithm, use: 'sig', kid: `${algorithm}-${randomBytes(4).toString('hex')}` };
  return {
    algorithm,
    kid: names.kid,
    privateKey,
    privateJwk: { ...privateKey.export({ format: 'jwk' }), ...names },
    publicJwk: { ...publicKey.export({ format: 'jwk' }), ...names },
  };
}

function signature(key, data) {
  const { algorithm, privateKey } = key;
  if (algorithm === 'EdDSA') return sign(null, data, privateKey);
  if (curves[algorithm]) return sign(hash(algorithm), data, { key: privateKey, dsaEncoding: 'ieee-p1363' });
  if (algorithm.startsWith('PS')) {
    const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
    return sign(hash(algorithm), data, { key: privateKey, ...padding });
  }
  return sign(hash(algorithm), data, privateKey);
}

let current = settings.algorithms.map(generateKey);
let retired = [];
const unknown = settings.algorithms.map(generateKey);

// Whatever the header says: a test may want one that lies.
function mint({ header = {}, claims, payload, key = 'current', algorithm = settings.algorithms[0] }) {
  const signer = { current, unknown }[key].find((candidate) => candidate.algorithm === algorithm);
  const head = { alg: algorithm, typ: 'at+jwt', kid: signer.kid, ...header };
  const parts = [JSON.stringify(head), payload ?? JSON.stringify(claims)];
  const input = parts.map((part) => Buffer.from(part).toString('base64url')).join('.');
  return `${input}.${signature(signer, Buffer.from(input)).toString('base64url')}`;
}

// The claims of a scope; everything that is neither address nor name comes with `openid`.
function claimsOfScopes() {
  const email = ['email', 'email_verified'];
  const profile = ['name', 'preferred_username'];
  const all = new Set(Object.values(settings.users).flatMap(Object.keys));
  const openid = [...all].filter((claim) => ![...email, ...profile, 'sub'].includes(claim));
  return { openid: ['sub', ...openid], email, profile };
}

const isAutomatic = (parameters) => !settings.interactive || Boolean(parameters.login_hint);

function resourceServer(resource) {
  const jwt = { sign: { alg: settings.algorithms[0] } };
  const lifetime = settings.access_token_seconds;
  return { scope: scopes.join(' '), audience: resource, accessTokenTTL: lifetime, accessTokenFormat: 'jwt', jwt };
}

async function automaticGrant(context) {
  const { client, session, params, resourceServers, result, provider } = context.oidc;
  const id = result?.consent?.grantId ?? session.grantIdFor(client.clientId);
  const known = id && (await provider.Grant.find(id));
  if (!isAutomatic(params)) return known;
  if (!session.accountId) return undefined;
  const grant = known ?? new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope(scopes.join(' '));
  for (const resource of Object.keys(resourceServers ?? {})) grant.addResourceScope(resource, params.scope ?? '');
  await grant.save();
  return grant;
}

function build() {
  const provider = new Provider(issuer, {
    jwks: { keys: [...current, ...retired].map((key) => key.privateJwk) },
    clients: settings.clients.map(({ claims, ...client }) => ({
      id_token_signed_response_alg: settings.algorithms[0],
      ...client,
    })),
    scopes,
    claims: claimsOfScopes(),
    conformIdTokenClaims: false,
    enabledJWA: { idTokenSigningAlgValues: settings.algorithms },
    clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post'],
    responseTypes: ['code'],
    pkce: { required: () => true },
    cookies: { keys: cookieKeys },
    clientBasedCORS: () => false,
    findAccount: (_context, id) =>
      settings.users[id] && { accountId: id, claims: () => ({ sub: id, ...settings.users[id] }) },
    issueRefreshToken: (_context, client) => client.grantTypeAllowed('refresh_token'),
    expiresWithSession: () => false,
    interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
    loadExistingGrant: automaticGrant,
    ttl: {
      AccessToken: settings.access_token_seconds,
      ClientCredentials: settings.access_token_seconds,
      AuthorizationCode: 60,
      IdToken: 3600,
      RefreshToken: 86400,
      Session: 86400,
      Grant: 86400,
      Interaction: 600,
    },
    extraTokenClaims: (_context, token) => {
      const client = settings.clients.find((client) => client.client_id === token.clientId);
      return { client_id: token.clientId, ...settings.users[token.accountId], ...client?.claims };
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      revocation: { enabled: true, allowedPolicy: () => true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => settings.default_resource ?? undefined,
        useGrantedResource: () => true,
        getResourceServerInfo: (_context, resource) => resourceServer(resource),
      },
    },
    renderError: (context, out, error) => {
      context.type = 'json';
      context.body = { ...out, debug: String(error) };
    },
  });
  for (const event of ['server_error', 'grant.error', 'authorization.error']) {
    provider.on(event, (_context, error) => console.error(event, error?.error, error?.error_detail ?? error?.stack));
  }
  return { provider, handle: provider.callback() };
}

let live = build();

const escape = (text) => String(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const page = (title, body) => `<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,"><title>${title}</title>
<body><main><h1>${title}</h1><form method="post">${body}</form></main></body></html>`;

const signInPage = page(
  'Sign in to the identity provider',
  '<label>Username <input name="login" required></label> <button>Sign in</button>',
);
const consentPage = (client) =>
  page('Allow access', `<p>${escape(client)} asks who you are.</p><button>Continue</button> <button name="deny" value="1">Refuse</button>`);

async function read(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const denied = { error: 'access_denied', error_description: 'the user said <b>no</b>' };

async function interaction(request, response) {
  const { provider } = live;
  const finish = (result) =>
    provider.interactionFinished(request, response, result, { mergeWithLastSubmission: !result.error });
  const details = await provider.interactionDetails(request, response);
  const { params, prompt } = details;
  const automatic = isAutomatic(params);
  if (!automatic && request.method === 'GET') {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
    return response.end(prompt.name === 'login' ? signInPage : consentPage(params.client_id));
  }
  const form = new URLSearchParams(automatic ? '' : await read(request));
  if (form.has('deny')) return finish(denied);
  if (prompt.name === 'login') {
    const who = form.get('login') ?? params.login_hint ?? Object.keys(settings.users)[0];
    if (!settings.users[who]) return finish(denied);
    return finish({ login: { accountId: who, remember: true, amr: ['pwd'] } });
  }
  const owner = { accountId: details.session.accountId, clientId: params.client_id };
  const grant = (details.grantId && (await provider.Grant.find(details.grantId))) || new provider.Grant(owner);
  grant.addOIDCScope(scopes.join(' '));
  for (const [resource, missing] of Object.entries(prompt.details.missingResourceScopes ?? {})) {
    grant.addResourceScope(resource, missing.join(' '));
  }
  return finish({ consent: { grantId: await grant.save() } });
}

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function answer(request, response) {
  const { pathname } = new URL(request.url, issuer);
  counts[pathname] = (counts[pathname] ?? 0) + 1;
  const override = overrides.get(pathname);
  if (override) {
    const { status = 200, headers = {}, body = '', delay_ms: delay = 0 } = override;
    await sleep(delay);
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    return response.end(typeof body === 'string' ? body : JSON.stringify(body));
  }
  if (pathname.startsWith('/interaction/')) return interaction(request, response);
  return live.handle(request, response);
}

// The code flow of an application without a browser: redirects are followed by hand, cookies kept.
async function userToken({ user, client, scope = 'openid email profile', resource, parameters = {} }) {
  const { client_secret: secret, redirect_uris: redirects } = settings.clients.find(({ client_id: id }) => id === client);
  const verifier = randomBytes(32).toString('base64url');
  const query = new URLSearchParams({
    client_id: client,
    response_type: 'code',
    redirect_uri: redirects[0],
    scope,
    login_hint: user,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...(resource ? { resource } : {}),
    ...parameters,
  });
  const jar = new Map();
  let next = new URL(`/auth?${query}`, issuer);
  while (!next.href.startsWith(redirects[0])) {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(next, { redirect: 'manual', headers: { cookie } });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      jar.set(name, value);
    }
    const location = response.headers.get('location');
    if (!location) throw new Error(`${next.pathname}: ${response.status} ${await response.text()}`);
    next = new URL(location, next);
  }
  const form = new URLSearchParams({
    grant_type: 'authorization_code',
    code: next.searchParams.get('code') ?? '',
    redirect_uri: redirects[0],
    code_verifier: verifier,
    ...(secret ? {} : { client_id: client }),
  });
  const authorization = secret && `Basic ${Buffer.from(`${client}:${secret}`).toString('base64')}`;
  const response = await fetch(new URL('/token', issuer), {
    method: 'POST',
    body: form,
    headers: authorization ? { authorization } : {},
  });
  const body = await response.json();
  if (!response.ok) throw new Error(JSON.stringify(body));
  return body;
}

const actions = {
  '/rotate': ({ keep_old: keep }) => {
    retired = keep ? [...current, ...retired] : [];
    current = settings.algorithms.map(generateKey);
    live = build();
    return { kid: current[0].kid };
  },
  '/user': ({ name, claims }) => {
    settings.users[name] = claims;
    live = build();
    return {};
  },
  '/answer': ({ path, ...override }) => {
    if (Object.keys(override).length) overrides.set(path, override);
    else overrides.delete(path);
    return {};
  },
  '/mint': (wanted) => ({ token: mint(wanted) }),
  '/user-token': userToken,
  '/counts': () => counts,
};

const handler = (handle) => async (request, response) => {
  try {
    await handle(request, response);
  } catch (error) {
    console.error(request.method, request.url, error);
    if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain' });
    response.end(String(error));
  }
};

const listen = (server, port, host) => new Promise((resolve) => server.listen(port, host, () => resolve(server)));

await listen(http.createServer(handler(answer)), Number(options.port), '127.0.0.1');
const control = await listen(
  http.createServer(
    handler(async (request, response) => {
      const result = await actions[request.url](JSON.parse((await read(request)) || '{}'));
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(result));
    }),
  ),
  0,
  '127.0.0.1',
);
const temporary = `${options['address-file']}.new`;
writeFileSync(temporary, JSON.stringify({ url: issuer, control: `http://127.0.0.1:${control.address().port}` }));
renameSync(temporary, options['address-file']);
