"""Values: what is missing, misspelt or of a wrong kind is refused, and every setting is reachable."""

import copy
import re

import pytest
import yaml
from conftest import Rendered
from fake_kubernetes import FakeKubernetes
from helm import CHART, REQUIRED, Helm, merged

PLANES = ["warder-control-plane", "warder-gateway"]


def refused(values, message):
    with FakeKubernetes("1.33.0") as cluster:
        with pytest.raises(Exception, match=message):
            Helm(cluster).install(values)
        assert cluster.journal == [], "nothing may reach the cluster"


@pytest.mark.parametrize(
    "path",
    [
        ("urls", "public"),
        ("urls", "gateway"),
        ("controlPlane", "database", "existingSecret"),
        ("controlPlane", "rootKey", "existingSecret"),
    ],
    ids=".".join,
)
def test_what_has_no_default_is_asked_for_by_name(path):
    values = copy.deepcopy(REQUIRED)
    parent = values
    for key in path[:-1]:
        parent = parent[key]
    del parent[path[-1]]
    refused(values, re.escape(".".join(path)) + " is missing: ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gatway": {}}, "gatway"),
        ({"gateway": {"replicaCount": 3}}, "replicaCount"),
        ({"gateway": {"config": {"WARDER_EGRESS_ALOW": "10.0.0.0/8"}}}, "WARDER_EGRESS_ALOW"),
        ({"controlPlane": {"rootKey": {"value": "never here"}}}, "value"),
        ({"controlPlane": {"replicas": "two"}}, "/controlPlane/replicas"),
        ({"controlPlane": {"ports": {"grpc": 70810}}}, "/controlPlane/ports/grpc"),
        ({"controlPlane": {"config": {"WARDER_DRAIN_TIMEOUT": "30"}}}, "WARDER_DRAIN_TIMEOUT"),
        ({"controlPlane": {"config": {"WARDER_LOG_FORMAT": "xml"}}}, "WARDER_LOG_FORMAT"),
        ({"gateway": {"config": {"WARDER_MAX_BODY_SIZE": "4MB"}}}, "WARDER_MAX_BODY_SIZE"),
        ({"gateway": {"config": {"WARDER_WORKERS": 0}}}, "WARDER_WORKERS"),
        ({"gateway": {"config": {"WARDER_EGRESS_ALLOW": "10.0.0.0/8, fd00::/8"}}}, "WARDER_EGRESS_ALLOW"),
        ({"gateway": {"extraEnv": [{"name": "WARDER_LOG", "value": "debug"}]}}, "/gateway/extraEnv"),
        ({"urls": {"public": "warder.example.com"}}, "/urls/public"),
        ({"urls": {"gateway": "https://mcp.example.com/base"}}, "/urls/gateway"),
        ({"image": {"digest": "sha256:short"}}, "/image/digest"),
        ({"podSecurity": {"runAsUser": 0}}, "/podSecurity/runAsUser"),
    ],
)
def test_a_misspelling_or_a_wrong_kind_is_refused(change, message):
    refused(merged(REQUIRED, change), message)


def test_contradictions_are_refused():
    refused(merged(REQUIRED, {"gateway": {"autoscaling": {"minReplicas": 5, "maxReplicas": 2}}}), "larger than maxReplicas")
    refused(merged(REQUIRED, {"controlPlane": {"ingress": {"enabled": True}}}), "controlPlane.ingress.hosts is empty")


