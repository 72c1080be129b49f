"""Who may talk to whom, and where people come in."""

import re
from ipaddress import ip_address, ip_network
from pathlib import Path

from conftest import Rendered
from helm import REQUIRED, merged

ADDRESS_RS = Path(__file__).parents[2] / "shared/src/egress/address.rs"


def ports(rule):
    return {entry.get("port") for entry in rule["ports"]}


def peers_of_port(policy, direction, port):
    """The peers of the rules for a port; None for a rule that admits anyone."""
    side = "from" if direction == "ingress" else "to"
    return [rule.get(side) for rule in policy["spec"][direction] if port in ports(rule)]


def admits(peers, address):
    """Whether ipBlocks among the peers admit an address."""
    address = ip_address(address)
    for block in (peer["ipBlock"] for peer in peers if "ipBlock" in peer):
        inside = address in ip_network(block["cidr"])
        if inside and not any(address in ip_network(excluded) for excluded in block.get("except", [])):
            return True
    return False


def test_only_the_gateway_reaches_the_stream(default):
    policy = default.one("NetworkPolicy", "warder-control-plane")
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    [[peer]] = peers_of_port(policy, "ingress", 7081)
    labels = default.one("Deployment", "warder-gateway")["spec"]["template"]["metadata"]["labels"]
    assert peer["podSelector"]["matchLabels"].items() <= labels.items()
    assert peers_of_port(policy, "ingress", 7080) == [None]
    assert peers_of_port(policy, "ingress", 7082) == []
    assert peers_of_port(policy, "egress", 5432) == [None]


def test_the_gateway_reaches_the_control_plane_and_public_servers_only(default):
    policy = default.one("NetworkPolicy", "warder-gateway")
    [[peer]] = peers_of_port(policy, "egress", 7081)
    labels = default.one("Deployment", "warder-control-plane")["spec"]["template"]["metadata"]["labels"]
    assert peer["podSelector"]["matchLabels"].items() <= labels.items()
    [upstreams] = peers_of_port(policy, "egress", None)
    for public in ("93.184.215.14", "2606:2800:21f::1"):
        assert admits(upstreams, public), public
    for private in ("10.1.2.3", "169.254.169.254", "192.168.0.1", "172.20.0.1", "100.64.0.1", "127.0.0.1", "fd00::1", "fe80::1", "::1"):
        assert not admits(upstreams, private), private


def refused_by_the_process():
    """The networks that the egress rules refuse, read from their source."""
    networks = set()
    source = ADDRESS_RS.read_text().replace("Ipv6Addr::UNSPECIFIED", "Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 0)")
    for version, parts, length in re.findall(r"\(Ipv([46])Addr::new\(([^)]*)\), (\d+)\)", source):
        values = [int(part, 0) for part in parts.split(",")]
        address = ".".join(map(str, values)) if version == "4" else ":".join(f"{value:x}" for value in values)
        networks.add(ip_network(f"{address}/{length}"))
    return networks


def test_t50_the_policies_refuse_the_same_networks_as_the_processes(default):
    refused = refused_by_the_process()
    assert len(refused) == 29
    for plane in ("warder-gateway", "warder-control-plane"):
        [peers] = peers_of_port(default.one("NetworkPolicy", plane), "egress", None)
        excluded = [network for peer in peers for network in peer["ipBlock"]["except"]]
        assert {ip_network(network) for network in excluded} == refused, plane
        assert len(excluded) == len(refused), plane


def test_the_control_plane_reaches_identity_providers(default, production):
    [upstreams] = peers_of_port(default.one("NetworkPolicy", "warder-control-plane"), "egress", None)
    assert admits(upstreams, "93.184.215.14") and not admits(upstreams, "10.20.0.7")
    rules = peers_of_port(production.one("NetworkPolicy", "warder-control-plane"), "egress", None)
    assert [peer["ipBlock"]["cidr"] for peer in rules[1]] == ["10.20.0.0/16"]
    closed = Rendered(merged(REQUIRED, {"controlPlane": {"networkPolicy": {"publicUpstreams": False}}}))
    assert peers_of_port(closed.one("NetworkPolicy", "warder-control-plane"), "egress", None) == []


def test_allowed_networks_are_opened_in_the_policy_too():
    config = {"WARDER_EGRESS_ALLOW": "10.20.0.0/16,10.9.9.9,fd00:20::1"}
    values = {"gateway": {"config": config, "networkPolicy": {"publicUpstreams": False}}}
    installed = Rendered(merged(REQUIRED, values))
    [upstreams] = peers_of_port(installed.one("NetworkPolicy", "warder-gateway"), "egress", None)
    assert [peer["ipBlock"]["cidr"] for peer in upstreams] == ["10.20.0.0/16", "10.9.9.9/32", "fd00:20::1/128"]
    assert installed.environment("warder-gateway")["WARDER_EGRESS_ALLOW"] == config["WARDER_EGRESS_ALLOW"]


def test_peers_from_the_values_narrow_the_policies(production):
    def namespace(name):
        return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}

    control_plane = production.one("NetworkPolicy", "warder-control-plane")
    gateway = production.one("NetworkPolicy", "warder-gateway")
    for policy, http, admin in ((control_plane, 7080, 7082), (gateway, 7090, 7092)):
        assert peers_of_port(policy, "ingress", http) == [[namespace("ingress-nginx")]]
        assert peers_of_port(policy, "ingress", admin) == [[namespace("monitoring")]]
    assert peers_of_port(control_plane, "egress", 5432) == [[{"ipBlock": {"cidr": "10.30.0.0/24"}}]]
    assert peers_of_port(gateway, "egress", 8000) == [[namespace("mcp-servers")]]


def test_migrations_reach_the_database_and_nobody_reaches_them(production):
    policy = production.one("NetworkPolicy", "warder-migrations")
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy["spec"]
    assert [ports(rule) for rule in policy["spec"]["egress"]] == [{53}, {5432}]
    labels = production.one("Job", "warder-migrations")["spec"]["template"]["metadata"]["labels"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    for plane in ("warder-control-plane", "warder-gateway"):
        selector = production.one("Deployment", plane)["spec"]["selector"]["matchLabels"]
        assert not selector.items() <= labels.items()


def test_ingresses_lead_to_the_http_port_of_their_plane(production):
    for plane, host in (("warder-control-plane", "warder.example.com"), ("warder-gateway", "mcp.example.com")):
        spec = production.one("Ingress", plane)["spec"]
        assert spec["ingressClassName"] == "nginx"
        [rule] = spec["rules"]
        assert rule["host"] == host and spec["tls"][0]["hosts"] == [host]
        [path] = rule["http"]["paths"]
        assert path["backend"]["service"] == {"name": plane, "port": {"name": "http"}}


def test_a_control_plane_elsewhere_is_dialed_and_let_through():
    values = {"gateway": {"controlPlaneGrpcUrl": "https://warder.other.example:8443"}}
    installed = Rendered(merged(REQUIRED, values))
    assert installed.environment("warder-gateway")["WARDER_CONTROL_PLANE_GRPC_URL"] == "https://warder.other.example:8443"
    assert peers_of_port(installed.one("NetworkPolicy", "warder-gateway"), "egress", 8443) == [None]
