// Puts a token into every request on its way to one MCP endpoint, for clients that cannot send headers of their own.
//
//   TOKEN=… node add_token.mjs --target URL --address-file ADDRESS
//
// Writes {"url": "http://localhost:PORT/PATH"} to ADDRESS once it listens, with the path of the target. `Host` and `Origin` that
// name this proxy name the target on the way; everything else passes as it is, streams both ways, and so do others of the two.

import { renameSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { target: { type: 'string' }, 'address-file': { type: 'string' } } });
const target = new URL(values.target);

const server = http.createServer((request, response) => {
  const own = `localhost:${server.address().port}`;
  const headers = { ...request.headers, authorization: `Bearer ${process.env.TOKEN}` };
  if (headers.host === own) headers.host = target.host;
  if (headers.origin === `http://${own}`) headers.origin = target.origin;
  const { hostname, port } = target;
  const onward = http.request({ hostname, port, method: request.method, path: request.url, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    response.flushHeaders();
    answer.pipe(response);
    answer.on('error', () => response.destroy());
  });
  onward.on('error', (error) => {
    if (!response.headersSent) response.writeHead(502);
    response.end(String(error));
  });
  response.on('close', () => onward.destroy());
  request.pipe(onward);
});
server.listen(0, 'localhost', () => {
  const temporary = `${values['address-file']}.new`;
  writeFileSync(temporary, JSON.stringify({ url: `http://localhost:${server.address().port}${target.pathname}` }));
  renameSync(temporary, values['address-file']);
});
