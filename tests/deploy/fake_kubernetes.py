"""An API server of Kubernetes in memory: discovery, create, read, apply, delete.

Every object is validated strictly against the OpenAPI schemas of the version that it plays (PyPI: kubernetes-validate)
and refused with 422 where the real server would refuse it. Nothing runs: a Job is complete as soon as it exists.
"""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import kubernetes_validate
import yaml

# group/version -> {plural: (kind, namespaced)}
KINDS = {
    "v1": {
        "configmaps": ("ConfigMap", True),
        "namespaces": ("Namespace", False),
        "persistentvolumeclaims": ("PersistentVolumeClaim", True),
        "pods": ("Pod", True),
        "secrets": ("Secret", True),
        "serviceaccounts": ("ServiceAccount", True),
        "services": ("Service", True),
    },
    "apps/v1": {"deployments": ("Deployment", True), "statefulsets": ("StatefulSet", True)},
    "autoscaling/v2": {"horizontalpodautoscalers": ("HorizontalPodAutoscaler", True)},
    "batch/v1": {"jobs": ("Job", True)},
    "networking.k8s.io/v1": {"ingresses": ("Ingress", True), "networkpolicies": ("NetworkPolicy", True)},
    "policy/v1": {"poddisruptionbudgets": ("PodDisruptionBudget", True)},
}
# Known to the server only where a test says so: the Prometheus operator's kinds, which have no schema here.
MONITORING = {"monitoring.coreos.com/v1": {"servicemonitors": ("ServiceMonitor", True)}}
WATCH = object()
VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


