"""The real Helm (PyPI: helm-sdkpy) against a fake Kubernetes: a release and what of it reached the API."""

import asyncio
from pathlib import Path

import helm_sdkpy
import yaml
from helm_sdkpy import actions

CHART = Path(__file__).resolve().parents[2] / "deploy/helm/warder"
EXAMPLES = CHART.parent / "examples"

# What has no default.
REQUIRED = {
    "urls": {"public": "https://warder.example.com", "gateway": "https://mcp.example.com"},
    "controlPlane": {
        "database": {"existingSecret": "warder-database"},
        "rootKey": {"existingSecret": "warder-root-key"},
    },
}


def example(name):
    """The values of one of the example files."""
    return yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())


def merged(*layers):
    """Maps of values, the later ones winning, as Helm merges them."""
    result = {}
    for layer in layers:
        for key, value in layer.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merged(result[key], value) if both else value
    return result


class Helm:
    """Installs and upgrades the chart in one cluster and namespace."""

    def __init__(self, cluster, namespace="warder-system"):
        self.cluster = cluster
        self._configuration = helm_sdkpy.Configuration(namespace=namespace, kubeconfig=cluster.kubeconfig(namespace))

    def install(self, values, release="warder"):
        """Installs, hooks included; raises what Helm says when it refuses."""
        return self._run(actions.Install, values, release)

    def upgrade(self, values, release="warder"):
        """Upgrades, hooks included; raises what Helm says when it refuses."""
        return self._run(actions.Upgrade, values, release)

    def _run(self, action, values, release):
        call = action(self._configuration).run(
            release, str(CHART), values=values, wait=False, timeout=30, server_side_apply=True
        )
        return asyncio.run(call)
