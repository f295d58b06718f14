"""Compute profiles of assets, and their pods on a cluster. Pod sizes come from the settings.

With `executor=k8s`, Dagster makes the pod of each step from these tags. On a laptop the tags have no effect.
"""

from typing import Any

from rec_assets.common.units import DAY_SECONDS
from rec_assets.orchestration.declared import FromSettings
from rec_assets.settings import Settings

PROFILE = "rec_assets/profile"
POD = "dagster-k8s/config"
# Label and taint of the nodes of a node pool (deploy/helm/platform).
NODE_LABEL = "rec-assets.io/profile"
# Limits concurrent trainings to one: a laptop's memory or a node's GPU fits one.
TRAINING_POOL = "training"
# Limits concurrent promotions to one.
PROMOTION_POOL = "promotion"
_GPU = "nvidia.com/gpu"


def cpu_tags(settings: Settings) -> dict[str, Any]:
    """Returns the tags of an asset that needs only processors and memory."""
    resources = _resources(settings.pod_cpu_cpus, settings.pod_cpu_memory, settings.pod_cpu_disk)
    return {PROFILE: "cpu", POD: _pod("cpu", settings.pod_cpu_image, settings, resources)}


def gpu_tags(settings: Settings) -> dict[str, Any]:
    """Returns the tags of an asset that needs a GPU, and shared memory for its input workers."""
    resources = _resources(settings.pod_gpu_cpus, settings.pod_gpu_memory, settings.pod_gpu_disk)
    if settings.pod_gpu_count:
        # Kubernetes does not share GPUs: the request must equal the limit.
        for kind in resources.values():
            kind[_GPU] = str(settings.pod_gpu_count)
    nodes = "gpu" if settings.pod_gpu_count else "cpu"
    pod = _pod(nodes, settings.pod_gpu_image, settings, resources)
    pod["container_config"]["volume_mounts"] = [{"name": "shm", "mount_path": "/dev/shm"}]
    pod["pod_spec_config"]["volumes"] = [
        {"name": "shm", "empty_dir": {"medium": "Memory", "size_limit": settings.pod_gpu_shm}}
    ]
    return {PROFILE: "gpu", POD: pod}


def _resources(cpus: str, memory: str, disk: str) -> dict[str, dict[str, str]]:
    requests = {"cpu": cpus, "memory": memory, "ephemeral-storage": disk}
    # No limit on processors: a step may use idle processors of its node.
    return {"requests": requests, "limits": {name: value for name, value in requests.items() if name != "cpu"}}


def _pod(nodes: str, image: str, settings: Settings, resources: dict[str, Any]) -> dict[str, Any]:
    return {
        "container_config": {
            "resources": resources,
            "security_context": {"allow_privilege_escalation": False, "capabilities": {"drop": ["ALL"]}},
            **({"image": image} if image else {}),
        },
        "pod_spec_config": {
            "service_account_name": settings.pod_service_account,
            "node_selector": {NODE_LABEL: nodes},
            "tolerations": [
                {"key": NODE_LABEL, "operator": "Equal", "value": nodes, "effect": "NoSchedule"},
                *([{"key": _GPU, "operator": "Exists", "effect": "NoSchedule"}] if nodes == "gpu" else []),
            ],
        },
        # The run has already read the result of the step. The job stays for a day so that people can read its log.
        "job_spec_config": {"ttl_seconds_after_finished": DAY_SECONDS},
        # Karpenter moves pods to cheaper nodes; a moved step would restart from the beginning.
        "pod_template_spec_metadata": {"annotations": {"karpenter.sh/do-not-disrupt": "true"}},
    }


CPU = FromSettings(cpu_tags)
GPU = FromSettings(gpu_tags)
