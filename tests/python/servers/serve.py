"""A real FastMCP server over streamable HTTP, for the end-to-end tests.

    python serve.py --address-file ADDRESS --record REQUESTS [--port 0] [--stateless] [--json] [--tools N]

Writes `{"url": "http://127.0.0.1:PORT/mcp"}` to ADDRESS once it listens, and every request to REQUESTS.
"""

import argparse
import asyncio
import json
import os
import socket

import uvicorn
from fastmcp import Context, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.server.dependencies import get_http_headers
from starlette.middleware import Middleware

from recorder import Recorder


def build(extra_tools):
    """The tools that the stories call."""
    server = FastMCP("Fixture", version="1.0.0", instructions="Tools for the end-to-end tests.")
    counters = {}

    @server.tool
    def echo(text: str) -> str:
        """Answers with the text it was given."""
        return text

    @server.tool
    def add(a: int, b: int) -> int:
        """Adds two numbers."""
        return a + b

    @server.tool
    async def slow(seconds: float, context: Context, steps: int = 4) -> str:
        """Takes its time and reports progress on the way."""
        for step in range(steps):
            await context.report_progress(step, steps)
            await asyncio.sleep(seconds / steps)
        return f"finished after {seconds:g} seconds"

    @server.tool
    def fail(reason: str = "as asked") -> str:
        """Always fails."""
        raise ToolError(f"failed {reason}")

    @server.tool
    def secret_admin() -> str:
        """A tool that the tests forbid; whoever reads its answer got past the gateway."""
        return "the forbidden answer"

    @server.tool
    def headers() -> dict[str, str]:
        """The HTTP headers of this very call, as the upstream sees them."""
        return get_http_headers(include_all=True)

    @server.tool
    def count(context: Context) -> int:
        """Counts the calls of one session; a stateful server answers 1, 2, 3 …"""
        session = context.session_id
        counters[session] = counters.get(session, 0) + 1
        return counters[session]

    @server.resource("memo://note")
    def note() -> str:
        """A note to read."""
        return "a note"

    @server.prompt
    def greet(name: str) -> str:
        """Asks for a greeting."""
        return f"Greet {name}."

    def numbered(number):
        def tool(value: str = "") -> str:
            return f"{number}:{value}"

        return tool

    for number in range(extra_tools):
        server.tool(numbered(number), name=f"tool_{number:03}", description=f"Tool number {number}. " + "Words. " * 20)
    return server


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--address-file", required=True)
    parser.add_argument("--record", required=True)
    parser.add_argument("--stateless", action="store_true")
    parser.add_argument("--json", action="store_true", help="answer with application/json instead of a stream")
    parser.add_argument("--tools", type=int, default=0, help="how many further tools to offer")
    arguments = parser.parse_args()

    app = build(arguments.tools).http_app(
        stateless_http=arguments.stateless,
        json_response=arguments.json,
        middleware=[Middleware(Recorder, path=arguments.record)],
    )
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", arguments.port))
    listener.listen(256)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)

    # The kernel queues connections from here on, so nobody who reads the file is refused.
    temporary = arguments.address_file + ".new"
    with open(temporary, "w") as file:
        json.dump({"url": f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"}, file)
    os.replace(temporary, arguments.address_file)
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
