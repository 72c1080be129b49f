"""The chart goes through the real Helm onto every supported version, each object strictly validated."""

import ssl
from base64 import b64decode

import pytest
from conftest import VALUES, VERSIONS, Rendered
from fake_kubernetes import FakeKubernetes
from helm import REQUIRED, Helm, example, merged
from tls import handshake

COMMON = {
    "Deployment/warder-control-plane",
    "Deployment/warder-gateway",
    "Service/warder-control-plane",
    "Service/warder-control-plane-grpc",
    "Service/warder-gateway",
    "ServiceAccount/warder-control-plane",
    "ServiceAccount/warder-gateway",
}
GENERATED_SECRETS = {"Secret/warder-enrollment", "Secret/warder-grpc-tls"}
GUARDS = {
    "HorizontalPodAutoscaler/warder-gateway",
    "NetworkPolicy/warder-control-plane",
    "NetworkPolicy/warder-gateway",
    "PodDisruptionBudget/warder-control-plane",
    "PodDisruptionBudget/warder-gateway",
}
EXPECTED = {
    "required": COMMON | GENERATED_SECRETS | GUARDS,
    "minimal": COMMON | GENERATED_SECRETS,
    "production": COMMON | GUARDS | {"Ingress/warder-control-plane", "Ingress/warder-gateway"},
}


def names(cluster):
    return {f"{item['kind']}/{item['metadata']['name']}" for item in cluster.objects.values()}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", VALUES)
def test_installs_and_upgrades(name, version):
    with FakeKubernetes(version) as cluster:
        helm = Helm(cluster)
        assert helm.install(VALUES[name])["info"]["status"] == "deployed"
        assert names(cluster) == EXPECTED[name]
        changed = merged(VALUES[name], {"controlPlane": {"replicas": 5}})
        assert helm.upgrade(changed)["info"]["status"] == "deployed"
        assert names(cluster) == EXPECTED[name]
        assert cluster.find("Deployment", "warder-control-plane")["spec"]["replicas"] == 5


def test_a_version_before_the_oldest_supported_is_refused():
    with FakeKubernetes("1.28.0") as cluster, pytest.raises(Exception, match="requires kubeVersion: >=1.29.0"):
        Helm(cluster).install(REQUIRED)


def test_the_fake_server_refuses_what_the_real_one_refuses():
    # Otherwise the tests above would prove nothing.
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "misspelt"},
        "spec": {"replica": 1, "selector": {}, "template": {}},
    }
    code, answer = FakeKubernetes("1.29.0").answer("POST", "/apis/apps/v1/namespaces/x/deployments", {}, body)
    assert code == 422
    assert "replica" in answer["message"]


def test_migrations_run_before_anything_else_and_leave_nothing(default):
    first, last = default.journal.index("PATCH jobs/warder-migrations"), default.journal.index("DELETE jobs/warder-migrations")
    assert default.journal[0] == "PATCH networkpolicies/warder-migrations"
    assert first < last < default.journal.index("PATCH deployments/warder-control-plane")
    assert "DELETE networkpolicies/warder-migrations" in default.journal
    job = default.one("Job", "warder-migrations")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    # At the first installation the chart's own service accounts are not there yet.
    assert "serviceAccountName" not in job["spec"]["template"]["spec"]


def test_an_upgrade_keeps_the_generated_secrets():
    with FakeKubernetes("1.33.0") as cluster:
        helm = Helm(cluster)
        helm.install(REQUIRED)
        before = {name: cluster.find("Secret", name)["data"] for name in ("warder-enrollment", "warder-grpc-tls")}
        helm.upgrade(merged(REQUIRED, {"controlPlane": {"replicas": 3}, "grpc": {"tls": {"validityDays": 10}}}))
        after = {name: cluster.find("Secret", name)["data"] for name in before}
    assert after == before
    with FakeKubernetes("1.33.0") as other:
        Helm(other).install(REQUIRED)
        for name, data in before.items():
            assert other.find("Secret", name)["data"] != data


def test_the_generated_certificate_is_good_for_the_name_that_the_gateway_dials(default, tmp_path):
    data = default.one("Secret", "warder-grpc-tls")["data"]
    for key in ("ca.crt", "tls.crt", "tls.key"):
        (tmp_path / key).write_bytes(b64decode(data[key]))
    url = default.environment("warder-gateway")["WARDER_CONTROL_PLANE_GRPC_URL"]
    assert url == "https://warder-control-plane-grpc.warder-system.svc:7081"
    handshake(tmp_path, "warder-control-plane-grpc.warder-system.svc")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, "another.warder-system.svc")


def test_the_generated_enrollment_secret_is_long_and_the_same_on_both_sides(default):
    data = default.one("Secret", "warder-enrollment")["data"]
    assert data["accepted"] == data["presented"]
    assert len(b64decode(data["presented"])) >= 32


def test_no_root_key_is_ever_made(rendered):
    for secret in rendered.all("Secret"):
        assert set(secret["data"]) <= {"accepted", "presented", "ca.crt", "tls.crt", "tls.key"}


def test_a_long_release_name_keeps_every_name_within_its_limit():
    release = "a-release-name-as-long-as-helm-lets-one-be-written-xx"
    installed = Rendered(merged(REQUIRED, {"metrics": {"serviceMonitor": {"enabled": True}}}), release=release, monitoring=True)
    found = [item["metadata"]["name"] for item in installed.objects]
    assert max(map(len, found)) <= 63
    assert len({(item["kind"], item["metadata"]["name"]) for item in installed.objects}) == len(found)


def test_service_monitors_only_where_the_cluster_knows_them(production):
    assert {item["metadata"]["name"] for item in production.all("ServiceMonitor")} == {
        "warder-control-plane-admin",
        "warder-gateway-admin",
    }
    for monitor in production.all("ServiceMonitor"):
        assert monitor["metadata"]["labels"]["release"] == "prometheus"
        [endpoint] = monitor["spec"]["endpoints"]
        service = production.one("Service", monitor["metadata"]["name"])
        assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    without = Rendered(example("production"))
    assert without.all("ServiceMonitor") == []
    assert "no ServiceMonitor was made" in without.notes


def test_the_notes_say_what_comes_next(default):
    assert "deployment/warder-control-plane -- warder-control-plane bootstrap --email" in default.notes
    assert "https://warder.example.com/api/v1/me" in default.notes
    assert "WARNING" not in default.notes
