"""The pods of an installation: of deployments, of runs, and of steps."""

from collections.abc import Iterator
from typing import Any

from rec_assets.orchestration.op_tags import cpu_tags, gpu_tags
from rec_assets.settings import Settings
from rec_assets_tests.deploy.installation import Installation
from rec_assets_tests.deploy.manifests import Manifest

CHARTS = ("rec-platform", "rec-triton", "rec-services")


def camel(given: Any) -> Any:
    """Returns the keys of a step's pod as Kubernetes writes them: `node_selector` → `nodeSelector`."""
    if isinstance(given, dict):
        return {_camel(key) if "/" not in key else key: camel(value) for key, value in given.items()}
    return [camel(one) for one in given] if isinstance(given, list) else given


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def steps(installed: Installation) -> dict[str, Manifest]:
    """Returns the pods of a cpu step and of a gpu step, with the settings of the environment."""
    variables = installed.settings["dagster"]
    given = {name.removeprefix("REC_").lower(): value for name, value in variables.items() if name.startswith("REC_")}
    settings = Settings.model_validate(given)
    pods = {}
    for name, tags in (("cpu step", cpu_tags(settings)), ("gpu step", gpu_tags(settings))):
        config = tags["dagster-k8s/config"]
        resources = config["container_config"]["resources"]
        pods[name] = {**camel(config["pod_spec_config"]), "containers": [{"resources": resources}]}
    return pods


def run(installed: Installation) -> Manifest:
    config = installed.merged("dagster")["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]
    return {**config["podSpecConfig"], "containers": [config["containerConfig"]]}


def deployed(installed: Installation) -> Iterator[tuple[str, int, Manifest]]:
    """Yields name, number and pod of every deployment of the project's charts.

    The number of scaled pods is the smallest where Karpenter starts nodes for more, and the largest elsewhere.
    """
    for release in CHARTS:
        for one in installed.manifests[release]:
            if one["kind"] == "Deployment":
                pod = one["spec"]["template"]["spec"]
                number = one["spec"].get("replicas") or _scaled(
                    installed.manifests[release], one, "nodeSelector" in pod
                )
                yield one["metadata"]["name"], number, pod


def _scaled(manifests: list[Manifest], deployment: Manifest, smallest: bool) -> int:
    specs = [one["spec"] for one in manifests if one["kind"] == "ScaledObject"]
    (spec,) = (one for one in specs if one["scaleTargetRef"]["name"] == deployment["metadata"]["name"])
    return int(spec["minReplicaCount" if smallest else "maxReplicaCount"])
