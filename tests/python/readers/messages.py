"""Reads JSON-RPC messages as Python programs do: with `json`, and with the types of the `mcp` package.

Standard input has one message in base64 a line; standard output answers each with a line: what either of the two took it
for, or null where it refused.
"""

import base64
import json
import sys

from mcp_types import client_notification_adapter, client_request_adapter, jsonrpc_message_adapter


def reading(message):
    return None if message is None else {"message": message}


def plainly(body):
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def with_the_sdk(body):
    """What a server's handler gets: the envelope, then the request or notification by its method."""
    try:
        envelope = jsonrpc_message_adapter.validate_json(body)
        message = envelope.model_dump(by_alias=True, mode="json", exclude_unset=True)
    except (ValueError, RecursionError):
        return None
    adapter = client_request_adapter if "id" in message else client_notification_adapter
    if "method" in message:
        try:
            typed = adapter.validate_python({key: message[key] for key in ("method", "params") if key in message})
            typed = typed.model_dump(by_alias=True, mode="json", exclude_unset=True)
            message = {key: message[key] for key in ("jsonrpc", "id") if key in message} | {"method": message["method"]} | typed
        except ValueError:
            # No method of the SDK's: its handlers see the envelope.
            pass
    return message


for line in sys.stdin:
    body = base64.b64decode(line)
    print(json.dumps([reading(plainly(body)), reading(with_the_sdk(body))]))
