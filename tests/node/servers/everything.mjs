// Runs the official everything server unchanged, on a port the system picks, and records what reaches it.
//
//   node everything.mjs --address-file ADDRESS --record REQUESTS
//
// Writes {"url": "http://127.0.0.1:PORT/mcp"} to ADDRESS once it listens and one JSON line per request to REQUESTS.

import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { 'address-file': { type: 'string' }, record: { type: 'string' } },
});
writeFileSync(values.record, '', { mode: 0o600 });

const listen = http.Server.prototype.listen;
http.Server.prototype.listen = function (_port, ...rest) {
  this.prependListener('request', (request) => {
    const headers = [];
    for (let index = 0; index < request.rawHeaders.length; index += 2) {
      headers.push([request.rawHeaders[index].toLowerCase(), request.rawHeaders[index + 1]]);
    }
    const chunks = [];
    const push = request.push;
    const record = () => {
      const [path, query = ''] = request.url.split('?');
      const body = Buffer.concat(chunks).toString();
      appendFileSync(values.record, JSON.stringify({ method: request.method, path, query, headers, body }) + '\n');
    };
    // Looks at the body as it arrives from the parser, without becoming a consumer of the stream.
    request.push = function (chunk, ...more) {
      if (chunk === null) record();
      else chunks.push(Buffer.from(chunk));
      return push.call(this, chunk, ...more);
    };
  });
  this.once('listening', () => {
    const temporary = values['address-file'] + '.new';
    writeFileSync(temporary, JSON.stringify({ url: `http://127.0.0.1:${this.address().port}/mcp` }));
    renameSync(temporary, values['address-file']);
  });
  return listen.call(this, 0, '127.0.0.1', ...rest.filter((argument) => typeof argument === 'function'));
};

await import('@modelcontextprotocol/server-everything/dist/transports/streamableHttp.js');
