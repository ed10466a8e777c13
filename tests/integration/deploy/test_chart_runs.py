"""What the chart renders is what the exporter is started with: the container's arguments, and the ConfigMap's files."""

import os
import re
import socket
import subprocess

import bcrypt
import dns.message
import pytest

from tests.assets import charts
from tests.assets.charts import render
from tests.integration.deploy.pod import MOUNT, Pod
from tests.integration.servers.process import free_port, wait_until
from tests.integration.servers.tools import require
from tests.integration.web.certificates import Authority

pytestmark = pytest.mark.integration

POOL = {"name": "corporate", "addresses": [{"ip": "192.0.2.10", "helo": "mail1.example.org"}]}
DNS = [{"name": "demo", "servers": ["127.0.0.1:5300"], "canary": False}]


def pod_of(values, folder, dns_port=5300):
    """The pod of an installation with *values*."""
    objects = render(values)
    container = charts.exporter_container(objects)
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "configuration"]
    assert mount == {"name": "configuration", "mountPath": MOUNT, "readOnly": True}
    return Pod(folder, container["args"], files_of(objects), dns_port), container


def files_of(objects):
    """What the exporter's ConfigMap holds."""
    (files,) = [found["data"] for found in charts.of_kind(objects, "ConfigMap") if "maildns.yml" in found["data"]]
    return files


def test_it_starts_is_probed_and_scraped(tmp_path):
    """With the rendered arguments it becomes ready where the probes ask, and shows what was configured."""
    pod, container = pod_of({"config": {"resolvers": DNS, "pools": [POOL]}}, tmp_path)
    with pod:
        pod.wait_for(container["readinessProbe"]["httpGet"]["path"], "ready")
        pod.wait_for(container["livenessProbe"]["httpGet"]["path"], "healthy")
        metrics = pod.wait_for("/metrics", "\nmaildns_fcrdns_match{")

        assert re.search(r'^maildns_fcrdns_match{.*ip="192.0.2.10".*} 1(\.0)?$', metrics, re.MULTILINE)
        assert 'maildns_pool_addresses{pool="corporate"} 1' in metrics
        assert pod.get("/-/reload")[0] in {403, 405}
        assert pod.who() == {"uid": 65532, "gid": 65532, "capabilities": 0, "folders": []}
        assert pod.exit_code() == 0


def test_helm_test_passes_when_the_exporter_is_scraped(tmp_path):
    """The rendered test ends with 0 where the exporter answers, below its prefix too; elsewhere it says what it got."""
    values = {"web": {"routePrefix": "/maildns"}, "config": {"resolvers": DNS, "pools": [POOL]}}
    pod, _ = pod_of(values, tmp_path)
    (right,), (wrong,) = (
        charts.one(render(some), "Pod")["spec"]["containers"] for some in (values, {**values, "web": {}})
    )
    with pod:
        pod.wait_for("/maildns/metrics", "\nmaildns_build_info{")

        assert pod.helm_test(right) == {"exit": 0, "errors": ""}
        missed = pod.helm_test(wrong)
        assert missed["exit"] == 1
        assert "http://127.0.0.1:10047/metrics: HTTP Error 404" in missed["errors"]


def test_a_changed_configmap_is_used_without_a_restart(tmp_path):
    """The kubelet switches the files, the exporter notices; a bad one changes nothing but the metric that says so."""
    values = {"configReload": {"interval": "1s"}}
    first, second, bad = (
        {**values, "config": {"resolvers": DNS, "pools": pools}}
        for pools in ([POOL], [{**POOL, "name": "renamed"}], [{**POOL, "name": "bad", "hello": 1}])
    )
    pod, _ = pod_of(first, tmp_path)
    with pod:
        pod.wait_for("/metrics", 'maildns_pool_addresses{pool="corporate"} 1')

        pod.publish(files_of(render(second)))
        metrics = pod.wait_for("/metrics", 'maildns_pool_addresses{pool="renamed"} 1')
        assert 'pool="corporate"' not in metrics

        pod.publish(files_of(render(bad)))
        metrics = pod.wait_for("/metrics", "\nmaildns_config_last_reload_successful 0")
        assert 'maildns_pool_addresses{pool="renamed"} 1' in metrics


