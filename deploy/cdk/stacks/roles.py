"""Rights of pods: one role per service account, given by EKS Pod Identity."""

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_eks as eks
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.environment import Environment
from stacks.identity import pod_role
from stacks.storage import ANSWERS, ARTIFACTS, ATHENA, BEHAVIOR, FEAST, LOGS, OFFLINE, Storage

# What a server reads: the bundles and which of them is live. `current` has pointers, `versions` has files.
BUNDLES = ("live_bundle", "model_bundle", "finetuned_bundle")
SERVED = [f"{ARTIFACTS}/identity"] + [
    f"{ARTIFACTS}/{kind}/{bundle}/*" for kind in ("current", "versions") for bundle in BUNDLES
]
SHOWN = [
    f"{ARTIFACTS}/{kind}/{asset}/*"
    for kind in ("current", "versions")
    for asset in ("raw_items", "raw_interactions", "shop_rules")
]
# Texts of a shop's ids and their numbers.
CODES = [f"{ARTIFACTS}/{kind}/id_codes/*" for kind in ("current", "versions")]
FEATURES = f"{FEAST}/*"
READ = ["s3:GetObject"]
WRITE = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
LOAD_BALANCER_POLICY = Path(__file__).parent / "load_balancer_policy.json"


class Roles(cdk.Stack):
    """Roles of the project's pods and of the load balancer controller."""

    def __init__(
        self, scope: Construct, name: str, given: Environment, storage: Storage, cluster: eks.CfnCluster, **options: Any
    ) -> None:
        super().__init__(scope, name, **options)
        self._storage = storage
        served = [self._objects("ReadBundles", READ, [*SERVED, FEATURES])]
        codes = self._objects("ReadIds", READ, [f"{ARTIFACTS}/identity", *CODES])
        shown = self._objects("ReadTheCatalog", READ, SHOWN)
        graph = self._objects("ReadArtifacts", READ, [f"{ARTIFACTS}/*", FEATURES])
        logs = self._objects("WriteLogs", WRITE, [f"{LOGS}/*"])
        behavior = self._objects("WriteBehavior", ["s3:GetObject", "s3:PutObject"], [f"{BEHAVIOR}/*"])
        answers = self._objects("WriteAnswers", WRITE, [f"{ANSWERS}/*"])  # old days are deleted
        everything = [ARTIFACTS, FEAST, LOGS, OFFLINE, ATHENA]
        made = self._objects("WriteArtifacts", WRITE, [f"{prefix}/*" for prefix in everything])
        accounts = {
            ("serving", "rec-triton"): served,
            ("rec-assets", "rec-storefront"): [*served, codes, shown],
            ("rec-assets", "rec-api"): [codes],
            ("rec-assets", "rec-worker"): [*served, behavior, answers],
            ("rec-assets", "rec-exporter"): [graph],
            ("rec-assets", "rec-dagster"): [graph, logs],
            ("rec-assets", "rec-steps"): [made, self._landed(), *self._queries()],
        }
        for (namespace, account), statements in accounts.items():
            part = account.removeprefix("rec-").capitalize()
            writes = account in ("rec-worker", "rec-dagster", "rec-steps")
            pod_role(self, part, cluster, namespace, account, [self._list(), self._key(writes), *statements])
        policy = json.loads(LOAD_BALANCER_POLICY.read_text())
        controller = [iam.PolicyStatement.from_json(one) for one in policy["Statement"]]
        pod_role(self, "LoadBalancer", cluster, "kube-system", "aws-load-balancer-controller", controller)

    def _objects(self, sid: str, actions: list[str], keys: list[str]) -> iam.PolicyStatement:
        resources = [self._storage.artifacts.arn_for_objects(key) for key in keys]
        return iam.PolicyStatement(sid=sid, actions=actions, resources=resources)

    def _list(self) -> iam.PolicyStatement:
        """Allows to list keys. Without a prefix, because Feast checks that the bucket exists."""
        buckets: list[s3.Bucket] = [self._storage.artifacts, self._storage.landing]
        return iam.PolicyStatement(
            sid="List",
            actions=["s3:ListBucket", "s3:GetBucketLocation"],
            resources=[bucket.bucket_arn for bucket in buckets],
        )

    def _key(self, writes: bool) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            sid="UseTheKey",
            actions=["kms:Decrypt", *(["kms:GenerateDataKey"] if writes else [])],
            resources=[self._storage.key.key_arn],
            conditions={"StringEquals": {"kms:ViaService": f"s3.{self.region}.{self.url_suffix}"}},
        )

    def _landed(self) -> iam.PolicyStatement:
        days = self._storage.landing.arn_for_objects("raw/*")
        return iam.PolicyStatement(sid="ReadLandedDays", actions=READ, resources=[days])

    def _queries(self) -> list[iam.PolicyStatement]:
        """Returns the rights of Feast's queries: each creates a table from its result, reads its files and drops it."""
        glue = f"arn:{self.partition}:glue:{self.region}:{self.account}"
        athena = f"arn:{self.partition}:athena:{self.region}:{self.account}"
        return [
            iam.PolicyStatement(
                sid="Query",
                actions=[
                    "athena:StartQueryExecution",
                    "athena:StopQueryExecution",
                    "athena:GetQueryExecution",
                    "athena:GetQueryResults",
                    "athena:GetWorkGroup",
                    "athena:GetTableMetadata",
                    "athena:GetDataCatalog",
                ],
                resources=[f"{athena}:workgroup/{self._storage.workgroup}", f"{athena}:datacatalog/AwsDataCatalog"],
            ),
            iam.PolicyStatement(
                sid="Tables",
                actions=[
                    "glue:GetDatabase",
                    "glue:GetDatabases",
                    "glue:GetTable",
                    "glue:GetTables",
                    "glue:GetPartition",
                    "glue:GetPartitions",
                    "glue:BatchGetPartition",
                    "glue:CreateTable",
                    "glue:DeleteTable",
                ],
                resources=[
                    f"{glue}:catalog",
                    f"{glue}:database/{self._storage.database}",
                    f"{glue}:table/{self._storage.database}/*",
                ],
            ),
        ]
