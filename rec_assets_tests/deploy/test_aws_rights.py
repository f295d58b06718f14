"""Rights of pods in AWS: those that their work needs, and no others."""

import inspect
import re

import pytest
from feast.infra.offline_stores.contrib.athena_offline_store import athena_source
from feast.infra.utils import aws_utils

from rec_assets_tests.deploy.aws import Template, all_of, may, of_type, statements_of, text_of


def test_karpenter_may_start_the_first_spot_node_of_an_account(templates: dict[str, Template]) -> None:
    for template in all_of(templates, "nodes"):
        (made,) = (
            one for one in statements_of(template, "karpenter") if "CreateServiceLinkedRole" in text_of(one["Action"])
        )
        assert made["Condition"] == {"StringEquals": {"iam:AWSServiceName": "spot.amazonaws.com"}}


def test_karpenter_hears_of_interruptions_and_may_read_them(templates: dict[str, Template]) -> None:
    for template in all_of(templates, "nodes"):
        (queue,) = of_type(template, "SQS::Queue")
        rules = of_type(template, "Events::Rule").values()
        assert {one["EventPattern"]["detail-type"][0] for one in rules} == {
            "EC2 Spot Instance Interruption Warning",
            "EC2 Instance Rebalance Recommendation",
            "EC2 Instance State-change Notification",
            "AWS Health Event",
        }
        arn = {"Fn::GetAtt": [queue, "Arn"]}
        assert all(target["Arn"] == arn for one in rules for target in one["Targets"])
        (reads,) = (one for one in statements_of(template, "karpenter") if "sqs:ReceiveMessage" in one["Action"])
        assert "sqs:DeleteMessage" in reads["Action"] and reads["Resource"] == arn


def test_feast_may_do_in_athena_what_its_code_calls(templates: dict[str, Template]) -> None:
    source = inspect.getsource(aws_utils) + inspect.getsource(athena_source)
    calls = {
        "athena:" + "".join(word.capitalize() for word in name.split("_"))
        for name in re.findall(r"(?:athena_data_client|athena_client|\bclient)\.(\w+)\(", source)
        if re.search(r"query|table_metadata", name)
    }
    assert len(calls) > 3
    for template in all_of(templates, "roles"):
        actions = {action for one in statements_of(template, "rec-steps") for action in one["Action"]}
        assert calls <= actions
        # Each query creates a table from its result, and drops it.
        assert {"glue:CreateTable", "glue:DeleteTable", "glue:GetTable", "glue:GetDatabase"} <= actions
    for template in all_of(templates, "storage"):
        (group,) = of_type(template, "Athena::WorkGroup").values()
        assert not group["WorkGroupConfiguration"]["EnforceWorkGroupConfiguration"]


# Service account → keys that it reads, keys that it writes, keys that it must not read, keys that it must not write.
RIGHTS: dict[str, tuple[list[str], list[str], list[str], list[str]]] = {
    "rec-triton": (
        [
            "artifacts/identity",
            "artifacts/current/live_bundle/all.json",
            "artifacts/current/canary/all.json",
            "artifacts/versions/model_bundle/a/b/f",
        ],
        [],
        ["artifacts/versions/raw_users/all/x/users.parquet", "artifacts/behavior/day", "artifacts/answers/day"],
        ["artifacts/current/live_bundle/all.json"],
    ),
    "rec-storefront": (
        [
            "artifacts/current/raw_items/all.json",
            "artifacts/current/shop_rules/all.json",
            "artifacts/versions/raw_interactions/2025-03-14/x/part.parquet",
            "artifacts/current/id_codes/all.json",
        ],
        [],
        ["artifacts/versions/raw_users/all/x/users.parquet"],
        ["artifacts/current/raw_items/all.json"],
    ),
    "rec-api": (
        [
            "artifacts/identity",
            "artifacts/current/id_codes/all.json",
            "artifacts/versions/id_codes/all/x/users.parquet",
        ],
        [],
        [
            "artifacts/versions/raw_users/all/x/users.parquet",
            "artifacts/versions/model_bundle/a/b/f",
            "feast/registry.db",
        ],
        ["artifacts/current/id_codes/all.json", "artifacts/behavior/2025-03-14/part.parquet"],
    ),
    "rec-worker": (
        ["feast/registry.db"],
        ["artifacts/behavior/2025-03-14/part.parquet", "artifacts/answers/2025-03-14/part.parquet"],
        [],
        ["artifacts/current/x/y.json"],
    ),
    "rec-exporter": (["artifacts/current/online_features/2025-03-14.json"], [], [], ["artifacts/identity"]),
    "rec-dagster": (
        ["artifacts/versions/model_bundle/a/b/f"],
        ["logs/run/step", "artifacts/current/canary/all.json", "artifacts/versions/canary/all/x/canary.json"],
        [],
        ["artifacts/identity", "artifacts/current/live_bundle/all.json"],
    ),
    "rec-steps": (
        ["artifacts/behavior/2025-03-14/part.parquet"],
        ["artifacts/identity", "feast/registry.db", "offline/user_features/day=2025-03-14/f", "athena/x", "logs/x"],
        [],
        [],
    ),
}


@pytest.mark.parametrize("account", sorted(RIGHTS))
def test_each_pod_may_do_its_work_and_nothing_else(templates: dict[str, Template], account: str) -> None:
    reads, writes, no_reads, no_writes = RIGHTS[account]
    for template in all_of(templates, "roles"):
        assert all(may(template, account, "s3:GetObject", key) for key in reads)
        assert all(may(template, account, "s3:PutObject", key) for key in writes)
        assert not any(may(template, account, "s3:GetObject", key) for key in no_reads)
        assert not any(may(template, account, "s3:PutObject", key) for key in no_writes)
