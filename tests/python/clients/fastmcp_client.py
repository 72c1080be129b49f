"""Drives `fastmcp.Client` the way the recipes of the documentation do, and prints one JSON line.

Standard input holds the plan, so that one interpreter serves many sessions:

    {"sessions": [{"url": "…", "token": "…", "headers": {}, "mode": "auto", "steps": [
        {"do": "list"}, {"do": "call", "tool": "echo", "arguments": {"text": "hi"}}]}]}

Standard output: {"sessions": [{"connected": true, "protocol_version": "…", "session_id": …, "steps": […]}]}.
A step that fails answers {"error": {…}}; a session that cannot connect answers {"connected": false, "error": {…}}.
"""

import asyncio
import json
import sys

import httpx2
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from mcp.shared.exceptions import MCPError


def read_error_bodies(**options):
    """The recipe's client factory: the body of a refusal is read before it is raised.

    fastmcp 4.1 sends through httpx2, the successor of httpx, and only hands an HTTP status to the caller when the hook raises it.
    """

    async def read_and_raise(response):
        if response.status_code >= 400:
            await response.aread()
            if not response.headers.get("content-type", "").startswith("application/json"):
                response.raise_for_status()
            elif "jsonrpc" not in response.json():
                response.raise_for_status()

    hooks = options.pop("event_hooks", {})
    hooks.setdefault("response", []).append(read_and_raise)
    return httpx2.AsyncClient(event_hooks=hooks, **options)


def describe(error):
    """What the caller of the library would learn from this exception."""
    if isinstance(error, BaseExceptionGroup):
        return describe(error.exceptions[0])
    answer = {"kind": type(error).__name__, "message": str(error)}
    if isinstance(error, httpx2.HTTPStatusError):
        answer["status"] = error.response.status_code
        answer["headers"] = dict(error.response.headers)
        try:
            answer["body"] = error.response.json()
        except ValueError:
            answer["body"] = error.response.text
    if isinstance(error, MCPError):
        answer["code"] = error.error.code
        answer["message"] = error.error.message
    return answer


async def run_step(client, step, progress):
    """Carries out one step of the plan."""
    match step["do"]:
        case "list":
            return {"tools": [tool.name for tool in await client.list_tools()]}
        case "call":
            progress.clear()
            result = await client.call_tool(step["tool"], step.get("arguments", {}), raise_on_error=False)
            return {
                "is_error": result.is_error,
                "text": "".join(getattr(block, "text", "") for block in result.content),
                "structured": result.structured_content,
                "progress": list(progress),
            }
        case "prompts":
            return {"prompts": [prompt.name for prompt in await client.list_prompts()]}
        case "resources":
            return {"resources": [str(resource.uri) for resource in await client.list_resources()]}
        case "read":
            return {"text": "".join(content.text for content in await client.read_resource(step["uri"]))}
        case "ping":
            return {"pong": await client.ping()}
        case unknown:
            raise ValueError(f"no such step: {unknown}")


async def run_session(plan):
    """Opens one session, carries out its steps and closes it."""
    headers = dict(plan.get("headers", {}))
    if "token" in plan:
        headers["Authorization"] = f"Bearer {plan['token']}"
    transport = StreamableHttpTransport(url=plan["url"], headers=headers, httpx_client_factory=read_error_bodies)
    progress = []

    async def on_progress(done, total, message):
        progress.append([done, total])

    steps = []
    try:
        async with Client(transport, mode=plan.get("mode", "auto"), timeout=30, progress_handler=on_progress) as client:
            for step in plan["steps"]:
                try:
                    steps.append(await run_step(client, step, progress))
                except Exception as error:
                    steps.append({"error": describe(error)})
            return {
                "connected": True,
                "protocol_version": client.session.protocol_version if hasattr(client.session, "protocol_version") else None,
                "session_id": transport.get_session_id(),
                "steps": steps,
            }
    except Exception as error:
        return {"connected": False, "error": describe(error), "steps": steps}


async def main():
    plan = json.load(sys.stdin)
    print(json.dumps({"sessions": [await run_session(session) for session in plan["sessions"]]}))


if __name__ == "__main__":
    asyncio.run(main())