def test_every_setting_named_in_the_values_reaches_a_process():
    named = set(re.findall(r"WARDER_[A-Z_]+[A-Z]", (CHART / "values.yaml").read_text()))
    filled = {
        "controlPlane": {"config": {"WARDER_EGRESS_ALLOW": "10.0.0.0/8", "WARDER_TRUSTED_PROXIES": "10.1.0.0/16"}},
        "gateway": {
            "config": {
                "WARDER_EGRESS_ALLOW": "10.0.0.0/8",
                "WARDER_ALLOWED_HOSTS": "mcp.internal",
                "WARDER_ALLOWED_ORIGINS": "https://app.example.com",
            }
        },
    }
    reached = set()
    for plaintext in (False, True):
        installed = Rendered(merged(REQUIRED, filled, {"grpc": {"plaintext": plaintext}}))
        for plane in PLANES:
            reached |= {name for name in installed.environment(plane) if name.startswith("WARDER_")}
    assert reached == named


def test_config_is_passed_on_word_for_word_and_an_empty_value_is_left_out():
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    installed = Rendered(REQUIRED)
    for plane, key in zip(PLANES, ("controlPlane", "gateway")):
        environment = installed.environment(plane)
        for name, value in values[key]["config"].items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            assert environment.get(name, "") == text, (plane, name)


def test_the_default_is_tls_and_plaintext_has_to_be_asked_for():
    default, plaintext = Rendered(REQUIRED), Rendered(merged(REQUIRED, {"grpc": {"plaintext": True}}))
    for plane in PLANES:
        assert not [name for name in default.environment(plane) if name.endswith("_PLAINTEXT")]
    assert plaintext.environment("warder-control-plane")["WARDER_GRPC_PLAINTEXT"] == "true"
    assert plaintext.environment("warder-gateway")["WARDER_CONTROL_PLANE_PLAINTEXT"] == "true"
    assert plaintext.environment("warder-gateway")["WARDER_CONTROL_PLANE_GRPC_URL"].startswith("http://")
    assert [secret["metadata"]["name"] for secret in plaintext.all("Secret")] == ["warder-enrollment"]
    assert "WARNING: grpc.plaintext is set" in plaintext.notes


def test_the_image_is_the_charts_version_a_tag_or_a_digest():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    digest = "sha256:" + "0" * 64
    for image, expected in (
        ({}, f"warder:{chart['appVersion']}"),
        ({"repository": "registry.example.com/warder", "tag": "1.2.3"}, "registry.example.com/warder:1.2.3"),
        ({"tag": "1.2.3", "digest": digest}, f"warder@{digest}"),
    ):
        for name, pod in Rendered(merged(REQUIRED, {"image": image})).pods():
            assert pod["containers"][0]["image"] == expected, name


def test_the_operators_extras_reach_the_pods():
    extras = {
        "extraEnv": [{"name": "RUST_BACKTRACE", "value": "1"}],
        "podLabels": {"team": "platform"},
        "podAnnotations": {"example.com/reason": "test"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []}},
        "priorityClassName": "high",
        "serviceAccount": {"annotations": {"example.com/role": "warder"}},
        "topologySpreadConstraints": [
            {"maxSkew": 2, "topologyKey": "example.com/rack", "whenUnsatisfiable": "DoNotSchedule"}
        ],
    }
    values = merged(REQUIRED, {"controlPlane": extras, "gateway": extras, "image": {"pullSecrets": ["registry"]}})
    installed = Rendered(values)
    for plane in PLANES:
        template = installed.one("Deployment", plane)["spec"]["template"]
        pod = template["spec"]
        assert installed.environment(plane)["RUST_BACKTRACE"] == "1"
        assert template["metadata"]["labels"]["team"] == "platform"
        assert template["metadata"]["annotations"] == extras["podAnnotations"]
        for key in ("nodeSelector", "tolerations", "affinity", "priorityClassName", "topologySpreadConstraints"):
            assert pod[key] == extras[key], key
        assert pod["imagePullSecrets"] == [{"name": "registry"}]
        assert installed.one("ServiceAccount", plane)["metadata"]["annotations"]["example.com/role"] == "warder"


def test_the_chart_may_be_a_part_of_another():
    # Helm then adds `global` to the values, which a strict schema has to let through.
    assert Rendered(merged(REQUIRED, {"global": {"region": "north"}})).all("Deployment")
