// A script's side of a conversation in JSON lines: it listens on loopback for the one test that talks to it.

import { renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

/** Waits for the test. Answers an iterator over what it says, and a function that says something to it. */
export async function converse() {
  const { values } = parseArgs({ options: { 'address-file': { type: 'string' } } });
  const socket = await new Promise((resolve) => {
    const server = createServer((connection) => {
      server.close();
      resolve(connection);
    }).listen(0, '127.0.0.1', () => {
      const temporary = `${values['address-file']}.new`;
      writeFileSync(temporary, JSON.stringify({ port: server.address().port }));
      renameSync(temporary, values['address-file']);
    });
  });
  // The test has gone: so does its script.
  socket.on('error', () => process.exit());
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
  return {
    hear: async () => {
      const { done, value } = await lines.next();
      return done ? undefined : JSON.parse(value);
    },
    say: (message) => socket.write(`${JSON.stringify(message)}\n`),
  };
}
