#!/usr/bin/env python3
"""The same tools/call directly, through a bare hyper proxy, and through Warder, side by side in one run.

    run.py [--seconds 10] [--rate 1000] [--no-instructions] [--binaries DIR]

Warder has everything on: the token is validated, access and tool policy decided, a shared key injected,
metrics counted and audit recorded. Load comes from this machine, goes to loopback only, and is bounded.
Needs wrk, and valgrind for the instruction counts.
"""
import argparse
import contextlib
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
TICKS = os.sysconf("SC_CLK_TCK")
PATH = "/mcp/bench/server"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, process, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"{process.args[0]} ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    sys.exit(f"port {port} never opened")


def cpu_ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def resident_mib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


class Bench:
    def __init__(self, binaries, stack, directory):
        self.binaries, self.stack, self.directory = binaries, stack, directory
        self.token = "none"

    def start(self, command, **environment):
        process = subprocess.Popen(
            [str(part) for part in command],
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            stderr=open(self.directory / "log", "ab"),
        )
        self.stack.callback(self.stop, process)
        return process

    @staticmethod
    def stop(process, how=signal.SIGTERM):
        if process.poll() is None:
            process.send_signal(how)
            process.wait()

    def backend(self):
        port = free_port()
        process = self.start([self.binaries / "backend", port])
        wait_for_port(port, process)
        return port, process

    def proxy(self, upstream, workers, under=()):
        port = free_port()
        process = self.start([*under, self.binaries / "proxy", port, f"127.0.0.1:{upstream}", workers])
        wait_for_port(port, process)
        return port, process

    def control_plane(self, upstream):
        """A control plane with one administrator and one server, which is the backend."""
        (self.directory / "root.key").write_text(__import__("base64").b64encode(secrets.token_bytes(32)).decode())
        (self.directory / "node-token").write_text(secrets.token_urlsafe(32))
        self.gateway_port, self.grpc_port, http_port = free_port(), free_port(), free_port()
        self.settings = {
            "WARDER_DATABASE_URL": f"sqlite:{self.directory / 'warder.db'}",
            "WARDER_ROOT_KEY_FILE": str(self.directory / "root.key"),
            "WARDER_NODE_TOKEN_FILE": str(self.directory / "node-token"),
            "WARDER_PUBLIC_URL": f"http://127.0.0.1:{http_port}",
            "WARDER_GATEWAY_URL": f"http://127.0.0.1:{self.gateway_port}",
            "WARDER_EGRESS_ALLOW": "127.0.0.0/8",
            "WARDER_GRPC_PLAINTEXT": "true",
            "WARDER_CONTROL_PLANE_PLAINTEXT": "true",
            "WARDER_LOG": "warn",
        }
        control_plane = self.binaries / "warder-control-plane"
        bootstrap = [control_plane, "bootstrap", "--email", "admin@example.com"]
        self.token = subprocess.run(bootstrap, env=os.environ | self.settings, capture_output=True, check=True, text=True).stdout.strip()
        addresses = {
            "WARDER_HTTP_ADDR": f"127.0.0.1:{http_port}",
            "WARDER_GRPC_ADDR": f"127.0.0.1:{self.grpc_port}",
            "WARDER_ADMIN_ADDR": "127.0.0.1:0",
        }
        process = self.start([control_plane], **self.settings, **addresses)
        wait_for_port(http_port, process)
        server = {
            "type": "remote",
            "display_name": "Bench",
            "url": f"http://127.0.0.1:{upstream}/mcp",
            "auth": {"type": "header", "level": "shared", "headers": {"Authorization": "Bearer sk-bench"}},
            "tool_policy": {"enabled_by_default": True, "enabled": [], "disabled": ["delete_*"]},
            "collaborators": [{"subject": "user:admin@example.com", "role": "mcp-server-user", "tools": ["echo", "get_*"], "deny_tools": ["secret"]}],
        }
        request = urllib.request.Request(
            f"http://127.0.0.1:{http_port}/api/v1/mcp-servers/bench",
            method="PUT",
            data=json.dumps(server).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        urllib.request.urlopen(request).close()

    def gateway(self, under=()):
        process = self.start(
            [*under, self.binaries / "warder-data-plane"],
            **self.settings,
            WARDER_HTTP_ADDR=f"127.0.0.1:{self.gateway_port}",
            WARDER_ADMIN_ADDR="127.0.0.1:0",
            WARDER_CONTROL_PLANE_GRPC_URL=f"http://127.0.0.1:{self.grpc_port}",
            WARDER_WORKERS="1",
        )
        wait_for_port(self.gateway_port, process)
        self.wait_until_it_answers()
        return self.gateway_port, process

    def wait_until_it_answers(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.loadgen(self.gateway_port, 10, 1, 1)["err"] == 0:
                return
        sys.exit("the gateway does not answer: " + (self.directory / "log").read_text()[-2000:])

    def environment(self):
        return os.environ | {"BENCH_PATH": PATH, "BENCH_TOKEN": self.token}

    def wrk(self, port, seconds):
        command = ["wrk", "-t1", "-c32", f"-d{seconds}s", "-s", HERE / "post.lua", f"http://127.0.0.1:{port}"]
        output = subprocess.run(command, env=self.environment(), capture_output=True, check=True, text=True).stdout
        return json.loads(output.splitlines()[-1])

    def loadgen(self, port, rate, seconds, connections):
        command = [self.binaries / "loadgen", f"127.0.0.1:{port}", str(rate), str(seconds), str(connections), PATH]
        output = subprocess.run(command, env=self.environment(), capture_output=True, check=True, text=True).stdout
        return {key: int(value) for key, value in (pair.split("=") for pair in output.split())}

    def measure(self, port, process, seconds, rate):
        self.wrk(port, 1)
        before = cpu_ticks(process.pid) if process else 0
        closed = self.wrk(port, seconds)
        used = cpu_ticks(process.pid) - before if process else 0
        opened = self.loadgen(port, rate, seconds, 8)
        return {
            "rps": closed["requests"] * 1e6 / closed["us"],
            "p50": closed["p50"],
            "p99": closed["p99"],
            "cpu": used * 1e6 / TICKS / closed["requests"],
            "open_p50": opened["p50"],
            "open_p99": opened["p99"],
            "failed": closed["bad"] + opened["err"],
            "rss": resident_mib(process.pid) if process else 0,
        }

    def instructions(self, start):
        """Instructions per call under callgrind, which counts while 1,000 calls pass and not before."""
        output = self.directory / "callgrind"
        port, process = start(["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={output}"])
        self.loadgen(port, 50, 2, 1)
        self.count(process, "on")
        self.loadgen(port, 200, 5, 1)
        self.count(process, "off")
        self.stop(process)
        totals = re.findall(r"^(?:summary|totals): (\d+)", output.read_text(), re.M)
        return int(totals[-1]) / 1000

    @staticmethod
    def count(process, switch):
        subprocess.run(["callgrind_control", "-i", switch, str(process.pid)], check=True, stdout=subprocess.DEVNULL)


def row(name, figures, direct, floor):
    cpu = f"{figures['cpu']:.1f}" if figures["cpu"] else "-"
    times = f"{figures['cpu'] / floor['cpu']:.2f}" if floor and figures["cpu"] else "-"
    print(
        f"{name:<22} {figures['rps']:>9.0f} {figures['rps'] / direct['rps']:>9.3f} {figures['p50']:>7} {figures['p99']:>7} {cpu:>9} {times:>9}"
        f" {figures['open_p50']:>9} {figures['open_p50'] - direct['open_p50']:>9} {figures['open_p99']:>9} {figures['rss']:>7.1f} {figures['failed']:>7}"
    )


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=int, default=10)
    arguments.add_argument("--rate", type=int, default=1000)
    arguments.add_argument("--no-instructions", action="store_true")
    arguments.add_argument("--binaries", type=pathlib.Path, required=True, help="folder of the release binaries")
    options = arguments.parse_args()
    for tool in ["wrk"] + ([] if options.no_instructions else ["valgrind"]):
        if not shutil.which(tool):
            sys.exit(f"{tool} is needed: apt-get install -y --no-install-recommends {tool}")
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench = Bench(options.binaries, stack, directory)
        upstream, _ = bench.backend()
        bench.control_plane(upstream)
        print(
            f"{'target':<22} {'req/s':>9} {'to direct':>9} {'p50 µs':>7} {'p99 µs':>7} {'CPU µs':>9} {'to floor':>9}"
            f" {f'p50@{options.rate}':>9} {'added':>9} {f'p99@{options.rate}':>9} {'MiB':>7} {'failed':>7}"
        )
        direct = bench.measure(upstream, None, options.seconds, options.rate)
        row("direct", direct, direct, None)
        port, process = bench.proxy(upstream, 1)
        floor = bench.measure(port, process, options.seconds, options.rate)
        row("hyper pass-through", floor, direct, floor)
        bench.stop(process)
        port, process = bench.gateway()
        idle = resident_mib(process.pid)
        warder = bench.measure(port, process, options.seconds, options.rate)
        row("warder, all on", warder, direct, floor)
        bench.stop(process)
        print(f"\nWarder: CPU per call {warder['cpu'] / floor['cpu']:.2f} × the pass-through (target ≤ 1.50); resident before load {idle:.1f} MiB")
        if not options.no_instructions:
            floor_instructions = bench.instructions(lambda under: bench.proxy(upstream, 0, under))
            warder_instructions = bench.instructions(bench.gateway)
            print(
                f"Instructions per call: pass-through {floor_instructions:,.0f}, Warder {warder_instructions:,.0f}:"
                f" {warder_instructions / floor_instructions:.2f} × (target ≤ 2.00)"
            )
        if direct["failed"] + floor["failed"] + warder["failed"]:
            sys.exit("calls failed: the figures above do not count")


main()
