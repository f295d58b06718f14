"""Makes the CloudFormation templates of deploy/cdk, and answers questions about the rights of their roles."""

import json
import os
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from rec_assets_tests.deploy.manifests import DEPLOY, Manifest
from rec_assets_tests.tools import require_tool

ENVIRONMENTS = sorted(file.stem for file in (DEPLOY / "cdk/environments").glob("*.toml"))
Template = dict[str, Any]


def synthesize(folder: Path, app: Path = DEPLOY / "cdk") -> dict[str, Template]:
    """Runs deploy/cdk (or a copy) as people who deploy do, without a network; returns name of the stack → template."""
    # In the environment of cfn-lint, which .ci/tools installs from requirements/deploy.txt.
    python = Path(require_tool("cfn-lint")).resolve().with_name("python")
    done = subprocess.run(
        [python, "app.py"],
        cwd=app,
        env={**os.environ, "CDK_OUTDIR": str(folder), "AWS_EC2_METADATA_DISABLED": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    suffix = ".template.json"
    return {file.name.removesuffix(suffix): json.loads(file.read_text()) for file in folder.glob(f"*{suffix}")}


def all_of(templates: dict[str, Template], stack: str) -> list[Template]:
    """Returns the templates of a stack, one for each environment."""
    return [templates[f"rec-{name}-{stack}"] for name in ENVIRONMENTS]


def of_type(template: Template, kind: str) -> dict[str, Any]:
    """Returns logical id → properties of all resources of a type, such as `EKS::Cluster`."""
    resources = template["Resources"].items()
    return {name: one.get("Properties", {}) for name, one in resources if one["Type"] == f"AWS::{kind}"}


def text_of(value: Any) -> str:
    """Returns a value with its references as JSON text."""
    return json.dumps(value)


def statements_of(template: Template, account: str) -> list[Manifest]:
    """Returns the policy statements of the role of a Kubernetes service account."""
    (identity,) = (
        one for one in of_type(template, "EKS::PodIdentityAssociation").values() if one["ServiceAccount"] == account
    )
    role = identity["RoleArn"]["Fn::GetAtt"][0]
    return [
        statement
        for policy in of_type(template, "IAM::Policy").values()
        if {"Ref": role} in policy["Roles"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def may(template: Template, account: str, action: str, key: str) -> bool:
    """Returns True if a service account may do something with a key of the bucket of artifacts."""
    for statement in statements_of(template, account):
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        for resource in resources:
            named = text_of(resource)
            # An object is `<bucket>/<key>`: an import of the bucket, joined with the key.
            keys = resource["Fn::Join"][1][-1] if "ArtifactsBucket" in named and "Fn::Join" in resource else ""
            if action in actions and keys.startswith("/") and fnmatchcase(key, keys[1:]):
                return True
    return False
