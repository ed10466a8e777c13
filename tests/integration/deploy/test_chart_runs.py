"""The exporter runs with the container's arguments and the ConfigMap's files that the chart renders."""

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
    """The pod of an installation with *values*, and the exporter's container."""
    objects = render(values)
    container = charts.exporter_container(objects)
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "configuration"]
    assert mount == {"name": "configuration", "mountPath": MOUNT, "readOnly": True}
    return Pod(folder, container["args"], files_of(objects), dns_port), container


def files_of(objects):
    """The files in the exporter's ConfigMap."""
    (files,) = [found["data"] for found in charts.of_kind(objects, "ConfigMap") if "maildns.yml" in found["data"]]
    return files


def test_it_starts_is_probed_and_scraped(tmp_path):
    """With the rendered arguments it becomes ready at the path of the probe and shows the configured address."""
    pod, container = pod_of({"config": {"resolvers": DNS, "pools": [POOL]}}, tmp_path)
    with pod:
        pod.wait_for(container["readinessProbe"]["httpGet"]["path"], "ready")
        pod.wait_for(container["livenessProbe"]["httpGet"]["path"], "healthy")
        metrics = pod.wait_for("/metrics", "\nmaildns_fcrdns_match{")

        assert re.search(r'^maildns_fcrdns_match{.*ip="192.0.2.10".*} 1(\.0)?$', metrics, re.MULTILINE)
        assert 'maildns_pool_addresses{pool="corporate"} 1' in metrics
        assert pod.get("/-/reload")[0] in {403, 405}
        assert pod.privileges() == {"uid": 65532, "gid": 65532, "capabilities": 0, "folders": []}
        assert pod.exit_code() == 0


def test_helm_test_passes_when_the_exporter_is_scraped(tmp_path):
    """The rendered test exits with 0 if the exporter answers below its route prefix. Otherwise it prints the error."""
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
    """The exporter reloads files that the kubelet switched. An invalid one changes only the metric of the reload."""
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
    """With a Secret as cert-manager creates it, probes need no password, and a scrape needs one."""
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


def test_results_survive_the_pod(tmp_path):
    """With the rendered volume and configuration, a new pod restores the results of the old one."""
    objects = render({"persistence": {"enabled": True}, "config": {"resolvers": DNS, "pools": [POOL]}})
    container = charts.exporter_container(objects)
    (mount,) = [mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "data"]
    volume = tmp_path / "volume"
    as_with_an_fs_group(volume)

    for number, restored in enumerate(("0", "1")):
        folder = tmp_path / str(number)
        folder.mkdir()
        with Pod(folder, container["args"], files_of(objects), 5300, volume=(mount, volume)) as pod:
            pod.wait_for("/metrics", "\nmaildns_storage_ok 1")
            pod.wait_for("/metrics", f"\nmaildns_storage_restored_addresses {restored}")
            pod.wait_for("/metrics", "\nmaildns_fcrdns_match{")
            assert pod.exit_code() == 0
        assert (volume / "maildns.db").stat().st_mode & 0o777 == 0o600


def as_with_an_fs_group(volume):
    """Create a folder like a volume with fsGroup: another user owns it, and the pod's group may write to it.

    In the sandbox, the group of this process is the pod's. Only root can change the owner.
    """
    volume.mkdir()
    if os.geteuid() == 0:
        os.chown(volume, 12345, os.getegid())
    volume.chmod(0o2770)


def test_three_shards_add_up_to_the_whole(tmp_path):
    """Each of three pods samples its part. Their aggregates add up to the pool, and no address is in two of them."""
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
    """The exporter accepts the flags for route prefix, log, number of requests and reloads over HTTP."""
    web = {"routePrefix": "/maildns", "maxRequests": 2, "enableLifecycle": True}
    values = {"web": web, "log": {"level": "debug", "format": "json"}, "extraArgs": ["--log.level=error"]}
    pod, container = pod_of({**values, "config": {"resolvers": DNS, "pools": [POOL]}}, tmp_path)
    with pod:
        pod.wait_for(container["readinessProbe"]["httpGet"]["path"], "ready")
        pod.wait_for("/maildns/metrics", "\nmaildns_build_info{")


def test_without_resolvers_it_queries_the_sidecar(tmp_path):
    """With the sidecar enabled, the configuration has the port where Unbound listens."""
    pod, _ = pod_of({"unbound": {"enabled": True}, "config": {"pools": [POOL]}}, tmp_path, dns_port=10053)
    with pod:
        metrics = pod.wait_for("/metrics", "\nmaildns_fcrdns_match{")

        assert 'server="127.0.0.1:10053"' in metrics


def test_the_sidecar_starts_unprivileged_and_answers(tmp_path):
    """With the rendered command and configuration, Unbound needs no privileges, writes nothing, and answers."""
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
    """The addresses of mail.example.org from the server on *port*. Empty while there is no server."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        client.connect(("127.0.0.1", port))
        try:
            client.send(dns.message.make_query("mail.example.org", "A").to_wire())
            answer = dns.message.from_wire(client.recv(4096))
        except OSError:
            return []
    return [record.address for rrset in answer.answer for record in rrset]
