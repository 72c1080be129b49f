// The server that the official conformance suite wants to talk to, on the second generation of the TypeScript SDK: both eras.
//
//   node conformance.mjs --address-file ADDRESS --record REQUESTS
//
// Writes {"url": "http://127.0.0.1:PORT/mcp"} to ADDRESS once it listens. What a tool, prompt or resource has to answer stands in the suite's own
// descriptions of its scenarios. Handlers are written once: to a client with a session, the SDK sends what an `input_required`
// result asks for as requests of the server.

import { randomBytes, randomUUID } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { parseArgs } from 'node:util';

import { localhostHostValidation, localhostOriginValidation, NodeStreamableHTTPServerTransport, toNodeHandler, toWebRequest } from '@modelcontextprotocol/node';
import {
  createMcpHandler,
  createRequestStateCodec,
  isLegacyRequest,
  MissingRequiredClientCapabilityError,
  ProtocolError,
  Server,
} from '@modelcontextprotocol/server';

const { values } = parseArgs({ options: { 'address-file': { type: 'string' }, record: { type: 'string' } } });

const picture = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
const sound = Buffer.from('RIFF$\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0@\x1f\0\0@\x1f\0\0\x01\0\x08\0data\0\0\0\0', 'latin1').toString('base64');
const states = createRequestStateCodec({ key: randomBytes(32) });

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const text = (value) => ({ type: 'text', text: value });
const image = { type: 'image', data: picture, mimeType: 'image/png' };
const resource = (uri, mimeType, value) => ({ type: 'resource', resource: { uri, mimeType, text: value } });
const content = (...blocks) => ({ content: blocks });
const object = (properties = {}, required = Object.keys(properties)) => ({ type: 'object', properties, required });

// What a server can ask for.
const elicit = (message, properties, required) => ({
  method: 'elicitation/create',
  params: { mode: 'form', message, requestedSchema: object(properties, required) },
});
const sample = (prompt, maxTokens = 100) => ({
  method: 'sampling/createMessage',
  params: { messages: [{ role: 'user', content: text(prompt) }], maxTokens },
});
const roots = { method: 'roots/list', params: {} };
const ask = (inputRequests, requestState) => ({
  resultType: 'input_required',
  inputRequests,
  ...(requestState ? { requestState } : {}),
});

const sampled = (response) => [response.content].flat().map((block) => block.text).join('');
const elicited = (response) => `action=${response.action}, content=${JSON.stringify(response.content ?? {})}`;
const string = { type: 'string' };
const name = { name: string };

/** A tool that asks once and answers when it has everything. */
const asking = (requests, answer, options = {}) => ({
  ...options,
  run: async (call) => {
    const wanted = typeof requests === 'function' ? requests(call) : requests;
    const state = options.stateful && call.state === undefined ? await states.mint('asked') : undefined;
    const isUsable = ([key, request]) =>
      request.method !== 'elicitation/create' || ['accept', 'decline', 'cancel'].includes(call.responses[key]?.action);
    const complete = Object.entries(wanted).every(([key, request]) => key in call.responses && isUsable([key, request]));
    if (!complete || state) return ask(wanted, state);
    return answer(call.responses, call);
  },
});

const titled = (options) => Object.entries(options).map(([value, title]) => ({ const: value, title }));
const untitledOptions = ['option1', 'option2', 'option3'];
const firstOptions = titled({ value1: 'First Option', value2: 'Second Option', value3: 'Third Option' });
const firstChoices = titled({ value1: 'First Choice', value2: 'Second Choice', value3: 'Third Choice' });

const defaults = {
  name: { type: 'string', default: 'John Doe' },
  age: { type: 'integer', default: 30 },
  score: { type: 'number', default: 95.5 },
  status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
  verified: { type: 'boolean', default: true },
};
const enums = {
  untitledSingle: { type: 'string', enum: untitledOptions },
  titledSingle: { type: 'string', oneOf: firstOptions },
  legacyEnum: { type: 'string', enum: ['opt1', 'opt2', 'opt3'], enumNames: ['Option One', 'Option Two', 'Option Three'] },
  untitledMulti: { type: 'array', items: { type: 'string', enum: untitledOptions } },
  titledMulti: { type: 'array', items: { anyOf: firstChoices } },
};

const newerSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: { address: { $anchor: 'addressDef', type: 'object', properties: { street: string, city: string } } },
  properties: {
    name: string,
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: string,
    email: string,
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
};

const completed = (responses) => content(text(`Elicitation completed: ${elicited(Object.values(responses)[0])}`));
const hello = { user_name: elicit('What is your name?', name) };

async function log({ context }) {
  for (const [index, line] of ['Tool execution started', 'Tool processing data', 'Tool execution completed'].entries()) {
    if (index > 0) await sleep(50);
    await context.mcpReq.log('info', line, 'conformance');
  }
  return content(text('logged'));
}

async function progress({ context, token }) {
  for (const [index, done] of [0, 50, 100].entries()) {
    if (index > 0) await sleep(50);
    const params = { progressToken: token, progress: done, total: 100 };
    if (token !== undefined) await context.mcpReq.notify({ method: 'notifications/progress', params });
  }
  return content(text('done'));
}

async function rounds({ responses, state }) {
  if (state === 'two' && responses.step2) return content(text('both steps done'));
  if (state === 'one' && responses.step1) {
    return ask({ step2: elicit('Step 2: What is your favorite color?', { color: string }) }, await states.mint('two'));
  }
  return ask({ step1: elicit('Step 1: What is your name?', name) }, await states.mint('one'));
}

const possible = ({ capabilities }) => ({
  ...(capabilities.sampling ? { question: sample('What is the capital of France?') } : {}),
  ...(capabilities.elicitation ? hello : {}),
});

const tools = {
  test_simple_text: { run: () => content(text('This is a simple text response for testing.')) },
  test_image_content: { run: () => content(image) },
  test_audio_content: { run: () => content({ type: 'audio', data: sound, mimeType: 'audio/wav' }) },
  test_embedded_resource: {
    run: () => content(resource('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')),
  },
  test_multiple_content_types: {
    run: () =>
      content(
        text('Multiple content types test:'),
        image,
        resource('test://mixed-content-resource', 'application/json', JSON.stringify({ test: 'data', value: 123 })),
      ),
  },
  test_error_handling: {
    run: () => ({ isError: true, ...content(text('This tool intentionally returns an error for testing')) }),
  },
  test_tool_with_logging: { run: log },
  test_logging_tool: { run: log },
  test_tool_with_progress: { run: progress },
  test_reconnection: {
    run: async ({ context }) => {
      await sleep(50);
      context.http?.closeSSE?.();
      await sleep(100);
      return content(text('reconnected'));
    },
  },
  json_schema_2020_12_tool: { inputSchema: newerSchema, run: ({ input }) => content(text(JSON.stringify(input))) },
  test_sampling: asking(
    ({ input }) => ({ answer: sample(input.prompt) }),
    ({ answer }) => content(text(`LLM response: ${sampled(answer)}`)),
    { inputSchema: object({ prompt: string }) },
  ),
  test_elicitation: asking(
    ({ input }) => ({
      answer: elicit(input.message, {
        username: { type: 'string', description: "User's response" },
        email: { type: 'string', description: "User's email address" },
      }),
    }),
    ({ answer }) => content(text(`User response: ${elicited(answer)}`)),
    { inputSchema: object({ message: string }) },
  ),
  test_elicitation_sep1034_defaults: asking({ answer: elicit('Please check these', defaults, []) }, completed),
  test_elicitation_sep1330_enums: asking({ answer: elicit('Please choose', enums, []) }, completed),
  test_streaming_elicitation: asking(hello, completed),
  test_missing_capability: {
    run: ({ capabilities }) => {
      if (!capabilities.sampling) throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { sampling: {} } });
      return content(text('the client can sample'));
    },
  },
  test_input_required_result_elicitation: asking(hello, ({ user_name: answer }) =>
    content(text(`Hello, ${answer.content?.name}!`)),
  ),
  test_input_required_result_sampling: asking(
    { capital_question: sample('What is the capital of France?') },
    ({ capital_question: answer }) => content(text(sampled(answer))),
  ),
  test_input_required_result_list_roots: asking({ client_roots: roots }, ({ client_roots: answer }) =>
    content(text(JSON.stringify(answer.roots))),
  ),
  test_input_required_result_request_state: asking(
    { confirm: elicit('Please confirm', { ok: { type: 'boolean' } }) },
    (_responses, { state }) => content(text(state === 'asked' ? 'state-ok' : 'another state')),
    { stateful: true },
  ),
  test_input_required_result_tampered_state: asking(
    { confirm: elicit('Please confirm', { ok: { type: 'boolean' } }) },
    () => content(text('state-ok')),
    { stateful: true },
  ),
  test_input_required_result_multiple_inputs: asking(
    { ...hello, greeting: sample('Generate a greeting', 50), client_roots: roots },
    (responses) => content(text(JSON.stringify(responses))),
    { stateful: true },
  ),
  test_input_required_result_multi_round: { run: rounds },
  test_input_required_result_capabilities: asking(possible, (responses) => content(text(JSON.stringify(responses)))),
  test_trigger_tool_change: { run: ({ notify }) => content(text(String(notify.toolsChanged()))) },
  test_trigger_prompt_change: { run: ({ notify }) => content(text(String(notify.promptsChanged()))) },
  test_headers: {
    inputSchema: object({ region: { type: 'string', 'x-mcp-header': 'Region' } }, []),
    run: ({ input }) => content(text(JSON.stringify(input))),
  },
};

