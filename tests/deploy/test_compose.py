"""The compose file, and the script that makes its secrets."""

import base64
import re
import shutil
import ssl
import stat
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml
from helm import CHART
from tls import handshake

FOLDER = Path(__file__).resolve().parents[2] / "deploy/compose"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
WARDER = ["migrate", "control-plane", "gateway-1", "gateway-2"]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A copy of the folder in which prepare.sh has run."""
    folder = tmp_path_factory.mktemp("compose") / "compose"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("secrets", ".env"))
    subprocess.run([folder / "prepare.sh"], check=True, capture_output=True, cwd="/")
    return folder


def test_every_image_has_a_version():
    for name, service in SERVICES.items():
        repository, _, tag = service["image"].partition(":")
        assert tag and not tag.startswith("latest"), name
        assert "/" not in repository


def test_warders_containers_are_locked_down():
    for name in WARDER:
        service = SERVICES[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "user" not in service, "the image's own user, which is not root"


def test_only_loopback_is_published_and_the_stream_is_not():
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:7080:7080", "127.0.0.1:7090:7090"]


def test_only_settings_that_exist_are_set():
    known = set(re.findall(r"WARDER_[A-Z_]+[A-Z]", (CHART / "values.yaml").read_text()))
    for name in WARDER:
        assert set(SERVICES[name]["environment"]) <= known, name


def test_the_planes_agree():
    control_plane = SERVICES["control-plane"]["environment"]
    for name in ("gateway-1", "gateway-2"):
        gateway = SERVICES[name]["environment"]
        assert gateway["WARDER_GATEWAY_URL"] == control_plane["WARDER_GATEWAY_URL"]
        assert gateway["WARDER_CONTROL_PLANE_GRPC_URL"] == "https://control-plane:7081"
        assert gateway["WARDER_NODE_NAME"] == name
    assert control_plane["WARDER_DATABASE_URL"] == SERVICES["migrate"]["environment"]["WARDER_DATABASE_URL"]
    assert not [name for service in SERVICES.values() for name in service.get("environment", {}) if "PLAINTEXT" in name]


def test_every_file_setting_is_a_secret_that_the_service_has():
    for name in WARDER:
        service = SERVICES[name]
        files = {value for key, value in service["environment"].items() if key.endswith("_FILE")}
        assert files == {f"/run/secrets/{secret}" for secret in service.get("secrets", [])}, name


def test_t62_gateways_have_neither_root_key_nor_database():
    for name in ("gateway-1", "gateway-2"):
        assert set(SERVICES[name]["secrets"]) == {"enrollment", "grpc_ca"}
        assert "WARDER_DATABASE_URL" not in SERVICES[name]["environment"]


def test_the_order_of_starting_is_stated():
    def conditions(name):
        return {other: entry["condition"] for other, entry in SERVICES[name]["depends_on"].items()}

    assert conditions("migrate") == {"postgres": "service_healthy"}
    assert conditions("control-plane") == {"migrate": "service_completed_successfully"}
    assert conditions("gateway-1") == {"control-plane": "service_healthy"}
    for name in ("postgres", "control-plane", "gateway-1", "gateway-2"):
        assert "healthcheck" in SERVICES[name], name


@pytest.mark.parametrize(("status", "expected"), [(200, 0), (503, 1)])
@pytest.mark.parametrize("name", ["control-plane", "gateway-1"])
def test_health_checks_follow_readyz(name, status, expected):
    class Admin(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Admin) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        kind, *command = SERVICES[name]["healthcheck"]["test"]
        assert kind == "CMD"
        address = SERVICES[name]["environment"]["WARDER_ADMIN_ADDR"].replace(":", "/")
        assert address in command[-1]
        command[-1] = command[-1].replace(address, f"127.0.0.1/{server.server_port}")
        assert subprocess.run(command, timeout=10).returncode == expected
        server.shutdown()


def test_the_proxy_does_not_hold_streams_back():
    text = (FOLDER / "nginx.conf").read_text()
    for directive in ("proxy_buffering off;", "proxy_set_header Host $http_host;", "proxy_http_version 1.1;"):
        assert directive in text
    assert set(re.findall(r"server (\S+):7090;", text)) == {"gateway-1", "gateway-2"}


def test_prepare_makes_every_secret_of_the_compose_file(prepared):
    for name, secret in COMPOSE["secrets"].items():
        assert (prepared / secret["file"]).stat().st_size > 0, name
    assert stat.S_IMODE((prepared / "secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE((prepared / ".env").stat().st_mode) == 0o600
    password = (prepared / "secrets/database_password").read_text().strip()
    assert (prepared / ".env").read_text() == f"WARDER_DATABASE_PASSWORD={password}\n"


def test_prepared_keys_have_the_shape_that_the_processes_read(prepared):
    [line] = (prepared / "secrets/root.key").read_text().splitlines()
    assert len(base64.b64decode(line, validate=True)) == 32
    [line] = (prepared / "secrets/enrollment").read_text().splitlines()
    assert len(line) >= 32


def test_the_prepared_certificate_is_good_for_the_control_plane_only(prepared, tmp_path):
    for source, target in (("ca.crt", "ca.crt"), ("grpc.crt", "tls.crt"), ("grpc.key", "tls.key")):
        shutil.copy(prepared / "secrets" / source, tmp_path / target)
    handshake(tmp_path, "control-plane")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, "gateway-1")
    assert not (prepared / "secrets/ca.key").exists()


def test_preparing_again_changes_nothing(prepared):
    def contents():
        return {path: path.read_bytes() for path in [*(prepared / "secrets").iterdir(), prepared / ".env"]}

    before = contents()
    done = subprocess.run([prepared / "prepare.sh"], check=True, capture_output=True, text=True)
    assert contents() == before
    assert done.stdout == ""


def test_what_prepare_makes_is_not_committed():
    assert (FOLDER / ".gitignore").read_text().split() == ["/secrets/", "/.env"]
