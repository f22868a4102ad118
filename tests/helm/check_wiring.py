"""Does what the chart renders fit together, and fit the programs?

usage: check_wiring.py RENDERED.yaml BIN_DIR

Checks each workload: hardened, probed, selected by its own labels, every Service port leads to a container port, every Secret is
one that the values name, every address names a Service of the release, and every FLEETCAST_ variable is a setting that the
program in the container really has (from its --help).
"""

import pathlib
import re
import subprocess
import sys

import yaml

EXTERNAL_SECRETS = {"fleetcast-key-encryption", "fleetcast-policies", "fleetcast-postgres", "fleetcast-telemetry-sink",
                    "fleetcast-ticket-keys", "fleetcast-tls"}
problems = []


def problem(where, what):
    problems.append(f"{where}: {what}")


def variables_of(program):
    """The FLEETCAST_ variables of a program, or None when it is not built."""
    if not program.exists():
        return None
    text = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=30, check=True).stdout
    return {"FLEETCAST_" + name.upper().replace("-", "_") for name in re.findall(r"--([a-z][a-z0-9-]*)", text)}


def check_container(where, container, bin_dir):
    context = container["securityContext"]
    if context.get("allowPrivilegeEscalation") is not False or context.get("readOnlyRootFilesystem") is not True:
        problem(where, "container is not hardened")
    if context.get("capabilities", {}).get("drop") != ["ALL"]:
        problem(where, "capabilities are not dropped")
    for entry in container["env"]:
        secret = entry.get("valueFrom", {}).get("secretKeyRef", {}).get("name")
        if secret and secret not in EXTERNAL_SECRETS:
            problem(where, f"Secret {secret} is named nowhere in the values")
    component = container["image"].split("/")[-1].split(":")[0]
    known = variables_of(bin_dir / f"fleetcast-{component}")
    if known is None:
        print(f"     (fleetcast-{component} is not built: its settings are not compared)")
        return
    for entry in container["env"]:
        if entry["name"].startswith("FLEETCAST_") and entry["name"] not in known:
            problem(where, f"{entry['name']} is no setting of fleetcast-{component}")


def check_pod(where, spec, bin_dir):
    if spec["securityContext"].get("runAsNonRoot") is not True:
        problem(where, "pod may run as root")
    if spec.get("automountServiceAccountToken") is not False:
        problem(where, "service account token is mounted")
    for volume in spec.get("volumes", []):
        if volume["secret"]["secretName"] not in EXTERNAL_SECRETS:
            problem(where, f"Secret {volume['secret']['secretName']} is named nowhere in the values")
    for container in spec["containers"]:
        check_container(where, container, bin_dir)


def check_workload(document, bin_dir):
    where = f"{document['kind']} {document['metadata']['name']}"
    template = document["spec"]["template"]
    selector = document["spec"]["selector"]["matchLabels"]
    if not selector.items() <= template["metadata"]["labels"].items():
        problem(where, "selector does not match the pods")
    for container in template["spec"]["containers"]:
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            if probe not in container:
                problem(where, f"no {probe}")
    check_pod(where, template["spec"], bin_dir)


def check_service(document, workloads):
    where = f"Service {document['metadata']['name']}"
    selector = document["spec"]["selector"]
    targets = [w for w in workloads if selector.items() <= w["spec"]["template"]["metadata"]["labels"].items()]
    if len(targets) != 1:
        problem(where, f"selects {len(targets)} workloads")
        return
    ports = {p["name"]: p["containerPort"] for c in targets[0]["spec"]["template"]["spec"]["containers"] for p in c["ports"]}
    for port in document["spec"]["ports"]:
        if port["targetPort"] not in ports:
            problem(where, f"port {port['targetPort']} is not a container port")


def check_addresses(workloads, services):
    for workload in workloads:
        for container in workload["spec"]["template"]["spec"]["containers"]:
            for entry in container["env"]:
                if not entry["name"].endswith(("_ADDRESSES", "_EDGE_WEBSOCKET")):
                    continue
                for address in entry["value"].split(","):
                    host = address.rsplit(":", 1)[0]
                    if host.split(".")[-1] not in services:
                        problem(workload["metadata"]["name"], f"{entry['name']}: no Service for {address}")


def check_ingresses(ingresses, services):
    for ingress in ingresses:
        where = f"Ingress {ingress['metadata']['name']}"
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                if backend["port"]["name"] not in services.get(backend["name"], ()):
                    problem(where, f"no Service {backend['name']} with a port {backend['port']['name']}")


def main(rendered, bin_dir):
    documents = [d for d in yaml.safe_load_all(pathlib.Path(rendered).read_text()) if d]
    workloads = [d for d in documents if d["kind"] in ("Deployment", "StatefulSet")]
    services = [d for d in documents if d["kind"] == "Service"]
    if len(workloads) != 7:
        problem("chart", f"{len(workloads)} workloads instead of seven")
    for workload in workloads:
        check_workload(workload, bin_dir)
    for service in services:
        check_service(service, workloads)
    for job in (d for d in documents if d["kind"] == "Job"):
        check_pod(f"Job {job['metadata']['name']}", job["spec"]["template"]["spec"], bin_dir)
    check_addresses(workloads, {s["metadata"]["name"] for s in services})
    check_ingresses([d for d in documents if d["kind"] == "Ingress"],
                    {s["metadata"]["name"]: [p["name"] for p in s["spec"]["ports"]] for s in services})
    for each in problems:
        print(f"     {each}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], pathlib.Path(sys.argv[2])))
