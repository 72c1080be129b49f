"""Pods without a cluster: the real binaries, with the environment, files and user that the chart gives them.

Each runs in a mount namespace of its own on a read-only root, as user 10001 without capabilities. Whoever is not root
becomes it inside a user namespace, and there the processes stay who started them.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from base64 import b64decode
from pathlib import Path

TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or Path.home() / ".cache/warder-target")
BINARIES = TARGET / "debug"
AS_ROOT = os.geteuid() == 0
USER = 10001 if AS_ROOT else os.getuid()
UNSHARE = ["unshare", "--mount", "--propagation", "private"] + ([] if AS_ROOT else ["--user", "--map-root-user"])
IDENTITY = ["--reuid=10001", "--regid=10001", "--clear-groups"] if AS_ROOT else []

# Makes the root read-only but for the writable mounts, then becomes the process. Arguments: the root, the number of
# writable folders, each with its owner, and the command.
ENTER = """
set -eu
root=$1 count=$2; shift 2
mount --bind "$root" "$root"
for folder in usr lib lib64 bin proc dev; do
  if [ -d "$root/$folder" ] && [ ! -L "$root/$folder" ]; then mount --rbind "/$folder" "$root/$folder"; fi
done
mount --bind "$WARDER_BINARIES" "$root/warder"
unset WARDER_BINARIES
while [ "$count" -gt 0 ]; do mount -t tmpfs -o "uid=$1,gid=$1,mode=0700" tmpfs "$root/$2"; count=$((count - 1)); shift 2; done
mount -o remount,bind,ro "$root"
exec chroot "$root" setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""


def free_ports(count):
    """Different ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Pod:
    """One workload's pod, laid out in a folder; nothing runs until asked."""

    def __init__(self, folder, workload, secrets, hosts=()):
        """`secrets` are base64 values by Secret and key, as the API has them; `hosts` names for the loopback address."""
        self.root = folder
        pod = workload["spec"]["template"]["spec"]
        [self.container] = pod["containers"]
        self._secrets = secrets
        self._writable = []
        self._processes = []
        self._lay_out(hosts)
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        for mount in self.container.get("volumeMounts", []):
            self._mount(mount, volumes[mount["name"]])

    def _lay_out(self, hosts):
        for name in ("etc", "proc", "dev", "usr", "warder"):
            (self.root / name).mkdir(parents=True)
        for name in ("bin", "lib", "lib64"):
            host = Path("/", name)
            if host.is_symlink():
                (self.root / name).symlink_to(host.readlink())
            elif host.exists():
                (self.root / name).mkdir()
        (self.root / "etc/nsswitch.conf").write_text("hosts: files\n")
        (self.root / "etc/hosts").write_text("".join(f"127.0.0.1 {name}\n" for name in ("localhost", *hosts)))

    def _mount(self, mount, volume):
        place = self.root / mount["mountPath"].lstrip("/")
        place.mkdir(parents=True)
        if "emptyDir" in volume:
            owner = USER if AS_ROOT else 0
            self._writable += [str(owner), mount["mountPath"].lstrip("/")]
            return
        secret = volume["secret"]
        for item in secret["items"]:
            file = place / item["path"]
            file.write_bytes(b64decode(self._secrets[secret["secretName"]][item["key"]]))
            # As the kubelet does with an fsGroup.
            if AS_ROOT:
                os.chown(file, 0, USER)
            file.chmod(secret["defaultMode"])

    def environment(self):
        """The variables of the container, and the PATH of the image."""
        result = {"PATH": "/warder:/usr/sbin:/usr/bin:/sbin:/bin"}
        for entry in self.container["env"]:
            source = entry.get("valueFrom", {})
            if "secretKeyRef" in source:
                reference = source["secretKeyRef"]
                value = b64decode(self._secrets[reference["name"]][reference["key"]]).decode()
            elif "fieldRef" in source:
                assert source["fieldRef"] == {"fieldPath": "metadata.name"}
                value = "pod-1"
            else:
                value = entry["value"]
            result[entry["name"]] = value
        return result

    def start(self, command=None):
        """Starts the container's command, or another one in the same surroundings, as `kubectl exec` would."""
        enter = [*UNSHARE, "/bin/sh", "-c", ENTER, "enter", str(self.root), str(len(self._writable) // 2), *self._writable]
        with (self.root.parent / f"{self.container['name']}.log").open("ab") as log:
            process = subprocess.Popen(
                [*enter, *IDENTITY, *(command or self.container["command"])],
                env={**self.environment(), "WARDER_BINARIES": str(BINARIES)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self._processes.append(process)
        return process

    def run(self, command=None):
        """Runs to the end and returns what was printed; fails when it failed."""
        process = self.start(command)
        printed, _ = process.communicate(timeout=60)
        assert process.returncode == 0, self.log()
        return printed.decode()

    def pid(self):
        """The process that was started first: the container's own."""
        return self._processes[0].pid

    def port(self, name):
        """The container's port of this name."""
        [found] = [port["containerPort"] for port in self.container["ports"] if port["name"] == name]
        return found

    def probe(self, kind):
        """The status that the kubelet's probe gets, or None when nobody answers."""
        request = self.container[f"{kind}Probe"]["httpGet"]
        return status(f"http://127.0.0.1:{self.port(request['port'])}{request['path']}")

    def wait_until(self, kind, seconds=30):
        """Waits until a probe succeeds; fails with the log when the process ends or takes too long."""
        deadline = time.monotonic() + seconds
        while self.probe(kind) != 200:
            assert self._processes[0].poll() is None and time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def terminate(self, seconds=30):
        """Sends what the kubelet sends and returns the exit status."""
        self._processes[0].send_signal(signal.SIGTERM)
        return self._processes[0].wait(seconds)

    def log(self):
        """What it wrote to standard error."""
        return (self.root.parent / f"{self.container['name']}.log").read_text()

    def kill(self):
        """Ends whatever is left."""
        for process in self._processes:
            process.kill()
            process.communicate()


def status(url, **headers):
    """The HTTP status of a GET, or None when nobody answers."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


class Postgres:
    """A throw-away PostgreSQL. A context manager; `url` is what a Secret would hold."""

    def __init__(self, folder):
        self.folder = folder
        [self.port] = free_ports(1)
        self.url = f"postgres://warder@127.0.0.1:{self.port}/postgres"

    def __enter__(self):
        binaries = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        # The server refuses to run as root.
        as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if AS_ROOT else []
        if AS_ROOT:
            shutil.chown(self.folder, "postgres")
        data = self.folder / "data"
        subprocess.run(
            [*as_postgres, binaries / "initdb", "-D", data, "-U", "warder", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True, capture_output=True, cwd="/",
        )
        self._process = subprocess.Popen(
            [*as_postgres, binaries / "postgres", "-D", data, "-k", self.folder, "-h", "127.0.0.1", "-p", str(self.port), "-F"],
            stderr=subprocess.DEVNULL, cwd="/",
        )
        deadline = time.monotonic() + 30
        while subprocess.run([binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]).returncode != 0:
            assert self._process.poll() is None and time.monotonic() < deadline, "PostgreSQL did not start"
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()