class FakeKubernetes:
    """One API server of one version, on a port of its own. A context manager."""

    def __init__(self, version, monitoring=False):
        self.version = version
        self.kinds = {**KINDS, **(MONITORING if monitoring else {})}
        # (group/version, namespace, plural, name) -> object
        self.objects = {}
        # "METHOD plural/name" of every change, in order.
        self.journal = []
        self.stopped = threading.Event()
        self._revision = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def kubeconfig(self, namespace):
        """The text of a kubeconfig that leads here."""
        url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return yaml.safe_dump({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "fake", "cluster": {"server": url}}],
            "users": [{"name": "fake", "user": {}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake", "namespace": namespace}}],
            "current-context": "fake",
        })

    def find(self, kind, name):
        """The one stored object of this kind and name; a KeyError names what is missing."""
        for stored in self.objects.values():
            if stored["kind"] == kind and stored["metadata"]["name"] == name:
                return stored
        raise KeyError(f"{kind}/{name}")

    def answer(self, method, path, query, body):
        """Status code and JSON body for one request."""
        discovered = self._discovery(path)
        if discovered is not None:
            return 200, discovered
        target = self._target(path)
        if target is None:
            return _failure(404, "NotFound", f"the server could not find the requested resource {path}")
        with self._lock:
            return self._resource(method, *target, query, body)

    def _discovery(self, path):
        if path == "/version":
            major, minor = self.version.split(".")[:2]
            return {"major": major, "minor": minor, "gitVersion": f"v{self.version}"}
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            groups = [_group(group_version) for group_version in self.kinds if "/" in group_version]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        if path == "/openapi/v3":
            return {"paths": {_root(name)[1:]: {"serverRelativeURL": f"/openapi/v3{_root(name)}"} for name in self.kinds}}
        for group_version, kinds in self.kinds.items():
            if path == _root(group_version):
                return {
                    "kind": "APIResourceList",
                    "apiVersion": "v1",
                    "groupVersion": group_version,
                    "resources": [
                        {"name": plural, "singularName": kind.lower(), "namespaced": namespaced, "kind": kind, "verbs": VERBS}
                        for plural, (kind, namespaced) in kinds.items()
                    ],
                }
            if path == f"/openapi/v3{_root(group_version)}":
                return _openapi(group_version, kinds)
        return None

    def _target(self, path):
        """(group/version, namespace, plural, name) of a resource's path."""
        for group_version, kinds in self.kinds.items():
            pattern = re.escape(_root(group_version)) + r"(?:/namespaces/([^/]+))?/([a-z]+)(?:/([^/]+))?"
            match = re.fullmatch(pattern, path)
            if match and match[2] in kinds:
                return group_version, match[1] or "", match[2], match[3]
        return None

    def _resource(self, method, group_version, namespace, plural, name, query, body):
        kind = self.kinds[group_version][plural][0]
        self._revision += 1
        if method == "GET" and name is None and query.get("watch") == ["true"]:
            # As a server without streaming lists: the client lists, then watches what never changes.
            if "sendInitialEvents" in query:
                return _failure(422, "Invalid", "sendInitialEvents is forbidden for watch")
            return 200, WATCH
        if method == "GET" and name is None:
            return 200, {
                "kind": f"{kind}List",
                "apiVersion": group_version,
                "metadata": {"resourceVersion": str(self._revision)},
                "items": self._list(group_version, namespace, plural, query),
            }
        if method == "POST":
            name = body["metadata"]["name"]
        key = (group_version, namespace, plural, name)
        current = self.objects.get(key)
        if method in ("GET", "DELETE") and not current:
            return _failure(404, "NotFound", f'{plural} "{name}" not found')
        if method == "GET":
            return 200, current
        if method == "POST" and current:
            return _failure(409, "AlreadyExists", f'{plural} "{name}" already exists')
        self.journal.append(f"{method} {plural}/{name}")
        if method == "DELETE":
            del self.objects[key]
            return 200, {"kind": "Status", "apiVersion": "v1", "status": "Success"}
        # Only server-side apply is understood as a patch: the whole object as the client wants it.
        problem = self._problem(body)
        if problem:
            return _failure(422, "Invalid", problem)
        body["metadata"].update(
            namespace=namespace,
            uid=current["metadata"]["uid"] if current else f"uid-{self._revision}",
            resourceVersion=str(self._revision),
            creationTimestamp="2026-01-01T00:00:00Z",
        )
        if kind == "Job":
            body["status"] = {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}
        self.objects[key] = body
        return (200 if current else 201), body

    def _list(self, group_version, namespace, plural, query):
        wanted = [pair.split("=", 1) for pair in query.get("labelSelector", [""])[0].split(",") if "=" in pair]
        field = query.get("fieldSelector", [""])[0]
        items = []
        for (group, where, what, name), stored in self.objects.items():
            labels = stored["metadata"].get("labels", {})
            if (
                (group, what) == (group_version, plural)
                and namespace in ("", where)
                and all(labels.get(key) == value for key, value in wanted)
                and field in ("", f"metadata.name={name}")
            ):
                items.append(stored)
        return items

    def _problem(self, body):
        """What the real server would object to, or None."""
        if body["apiVersion"] in MONITORING:
            return None
        try:
            kubernetes_validate.validate(body, self.version, strict=True)
        except kubernetes_validate.ValidationError as error:
            where = "/".join(map(str, error.path))
            return f"{body['kind']}/{body['metadata']['name']}: {error.message} at {where}"
        return None


def _root(group_version):
    return f"/apis/{group_version}" if "/" in group_version else f"/api/{group_version}"


def _group(group_version):
    group, version = group_version.split("/")
    entry = {"groupVersion": group_version, "version": version}
    return {"name": group, "versions": [entry], "preferredVersion": entry}


def _openapi(group_version, kinds):
    """As much as a client asks for: that the server validates fields itself."""
    group, _, version = group_version.rpartition("/")
    paths = {}
    for plural, (kind, _) in kinds.items():
        paths[f"{_root(group_version)}/namespaces/{{namespace}}/{plural}/{{name}}"] = {
            "patch": {
                "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
                "parameters": [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}],
                "responses": {},
            }
        }
    return {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "fake"}, "paths": paths}


def _failure(code, reason, message):
    return code, {
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason, "code": code,
    }


def _handler(cluster):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self):
            url = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            body = json.loads(raw) if raw else None
            code, answer = cluster.answer(self.command, url.path, parse_qs(url.query), body)
            if answer is WATCH:
                self.send_response(code)
                self.send_header("content-type", "application/json")
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                cluster.stopped.wait()
                self.close_connection = True
                return
            data = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

        def log_message(self, *_):
            pass

    return Handler
