"""The binaries of this build run with what the chart gives them, on the certificate that the chart made."""

import json
import os
import subprocess
import tempfile
import urllib.request
from base64 import b64encode
from pathlib import Path

import pytest
from conftest import Rendered
from helm import REQUIRED, merged
from processes import BINARIES, USER, Pod, Postgres, free_ports, status


def secret(text):
    return b64encode(text.encode()).decode()


@pytest.fixture(scope="module")
def pods():
    """The migrations' pod, a control plane and a gateway; all laid out, the migrations run, the planes started."""
    for binary in ("warder-control-plane", "warder-data-plane"):
        assert (BINARIES / binary).is_file(), f"{BINARIES / binary} is missing: cargo build --workspace --bins"
    with tempfile.TemporaryDirectory(prefix="warder-pods-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "postgres").mkdir()
        with Postgres(folder / "postgres") as postgres:
            http, grpc, admin, mcp, gateway_admin = free_ports(5)
            local = {"listenAddress": "127.0.0.1"}
            rendered = Rendered(merged(REQUIRED, {
                "urls": {"public": f"http://127.0.0.1:{http}", "gateway": f"http://127.0.0.1:{mcp}"},
                "controlPlane": {**local, "ports": {"http": http, "grpc": grpc, "admin": admin}},
                "gateway": {**local, "ports": {"http": mcp, "admin": gateway_admin}},
            }))
            secrets = {item["metadata"]["name"]: item["data"] for item in rendered.all("Secret")}
            secrets["warder-database"] = {"url": secret(postgres.url)}
            secrets["warder-root-key"] = {"root.key": secret(b64encode(os.urandom(32)).decode() + "\n")}
            host = "warder-control-plane-grpc.warder-system.svc"
            migrations = Pod(folder / "migrations", rendered.one("Job", "warder-migrations"), secrets)
            control_plane = Pod(folder / "control-plane", rendered.one("Deployment", "warder-control-plane"), secrets)
            gateway = Pod(folder / "gateway", rendered.one("Deployment", "warder-gateway"), secrets, [host])
            try:
                migrations.run()
                control_plane.start()
                control_plane.wait_until("readiness")
                gateway.start()
                gateway.wait_until("readiness")
                yield control_plane, gateway
            finally:
                for pod in (gateway, control_plane, migrations):
                    pod.kill()


def test_both_planes_become_ready_over_the_generated_certificate(pods):
    for pod in pods:
        assert pod.probe("startup") == pod.probe("liveness") == pod.probe("readiness") == 200
    # Ready means that the gateway has the first snapshot, so enrollment and TLS have worked.
    assert pods[1].environment()["WARDER_CONTROL_PLANE_GRPC_URL"].startswith("https://warder-control-plane-grpc.warder-system.svc:")


def test_the_first_administrator_is_made_as_the_notes_say(pods):
    control_plane, gateway = pods
    token = control_plane.run(["warder-control-plane", "bootstrap", "--email", "you@example.com"]).strip()
    environment = control_plane.environment()
    request = urllib.request.Request(f"{environment['WARDER_PUBLIC_URL']}/api/v1/me", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert "you@example.com" in json.dumps(json.load(answer))
    server = f"{environment['WARDER_GATEWAY_URL']}/mcp/nothing/server"
    assert status(server) == 401
    assert status(server, Authorization=f"Bearer {token}", Accept="text/event-stream") == 404
    assert token not in control_plane.log() + gateway.log()


def test_processes_are_an_ordinary_user_without_capabilities(pods):
    for pod in pods:
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{pod.pid()}/status").read_text().splitlines() if ":" in line)
        assert lines["Uid"].split() == [str(USER)] * 4
        assert {lines[name].strip() for name in ("CapEff", "CapPrm", "CapBnd", "CapInh")} == {"0" * 16}
        assert lines["NoNewPrivs"].strip() == "1"


def test_the_root_is_read_only_and_the_state_is_where_the_volume_is(pods):
    control_plane, gateway = pods
    for pod in pods:
        mounts = Path(f"/proc/{pod.pid()}/mounts").read_text().splitlines()
        [options] = {line.split()[3] for line in mounts if line.split()[1] == "/"}
        assert "ro" in options.split(",")
    state = subprocess.run(
        ["find", f"/proc/{gateway.pid()}/root{gateway.environment()['WARDER_STATE_DIR']}", "-type", "f", "-size", "+0"],
        check=True, capture_output=True, text=True,
    )
    assert state.stdout, "a gateway that is ready has kept its snapshot"


def test_r05_both_planes_end_on_sigterm(pods):
    for pod in reversed(pods):
        assert pod.terminate() == 0, pod.log()