const user = (block) => ({ role: 'user', content: block });
const messages = (...blocks) => ({ messages: blocks.map(user) });

const prompts = {
  test_simple_prompt: { run: () => messages(text('This is a simple prompt for testing.')) },
  test_prompt_with_arguments: {
    arguments: ['arg1', 'arg2'],
    run: ({ input }) => messages(text(`Prompt with arguments: arg1='${input.arg1}', arg2='${input.arg2}'`)),
  },
  test_prompt_with_embedded_resource: {
    arguments: ['resourceUri'],
    run: ({ input }) =>
      messages(
        resource(input.resourceUri, 'text/plain', 'Embedded resource content for testing.'),
        text('Please process the embedded resource above.'),
      ),
  },
  test_prompt_with_image: { run: () => messages(image, text('Please analyze the image above.')) },
  test_input_required_result_prompt: asking(
    { user_context: elicit('What context should the prompt use?', { context: string }) },
    ({ user_context: answer }) => messages(text(`Context: ${answer.content?.context}`)),
  ),
};

const resources = {
  'test://static-text': { mimeType: 'text/plain', text: 'This is the content of the static text resource.' },
  'test://static-binary': { mimeType: 'image/png', blob: picture },
  'test://watched-resource': { mimeType: 'text/plain', text: 'Watched.' },
};

function read(uri) {
  if (resources[uri]) return { contents: [{ uri, ...resources[uri] }] };
  const found = /^test:\/\/template\/([^/]+)\/data$/.exec(uri);
  if (!found) throw new ProtocolError(-32602, 'Resource not found', { uri });
  const data = JSON.stringify({ id: found[1], templateTest: true, data: `Data for ID: ${found[1]}` });
  return { contents: [{ uri, mimeType: 'application/json', text: data }] };
}

const describe = (name) => name.replaceAll('_', ' ');