def test_tls_and_passwords(tmp_path):
    """With a Secret of cert-manager's kind, probes need no password, and a scrape gets in with one alone."""
    hashed = bcrypt.hashpw(b"sesame", bcrypt.gensalt(4)).decode()
    web = {"enabled": True, "tlsSecret": "maildns-tls", "content": {"basic_auth_users": {"prometheus": hashed}}}
    objects = render({"webConfig": web, "config": {"resolvers": DNS, "pools": [POOL]}})
    container = charts.exporter_container(objects)
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    folders = {name: tmp_path / name for name in mounts}
    for folder in folders.values():
        folder.mkdir()
    certificate, key = Authority(tmp_path).sign("server", "IP:127.0.0.1")
    certificate.rename(folders["web-certificate"] / "tls.crt")
    key.rename(folders["web-certificate"] / "tls.key")
    (folders["web-certificate"] / "tls.key").chmod(0o644)  # the kubelet's fsGroup lets the pod's user read it
    (folders["web-configuration"] / "web.yml").write_text(charts.one(objects, "Secret")["stringData"]["web.yml"])
    probe = container["readinessProbe"]["httpGet"]
    secrets = {mounts[name]: folders[name] for name in ("web-configuration", "web-certificate")}
    scheme = probe["scheme"].lower()

    with Pod(
        folders["configuration"], container["args"], files_of(objects), 5300, secrets=secrets, scheme=scheme
    ) as pod:
        pod.wait_for(probe["path"], "ready")
        assert pod.get(container["livenessProbe"]["httpGet"]["path"])[0] == 200
        assert pod.get("/metrics")[0] == 401
        assert pod.get("/metrics", "prometheus:open")[0] == 401
        pod.wait_for("/metrics", "\nmaildns_build_info{", "prometheus:sesame")
        assert pod.helm_test(charts.one(objects, "Pod")["spec"]["containers"][0]) == {"exit": 0, "errors": ""}


def test_what_is_known_outlives_the_pod(tmp_path):
    """With the rendered volume and configuration, a pod that follows another one knows what that one knew."""
    objects = render({"persistence": {"enabled": True}, "config": {"resolvers": DNS, "pools": [POOL]}})
    container = charts.exporter_container(objects)
    (mount,) = [mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "data"]
    volume = tmp_path / "volume"
    as_with_an_fs_group(volume)

    for turn, known in enumerate(("0", "1")):
        folder = tmp_path / str(turn)
        folder.mkdir()
        with Pod(folder, container["args"], files_of(objects), 5300, volume=(mount, volume)) as pod:
            pod.wait_for("/metrics", "\nmaildns_storage_ok 1")
            pod.wait_for("/metrics", f"\nmaildns_storage_restored_addresses {known}")
            pod.wait_for("/metrics", "\nmaildns_fcrdns_match{")
            assert pod.exit_code() == 0
        assert (volume / "maildns.db").stat().st_mode & 0o777 == 0o600


def as_with_an_fs_group(volume):
    """Make a folder as the kubelet leaves a volume: somebody else's, of the pod's group, which may write in it.

    In the sandbox the group of this process is the pod's. Only root can give a folder away; it stays ours otherwise.
    """
    volume.mkdir()
    if os.geteuid() == 0:
        os.chown(volume, 12345, os.getegid())
    volume.chmod(0o2770)


