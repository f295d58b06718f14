"""Compute profiles of assets on a cluster, and their pods, in one place; sizes come from the settings.

On a laptop the tags are ignored. With `executor=k8s`, Dagster makes each step's pod from them.
"""

from typing import Any

from rec_assets.settings import Settings, get_settings

PROFILE = "rec_assets/profile"
POD = "dagster-k8s/config"
# Node pools mark and taint their nodes with this label (deploy/karpenter).
NODE_LABEL = "rec-assets.io/profile"
# One training at a time on a laptop's memory or a node's GPU.
TRAINING_POOL = "training"
# One promotion at a time.
PROMOTION_POOL = "promotion"
_GPU = "nvidia.com/gpu"


def cpu_tags(settings: Settings) -> dict[str, Any]:
    """Returns the tags of an asset that needs processors and memory."""
    resources = _resources(settings.pod_cpu_cpus, settings.pod_cpu_memory, settings.pod_cpu_disk)
    return {PROFILE: "cpu", POD: _pod("cpu", settings.pod_cpu_image, settings, resources)}


def gpu_tags(settings: Settings) -> dict[str, Any]:
    """Returns the tags of an asset that needs a GPU, and shared memory for what feeds it."""
    resources = _resources(settings.pod_gpu_cpus, settings.pod_gpu_memory, settings.pod_gpu_disk)
    if settings.pod_gpu_count:
        # A GPU is never shared or lent: what is asked for is the limit.
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
    # No limit on processors: a step may use what its node has left.
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
        # A run that ends its steps has seen their result; what is left is for a person who looks at its log.
        "job_spec_config": {"ttl_seconds_after_finished": 24 * 60 * 60},
        # Karpenter moves pods to cheaper nodes; a step would begin anew.
        "pod_template_spec_metadata": {"annotations": {"karpenter.sh/do-not-disrupt": "true"}},
    }


CPU = cpu_tags(get_settings())
GPU = gpu_tags(get_settings())
