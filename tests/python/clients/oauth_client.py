"""A client that knows nothing but a server's URL and finds its way through OAuth, with a test in the place of the person.

    python oauth_client.py --address-file ADDRESS

Hears {"url", "client", "folder"} first; client is "fastmcp" (`fastmcp.Client(url, auth="oauth")`) or "mcp" (the official SDK), and `folder` keeps
what the latter remembers. Says {"authorize": URL} whenever a browser should be opened, {"connected": …} once, and then answers
each step that it hears.
"""

import argparse
import asyncio
import contextlib
import json
import os
import pathlib
import urllib.parse
import webbrowser

import fastmcp
import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.client.client import Client as McpClient
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from fastmcp_client import describe, run_step


class Files:
    """`TokenStorage` of the SDK, in a file."""

    def __init__(self, folder):
        self.path = pathlib.Path(folder) / "oauth.json"

    def read(self, name, model):
        kept = json.loads(self.path.read_text()) if self.path.exists() else {}
        return model.model_validate(kept[name]) if name in kept else None

    def write(self, name, value):
        kept = json.loads(self.path.read_text()) if self.path.exists() else {}
        kept[name] = value.model_dump(mode="json", exclude_none=True)
        self.path.touch(mode=0o600)
        self.path.write_text(json.dumps(kept))

    async def get_tokens(self):
        return self.read("tokens", OAuthToken)

    async def set_tokens(self, tokens):
        self.write("tokens", tokens)

    async def get_client_info(self):
        return self.read("client", OAuthClientInformationFull)

    async def set_client_info(self, client_info):
        self.write("client", client_info)


@contextlib.asynccontextmanager
async def official_client(plan, say):
    """The official SDK with its OAuth provider, and the loopback listener that an application has beside it."""
    returned = asyncio.Queue()

    async def answer(reader, writer):
        target = (await reader.readline()).decode().split(" ")[1]
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()
        url = urllib.parse.urlsplit(target)
        if url.path == "/callback":
            await returned.put(dict(urllib.parse.parse_qsl(url.query)))

    async def open_browser(url):
        say({"authorize": url})

    async def wait_for_return():
        query = await returned.get()
        if "error" in query:
            raise RuntimeError(query["error"])
        return AuthorizationCodeResult(code=query["code"], state=query.get("state"), iss=query.get("iss"))

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    metadata = OAuthClientMetadata(
        client_name="Warder e2e",
        redirect_uris=[f"http://127.0.0.1:{port}/callback"],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        token_endpoint_auth_method="none",
    )
    provider = OAuthClientProvider(plan["url"], metadata, Files(plan["folder"]), open_browser, wait_for_return)
    async with (
        httpx2.AsyncClient(auth=provider, timeout=60) as http,
        McpClient(streamable_http_client(plan["url"], http_client=http)) as client,
    ):
        yield client


async def run_official_step(client, step):
    """The steps of `fastmcp_client.run_step` that the stories of OAuth need, with the official SDK."""
    if step["do"] == "list":
        return {"tools": [tool.name for tool in (await client.list_tools()).tools]}
    result = await client.call_tool(step["tool"], step.get("arguments", {}))
    return {"is_error": bool(result.is_error), "text": "".join(getattr(block, "text", "") for block in result.content)}


async def converse(reader, writer):
    """One test, one client."""

    def say(message):
        writer.write((json.dumps(message) + "\n").encode())

    async def hear():
        line = await reader.readline()
        return json.loads(line) if line else None

    plan = await hear()
    # fastmcp opens the browser by itself.
    webbrowser.open = lambda url, *_: say({"authorize": url}) or True
    official = plan["client"] == "mcp"
    opened = official_client(plan, say) if official else fastmcp.Client(plan["url"], auth="oauth", timeout=120)
    try:
        async with opened as client:
            say({"connected": True})
            while step := await hear():
                try:
                    say(await (run_official_step(client, step) if official else run_step(client, step, [])))
                except Exception as error:
                    say({"error": describe(error)})
    except Exception as error:
        say({"connected": False, "error": describe(error)})
    await writer.drain()
    os._exit(0)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--address-file", required=True)
    arguments = parser.parse_args()
    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    temporary = arguments.address_file + ".new"
    with open(temporary, "w") as file:
        json.dump({"port": server.sockets[0].getsockname()[1]}, file)
    os.replace(temporary, arguments.address_file)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