def test_three_shards_add_up_to_the_whole(tmp_path):
    """Of three pods of one release each watches its part: their aggregates sum to the pool, no address is in two."""
    networks = [{"network": f"10.0.{number}.0/30"} for number in range(16)]
    pool = {"name": "office", "addresses": networks}
    values = {"shards": 3, "config": {"resolvers": DNS, "pools": [pool]}}
    objects = render(values)
    arguments = charts.exporter_container(objects)["args"]
    sizes, addresses = [], []
    for ordinal in range(charts.workload(objects)["spec"]["replicas"]):
        folder = tmp_path / str(ordinal)
        folder.mkdir()
        mine = [argument.replace("$(SHARD_INDEX)", str(ordinal)) for argument in arguments]  # as the kubelet does
        with Pod(folder, mine, files_of(objects), 5300) as pod:
            pod.wait_for("/-/ready", "ready")
            metrics = pod.wait_for("/metrics", "\nmaildns_fcrdns_match{")
        sizes.append(float(re.search(r'^maildns_pool_addresses{pool="office"} (.*)$', metrics, re.MULTILINE)[1]))
        addresses += re.findall(r'^maildns_fcrdns_match{ip="([^"]*)"', metrics, re.MULTILINE)

    assert sum(sizes) == 64
    assert all(0 < size < 64 for size in sizes)
    assert len(addresses) == len(set(addresses)) == 64


def test_every_flag_that_a_value_sets_is_one(tmp_path):
    """Below a route prefix, with another log, fewer requests and reloads over HTTP allowed, all of it is understood."""
    web = {"routePrefix": "/maildns", "maxRequests": 2, "enableLifecycle": True}
    values = {"web": web, "log": {"level": "debug", "format": "json"}, "extraArgs": ["--log.level=error"]}
    pod, container = pod_of({**values, "config": {"resolvers": DNS, "pools": [POOL]}}, tmp_path)
    with pod:
        pod.wait_for(container["readinessProbe"]["httpGet"]["path"], "ready")
        pod.wait_for("/maildns/metrics", "\nmaildns_build_info{")


def test_without_resolvers_it_asks_the_unbound_beside_it(tmp_path):
    """With the sidecar on, the configuration names the port that Unbound is told to listen on."""
    pod, _ = pod_of({"unbound": {"enabled": True}, "config": {"pools": [POOL]}}, tmp_path, dns_port=10053)
    with pod:
        metrics = pod.wait_for("/metrics", "\nmaildns_fcrdns_match{")

        assert 'server="127.0.0.1:10053"' in metrics


def test_the_unbound_beside_it_starts_unprivileged_and_answers(tmp_path):
    """With the rendered command and configuration Unbound needs no privilege, writes nothing, and answers."""
    port = free_port()
    local = 'local-data: "mail.example.org. A 192.0.2.1"'
    objects = render({"unbound": {"enabled": True, "port": port, "extraServerConfig": local}})
    (sidecar,) = charts.workload(objects)["spec"]["template"]["spec"]["initContainers"]
    assert sidecar["restartPolicy"] == "Always"
    (text,) = [
        found["data"]["unbound.conf"]
        for found in charts.of_kind(objects, "ConfigMap")
        if "unbound.conf" in found["data"]
    ]
    (tmp_path / "unbound.conf").write_text(text)
    mount = sidecar["volumeMounts"][0]["mountPath"]
    sandbox = [require("bwrap"), "--unshare-user", "--unshare-pid", "--die-with-parent", "--cap-drop", "ALL"]
    sandbox += ["--uid", "65532", "--gid", "65532", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
    sandbox += ["--tmpfs", "/etc", "--ro-bind", str(tmp_path), mount, "--remount-ro", "/etc"]
    program, *arguments = sidecar["command"]

    with subprocess.Popen([*sandbox, require(program), *arguments]) as unbound:
        try:
            wait_until(lambda: asked(port) == ["192.0.2.1"], "unbound answers")
        finally:
            unbound.terminate()


def asked(port):
    """The addresses of mail.example.org, as the server on *port* has them; none while there is no server."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        client.connect(("127.0.0.1", port))
        try:
            client.send(dns.message.make_query("mail.example.org", "A").to_wire())
            answer = dns.message.from_wire(client.recv(4096))
        except OSError:
            return []
    return [record.address for rrset in answer.answer for record in rrset]
