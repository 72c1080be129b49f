"""What the pods may do, what they are given, and how they come and go."""

import pytest
from conftest import Rendered
from helm import REQUIRED, merged

PLANES = ["warder-control-plane", "warder-gateway"]


def test_every_pod_is_locked_down(rendered):
    assert {name for name, _ in rendered.pods()} == {*PLANES, "warder-migrations"}
    for name, pod in rendered.pods():
        assert pod["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "fsGroup": 10001,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        }, name
        assert pod["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod)
        [container] = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]
        assert ":" in container["image"] and not container["image"].endswith(":latest")
        assert all(volume.keys() & {"secret", "emptyDir"} for volume in pod.get("volumes", []))


def test_no_service_variables_reach_a_process_that_reads_its_own_prefix(rendered):
    # A service named warder-gateway would put WARDER_GATEWAY_… into every container of the namespace.
    for _, pod in rendered.pods():
        assert pod["enableServiceLinks"] is False


def test_service_accounts_carry_no_token(rendered):
    for account in rendered.all("ServiceAccount"):
        assert account["automountServiceAccountToken"] is False
    for plane in PLANES:
        assert rendered.one("Deployment", plane)["spec"]["template"]["spec"]["serviceAccountName"] == plane


def test_every_mount_has_its_volume_and_every_variable_stands_once(rendered):
    for name, pod in rendered.pods():
        [container] = pod["containers"]
        mounted = [mount["name"] for mount in container.get("volumeMounts", [])]
        assert sorted(mounted) == sorted(volume["name"] for volume in pod.get("volumes", [])), name
        variables = [entry["name"] for entry in container["env"]]
        assert len(variables) == len(set(variables)), name


def test_every_file_setting_points_into_a_mount(rendered):
    for plane in PLANES:
        pod = rendered.one("Deployment", plane)["spec"]["template"]["spec"]
        [container] = pod["containers"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        files = set()
        for mount in container["volumeMounts"]:
            for item in volumes[mount["name"]].get("secret", {}).get("items", []):
                files.add(f"{mount['mountPath']}/{item['path']}")
        settings = {value for name, value in rendered.environment(plane).items() if name.endswith("_FILE")}
        # The database's authority is named by the URL, which is a secret.
        assert settings == files - {"/etc/warder/database-ca/ca.crt"}, plane


def test_the_databases_authority_is_where_every_process_that_connects_looks(production):
    for name, pod in production.pods():
        [container] = pod["containers"]
        mounts = {mount["mountPath"] for mount in container.get("volumeMounts", [])}
        connects = "WARDER_DATABASE_URL" in {entry["name"] for entry in container["env"]}
        assert ("/etc/warder/database-ca" in mounts) == connects, name


def test_secrets_come_from_secrets_only(rendered):
    for plane, pod in rendered.pods():
        [container] = pod["containers"]
        for entry in container["env"]:
            if entry["name"] == "WARDER_DATABASE_URL":
                assert entry["valueFrom"] == {"secretKeyRef": {"name": "warder-database", "key": "url"}}, plane
        for volume in pod.get("volumes", []):
            assert volume.get("secret", {}).get("defaultMode", 0o440) == 0o440


def test_t62_a_gateway_pod_holds_neither_root_key_nor_database_nor_tls_key(rendered):
    pod = rendered.one("Deployment", "warder-gateway")["spec"]["template"]["spec"]
    assert "WARDER_DATABASE_URL" not in rendered.environment("warder-gateway")
    keys = {item["key"] for volume in pod["volumes"] for item in volume.get("secret", {}).get("items", [])}
    assert keys == {"presented", "ca.crt"}


def test_probes_ask_the_admin_port(rendered):
    for plane in PLANES:
        container = rendered.container(plane)
        [port] = [port for port in container["ports"] if port["name"] == "admin"]
        assert rendered.environment(plane)["WARDER_ADMIN_ADDR"] == f"0.0.0.0:{port['containerPort']}"
        for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
            assert container[probe]["httpGet"] == {"path": path, "port": "admin"}, (plane, probe)


def test_listening_addresses_and_ports_agree(rendered):
    for plane in PLANES:
        environment = rendered.environment(plane)
        ports = {port["name"]: port["containerPort"] for port in rendered.container(plane)["ports"]}
        listening = {name: environment[f"WARDER_{name.upper()}_ADDR"] for name in ports}
        assert listening == {name: f"0.0.0.0:{port}" for name, port in ports.items()}


def test_services_lead_to_the_pods_of_their_plane(rendered):
    for service in rendered.all("Service"):
        name = service["metadata"]["name"]
        plane = "warder-gateway" if name.startswith("warder-gateway") else "warder-control-plane"
        labels = rendered.one("Deployment", plane)["spec"]["template"]["metadata"]["labels"]
        assert service["spec"]["selector"].items() <= labels.items()
        named = {port["name"] for port in rendered.container(plane)["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= named


def test_the_stream_between_the_planes_is_never_on_an_outward_service():
    values = merged(REQUIRED, {"controlPlane": {"service": {"type": "LoadBalancer"}}})
    installed = Rendered(values)
    assert installed.one("Service", "warder-control-plane")["spec"]["type"] == "LoadBalancer"
    assert [port["name"] for port in installed.one("Service", "warder-control-plane")["spec"]["ports"]] == ["http"]
    assert installed.one("Service", "warder-control-plane-grpc")["spec"]["type"] == "ClusterIP"


def test_selectors_of_a_deployment_are_in_its_labels_and_differ_by_plane(rendered):
    selectors = []
    for plane in PLANES:
        spec = rendered.one("Deployment", plane)["spec"]
        assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
        selectors.append(spec["selector"]["matchLabels"])
    assert selectors[0] != selectors[1]


def test_disruption_budgets_cover_each_plane(default, production):
    for plane in PLANES:
        budget = default.one("PodDisruptionBudget", plane)["spec"]
        assert budget["selector"]["matchLabels"] == default.one("Deployment", plane)["spec"]["selector"]["matchLabels"]
        assert budget["maxUnavailable"] == 1
        assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    assert production.one("PodDisruptionBudget", "warder-gateway")["spec"]["maxUnavailable"] == "25%"


def test_the_autoscaler_owns_the_number_of_gateways(default):
    spec = default.one("HorizontalPodAutoscaler", "warder-gateway")["spec"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "warder-gateway"}
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 10)
    assert spec["metrics"][0]["resource"] == {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
    assert "replicas" not in default.one("Deployment", "warder-gateway")["spec"]
    # A share of the request means nothing without one.
    assert default.container("warder-gateway")["resources"]["requests"]["cpu"]


def test_without_autoscaling_the_number_is_the_operators():
    installed = Rendered(merged(REQUIRED, {"gateway": {"autoscaling": {"enabled": False}, "replicas": 4}}))
    assert installed.all("HorizontalPodAutoscaler") == []
    assert installed.one("Deployment", "warder-gateway")["spec"]["replicas"] == 4


def test_r05_a_new_version_is_ready_before_an_old_pod_goes(rendered):
    for plane in PLANES:
        strategy = rendered.one("Deployment", plane)["spec"]["strategy"]
        assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


@pytest.mark.parametrize(
    ("drain", "delay", "expected"),
    [("30s", 5, 45), ("2m", 5, 135), ("1h", 0, 3610), ("", 5, 45)],
)
def test_r05_the_time_to_end_covers_delay_and_drain(drain, delay, expected):
    plane = {"shutdownDelaySeconds": delay, "config": {"WARDER_DRAIN_TIMEOUT": drain}}
    installed = Rendered(merged(REQUIRED, {"controlPlane": plane, "gateway": plane}))
    for name in PLANES:
        pod = installed.one("Deployment", name)["spec"]["template"]["spec"]
        assert pod["terminationGracePeriodSeconds"] == expected
        assert installed.environment(name).get("WARDER_DRAIN_TIMEOUT", "") == drain
        lifecycle = installed.container(name).get("lifecycle")
        assert lifecycle == ({"preStop": {"exec": {"command": ["sleep", str(delay)]}}} if delay else None)


def test_pods_spread_over_zones_and_nodes(rendered):
    for plane in PLANES:
        deployment = rendered.one("Deployment", plane)["spec"]
        constraints = deployment["template"]["spec"]["topologySpreadConstraints"]
        assert [entry["topologyKey"] for entry in constraints] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
        for entry in constraints:
            assert entry["labelSelector"]["matchLabels"] == deployment["selector"]["matchLabels"]


def test_platform_assigned_users_leave_the_rest_of_the_hardening():
    nothing = {"runAsUser": None, "runAsGroup": None, "fsGroup": None}
    for name, pod in Rendered(merged(REQUIRED, {"podSecurity": nothing})).pods():
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}, name
