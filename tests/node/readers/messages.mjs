// Reads JSON-RPC messages as JavaScript programs do: with `JSON.parse`, and with the schemas of the TypeScript SDK.
//
// Standard input has one message in base64 a line; standard output answers each with a line: what either of the two took
// it for, or null where it refused.

import { readFileSync } from "node:fs";
import { ClientNotificationSchema, ClientRequestSchema, JSONRPCMessageSchema } from "@modelcontextprotocol/sdk/types.js";

// As a program sees a message: members by name, wherever they come from, so that a prototype that a message gave itself
// shows.
function seen(message) {
  const pick = (from, names) =>
    Object.fromEntries(names.filter((name) => from[name] !== undefined).map((name) => [name, from[name]]));
  if (message === null || typeof message !== "object" || Array.isArray(message)) return { message };
  const view = pick(message, ["jsonrpc", "id", "method", "params", "result", "error"]);
  if (view.params !== null && typeof view.params === "object") {
    view.params = pick(view.params, ["name", "uri", "cursor", "requestState", "task", "ref", "_meta"]);
  }
  return { message: view };
}

function plainly(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function withTheSdk(text) {
  const parsed = JSONRPCMessageSchema.safeParse(plainly(text));
  if (!parsed.success) return undefined;
  if (!("method" in parsed.data)) return parsed.data;
  const schema = "id" in parsed.data ? ClientRequestSchema : ClientNotificationSchema;
  const typed = schema.safeParse(parsed.data);
  // No method of the SDK's: its handlers see the envelope.
  return typed.success ? { ...parsed.data, ...typed.data } : parsed.data;
}

const readings = readFileSync(0, "ascii").split("\n").filter(Boolean).map((line) => {
  // As the SDK's transports decode a body.
  const text = new TextDecoder().decode(Buffer.from(line, "base64"));
  return JSON.stringify([plainly(text), withTheSdk(text)].map((read) => (read === undefined ? null : seen(read))));
});
process.stdout.write(readings.map((line) => line + "\n").join(""));