function build(notify, era) {
  const changes = { listChanged: true };
  const legacy = era === 'legacy';
  const server = new Server(
    { name: 'conformance', version: '1.0.0' },
    {
      capabilities: {
        tools: changes,
        prompts: changes,
        resources: { subscribe: true, listChanged: true },
        completions: {},
        logging: {},
      },
      requestState: { verify: states.verify },
    },
  );
  const call = (request, context, input) => ({
    input,
    context,
    notify,
    responses: context.mcpReq.inputResponses ?? {},
    state: context.mcpReq.requestState?.(),
    capabilities: server.getClientCapabilities() ?? {},
    token: request.params?._meta?.progressToken,
  });
  const run = (table, request, context) => {
    const found = table[request.params.name];
    if (!found) throw new ProtocolError(-32602, `there is no ${request.params.name}`);
    return found.run(call(request, context, request.params.arguments ?? {}));
  };
  server.setRequestHandler('tools/list', () => ({
    tools: Object.entries(tools).map(([name, { inputSchema = object() }]) => ({ name, description: describe(name), inputSchema })),
  }));
  server.setRequestHandler('tools/call', (request, context) => run(tools, request, context));
  server.setRequestHandler('prompts/list', () => ({
    prompts: Object.entries(prompts).map(([name, { arguments: names = [] }]) => ({
      name,
      description: describe(name),
      arguments: names.map((argument) => ({ name: argument, description: `The ${argument}`, required: true })),
    })),
  }));
  server.setRequestHandler('prompts/get', (request, context) => run(prompts, request, context));
  server.setRequestHandler('resources/list', () => ({
    resources: Object.entries(resources).map(([uri, { mimeType }]) => ({ uri, name: uri, description: `At ${uri}`, mimeType })),
  }));
  server.setRequestHandler('resources/templates/list', () => ({
    resourceTemplates: [{ uriTemplate: 'test://template/{id}/data', name: 'template', mimeType: 'application/json' }],
  }));
  server.setRequestHandler('resources/read', (request) => read(request.params.uri));
  server.setRequestHandler('completion/complete', () => ({ completion: { values: ['paris', 'park'], total: 2, hasMore: false } }));
  if (legacy) {
    server.setRequestHandler('resources/subscribe', () => ({}));
    server.setRequestHandler('resources/unsubscribe', () => ({}));
  }
  return server;
}

/** Events of all streams in memory, so that a client can come back for the rest. */
class Events {
  kept = [];

  storeEvent(stream, message) {
    this.kept.push({ stream, message });
    return Promise.resolve(String(this.kept.length - 1));
  }

  async replayEventsAfter(last, { send }) {
    const { stream } = this.kept[Number(last)];
    for (const [index, event] of this.kept.entries()) {
      if (index > Number(last) && event.stream === stream && Object.keys(event.message).length) await send(String(index), event.message);
    }
    return stream;
  }
}

const modern = createMcpHandler(({ era }) => build(modern.notify, era), { legacy: 'reject' });
const answerModern = toNodeHandler(modern);
const sessions = new Map();

async function answerLegacy(request, response, body) {
  const id = request.headers['mcp-session-id'];
  if (id && !sessions.has(id)) {
    response.writeHead(404, { 'content-type': 'application/json' });
    return response.end(JSON.stringify({ jsonrpc: '2.0', error: { code: -32001, message: 'Session not found' } }));
  }
  let transport = sessions.get(id);
  if (!transport) {
    transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: new Events(),
      retryInterval: 200,
      onsessioninitialized: (session) => void sessions.set(session, transport),
      onsessionclosed: (session) => void sessions.delete(session),
    });
    const server = build({ toolsChanged: () => server.sendToolListChanged(), promptsChanged: () => server.sendPromptListChanged() }, 'legacy');
    await server.connect(transport);
  }
  return transport.handleRequest(request, response, body);
}

const allowed = [localhostHostValidation(), localhostOriginValidation()];
writeFileSync(values.record, '', { mode: 0o600 });
const server = http.createServer(async (request, response) => {
  if (!allowed.every((isAllowed) => isAllowed(request, response))) return;
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  let body;
  try {
    body = chunks.length ? JSON.parse(Buffer.concat(chunks)) : undefined;
  } catch {
    response.writeHead(400).end();
    return;
  }
  const legacy = request.method !== 'POST' || (await isLegacyRequest(await toWebRequest(request, body), body));
  await (legacy ? answerLegacy : answerModern)(request, response, body);
});
server.listen(0, '127.0.0.1', () => {
  const temporary = `${values['address-file']}.new`;
  writeFileSync(temporary, JSON.stringify({ url: `http://127.0.0.1:${server.address().port}/mcp` }));
  renameSync(temporary, values['address-file']);
});
