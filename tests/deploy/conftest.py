import os
from functools import cache

import pytest
import yaml

from fake_kubernetes import FakeKubernetes
from helm import REQUIRED, Helm, example

# The oldest, a middle and the newest version that the chart is made for.
VERSIONS = ["1.29.0", "1.33.0", "1.37.0"]
VALUES = {"required": REQUIRED, "minimal": example("minimal"), "production": example("production")}


def pytest_sessionstart():
    # Helm's library reads the environment as it was when the process started.
    if os.environ.get("HELM_DRIVER") != "memory":
        raise pytest.UsageError("start with HELM_DRIVER=memory in the environment, as `make test-deploy` does")


class Rendered:
    """What one installation sent to the API, hooks included."""

    def __init__(self, values, version="1.29.0", release="warder", monitoring=False):
        with FakeKubernetes(version, monitoring) as cluster:
            result = Helm(cluster).install(values, release)
        self.notes = result["info"]["notes"]
        hooks = [yaml.safe_load(hook["manifest"]) for hook in result["hooks"] or []]
        self.objects = list(cluster.objects.values()) + hooks
        self.journal = cluster.journal

    def all(self, kind):
        """Every object of a kind."""
        return [item for item in self.objects if item["kind"] == kind]

    def one(self, kind, name):
        """The object of this kind and name; fails when there is none or more."""
        [found] = [item for item in self.all(kind) if item["metadata"]["name"] == name]
        return found

    def pods(self):
        """(name, pod specification) of every workload."""
        return [
            (item["metadata"]["name"], item["spec"]["template"]["spec"])
            for item in self.objects
            if item["kind"] in ("Deployment", "Job")
        ]

    def container(self, deployment):
        """The one container of a deployment."""
        [container] = self.one("Deployment", deployment)["spec"]["template"]["spec"]["containers"]
        return container

    def environment(self, deployment):
        """The plain variables of a deployment's container, by name."""
        return {entry["name"]: entry.get("value") for entry in self.container(deployment)["env"]}


@cache
def _rendered(name):
    return Rendered(VALUES[name], monitoring=name == "production")


@pytest.fixture(params=VALUES)
def rendered(request):
    """An installation with each set of values."""
    return _rendered(request.param)


@pytest.fixture
def default():
    """An installation with nothing but the required values."""
    return _rendered("required")


@pytest.fixture
def production():
    """An installation with the production example, in a cluster with the Prometheus operator."""
    return _rendered("production")
