"""ASGI middleware that writes every request it sees, with all of its headers, to a JSON-lines file.

The tests read that file: it is the upstream's own word about which credential arrived.
"""

import json
import os


class Recorder:
    """Appends one line per HTTP request, as soon as its body is complete."""

    def __init__(self, app, path):
        self.app = app
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        chunks = []
        written = False

        def write_once():
            nonlocal written
            if not written:
                written = True
                self.write(scope, b"".join(chunks))

        async def tee():
            message = await receive()
            if message["type"] == "http.request":
                chunks.append(message.get("body", b""))
                if not message.get("more_body", False):
                    write_once()
            return message

        async def answer(message):
            # An application may answer without ever reading the body.
            write_once()
            await send(message)

        await self.app(scope, tee, answer)

    def write(self, scope, body):
        line = {
            "method": scope["method"],
            "path": scope["raw_path"].decode("latin-1"),
            "query": scope["query_string"].decode("latin-1"),
            # A list, not a map: a header that arrives twice must be seen twice.
            "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]],
            "body": body.decode("utf-8", "replace"),
        }
        os.write(self.descriptor, (json.dumps(line) + "\n").encode())
