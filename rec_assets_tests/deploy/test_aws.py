"""Makes the templates of all environments: CloudFormation accepts them, and they have what the runbook relies on."""

import json
import shutil
import subprocess
from ipaddress import ip_network
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest
import yaml

from rec_assets_tests.deploy.aws import ENVIRONMENTS, Template, all_of, of_type, statements_of, synthesize, text_of
from rec_assets_tests.deploy.manifests import DEPLOY
from rec_assets_tests.tools import require_tool

STACKS = DEPLOY / "cdk/stacks"
# Findings of checkov that are intended, with the reason.
INTENDED = {
    "CKV_AWS_18": "access logs of buckets cost more than the buckets; CloudTrail records changes",
    "CKV_AWS_26": "alarms are names and numbers; they go out by mail",
    "CKV_AWS_27": "the queue is encrypted with the key of SQS; its messages name instances",
    "CKV_AWS_82": "Feast creates tables at places of its own, which an enforced configuration forbids",
    "CKV_AWS_111": "the load balancer controller creates groups before they have a tag",
    "CKV_AWS_118": "the alarms need no metric of the operating system",
    "CKV_AWS_136": "images contain no secret; ECR encrypts them with its own key",
    "CKV_AWS_149": "a key of our own would cost more than it protects: the same administrators hold both",
    "CKV_AWS_157": "only production has a second database",
    "CKV_AWS_158": "CloudWatch encrypts logs with its own key; they hold no secret",
    "CKV_AWS_161": "Dagster logs in with a password, which Secrets Manager makes",
}


def values_of(name: str) -> dict[str, Any]:
    given = run_path(str(STACKS / "environment.py"))["read"](DEPLOY / f"cdk/environments/{name}.toml")
    return vars(given)


def test_cloudformation_knows_every_property_and_version(templates: dict[str, Template], template_folder: Path) -> None:
    # Zones are in the values, because a subnet never moves.
    options = ["--regions", "eu-central-1", "--ignore-checks", "W3010"]
    files = sorted(map(str, template_folder.glob("*.template.json")))
    assert len(files) == len(templates) == 9 * len(ENVIRONMENTS)
    done = subprocess.run(
        [require_tool("cfn-lint"), *options, "--", *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_a_security_scanner_finds_nothing_that_is_not_meant(
    templates: dict[str, Template], template_folder: Path
) -> None:
    command = [require_tool("checkov"), "--directory", str(template_folder), "--framework", "cloudformation"]
    done = subprocess.run(
        [*command, "--output", "json", "--skip-download", "--quiet"], capture_output=True, text=True, check=False
    )
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0 and report["summary"]["resource_count"] > 200
    found = {one["check_id"]: f"{one['resource']}: {one['check_name']}" for one in report["results"]["failed_checks"]}
    assert {check: what for check, what in found.items() if check not in INTENDED} == {}
    assert set(INTENDED) - set(found) == set(), "exceptions that are no longer needed"


def test_the_cluster_can_be_created_from_outside_and_not_by_everybody(templates: dict[str, Template]) -> None:
    for template in all_of(templates, "cluster"):
        (cluster,) = of_type(template, "EKS::Cluster").values()
        access = cluster["ResourcesVpcConfig"]
        assert access["EndpointPublicAccess"] and access["EndpointPrivateAccess"]
        assert access["PublicAccessCidrs"] and "0.0.0.0/0" not in access["PublicAccessCidrs"]


def test_an_administrator_may_call_the_cluster_that_cloudformation_created(templates: dict[str, Template]) -> None:
    for template in all_of(templates, "cluster"):
        (cluster,) = of_type(template, "EKS::Cluster").values()
        assert cluster["AccessConfig"] == {
            "AuthenticationMode": "API",
            "BootstrapClusterCreatorAdminPermissions": False,
        }
        (entry,) = of_type(template, "EKS::AccessEntry").values()
        assert "AmazonEKSClusterAdminPolicy" in text_of(entry) and ":role/Admin" in text_of(entry["PrincipalArn"])


def test_network_policies_are_enforced(templates: dict[str, Template]) -> None:
    for template in all_of(templates, "cluster"):
        addons = {one["AddonName"]: one for one in of_type(template, "EKS::Addon").values()}
        assert json.loads(addons["vpc-cni"]["ConfigurationValues"]) == {"enableNetworkPolicy": "true"}
        assert "eks-pod-identity-agent" in addons


def test_addresses_of_vpcs_services_and_other_environments_do_not_overlap(templates: dict[str, Template]) -> None:
    networks = [ip_network(values_of(name)["cidr"]) for name in ENVIRONMENTS]
    for template in all_of(templates, "cluster"):
        (cluster,) = of_type(template, "EKS::Cluster").values()
        services = ip_network(cluster["KubernetesNetworkConfig"]["ServiceIpv4Cidr"])
        assert not any(services.overlaps(vpc) for vpc in networks)
    assert not any(one.overlaps(other) for one in networks for other in networks if one is not other)


def test_only_gateways_are_in_public_subnets(templates: dict[str, Template]) -> None:
    for name in ENVIRONMENTS:
        subnets = of_type(templates[f"rec-{name}-network"], "EC2::Subnet")
        assert not any(one.get("MapPublicIpOnLaunch") for one in subnets.values())
        nodes = of_type(templates[f"rec-{name}-cluster"], "EKS::Nodegroup")
        placed = text_of([one["Subnets"] for one in nodes.values()])
        assert "nodesSubnet" in placed and "gatewaysSubnet" not in placed


@pytest.mark.parametrize(("stack", "port"), [("database", 5432), ("cache", 6379)])
def test_databases_are_isolated_and_only_nodes_reach_them(
    templates: dict[str, Template], stack: str, port: int
) -> None:
    for template in all_of(templates, stack):
        kind = "RDS::DBSubnetGroup" if stack == "database" else "ElastiCache::SubnetGroup"
        (subnets,) = of_type(template, kind).values()
        assert "dataSubnet" in text_of(subnets) and "nodesSubnet" not in text_of(subnets)
        (rule,) = of_type(template, "EC2::SecurityGroupIngress").values()
        assert (rule["FromPort"], rule["ToPort"]) == (port, port)
        assert "ClusterSecurityGroupId" in text_of(rule["SourceSecurityGroupId"])


def test_valkey_has_bloom_filters_and_room_and_forgets_nobody(templates: dict[str, Template]) -> None:
    sizes = run_path(str(STACKS / "sizes.py"))
    for name in ENVIRONMENTS:
        template = templates[f"rec-{name}-cache"]
        (group,) = of_type(template, "ElastiCache::ReplicationGroup").values()
        assert (group["Engine"], group["ClusterMode"]) == ("valkey", "disabled")
        assert tuple(map(int, group["EngineVersion"].split("."))) >= (8, 1)
        assert group["TransitEncryptionMode"] == "required" and "resolve:secretsmanager" in text_of(group["AuthToken"])
        (parameters,) = of_type(template, "ElastiCache::ParameterGroup").values()
        assert parameters["Properties"]["maxmemory-policy"] == "noeviction"
        room = sizes["SIZES"][group["CacheNodeType"]] * 2**30 * 0.75  # ElastiCache reserves the rest
        assert values_of(name)["users"] * 20_000 < room


def test_shards_of_valkey_are_a_cluster_with_an_alarm_for_each_node(tmp_path: Path) -> None:
    app = shutil.copytree(DEPLOY / "cdk", tmp_path / "cdk")
    for name in set(ENVIRONMENTS) - {"prod"}:
        (app / f"environments/{name}.toml").unlink()
    values = (app / "environments/prod.toml").read_text().replace("users = 50_000", "users = 30_000_000")
    (app / "environments/prod.toml").write_text(f"{values}valkey_shards = 3\n")
    templates = synthesize(tmp_path / "templates", app)
    (group,) = of_type(templates["rec-prod-cache"], "ElastiCache::ReplicationGroup").values()
    assert (group["ClusterMode"], group["NumNodeGroups"], group["ReplicasPerNodeGroup"]) == ("enabled", 3, 1)
    assert group["AutomaticFailoverEnabled"] and "NumCacheClusters" not in group
    assert group["CacheNodeType"] == "cache.r7g.16xlarge"
    assert templates["rec-prod-cache"]["Outputs"]["IsCluster"]["Value"] == "true"
    (parameters,) = of_type(templates["rec-prod-cache"], "ElastiCache::ParameterGroup").values()
    assert parameters["Properties"]["cluster-enabled"] == "yes"
    alarms = text_of(of_type(templates["rec-prod-alarms"], "CloudWatch::Alarm"))
    assert all(f"-{shard:04}-{copy:03}" in alarms for shard in (1, 2, 3) for copy in (1, 2))


def test_a_production_survives_a_zone_and_a_mistaken_deletion(templates: dict[str, Template]) -> None:
    (database,) = of_type(templates["rec-prod-database"], "RDS::DBInstance").values()
    assert database["MultiAZ"] and database["DeletionProtection"]
    (group,) = of_type(templates["rec-prod-cache"], "ElastiCache::ReplicationGroup").values()
    assert group["MultiAZEnabled"] and group["AutomaticFailoverEnabled"]
    for template in all_of(templates, "storage"):
        kept = [one for one in template["Resources"].values() if one["Type"] in ("AWS::S3::Bucket", "AWS::KMS::Key")]
        # A failed creation leaves none of them, whose names would stop the next one.
        assert len(kept) == 3 and {one["DeletionPolicy"] for one in kept} == {"RetainExceptOnCreate"}


def test_a_small_environment_is_deleted_with_its_images(
    templates: dict[str, Template],
) -> None:
    for name in ENVIRONMENTS:
        repositories = of_type(templates[f"rec-{name}-images"], "ECR::Repository").values()
        assert all(one.get("EmptyOnDelete", False) == values_of(name)["deletable"] for one in repositories)


def test_only_versions_are_counted_not_the_parts_that_buildx_pushes_with_them(templates: dict[str, Template]) -> None:
    for template in all_of(templates, "images"):
        for repository in of_type(template, "ECR::Repository").values():
            rules = json.loads(repository["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
            counted = [one["selection"] for one in rules if one["selection"]["countType"] == "imageCountMoreThan"]
            assert [(one["tagStatus"], one["tagPatternList"], one["countNumber"]) for one in counted] == [
                ("tagged", ["*"], 20)
            ]


def test_alarms_and_alerts_reach_people(templates: dict[str, Template]) -> None:
    monitoring = yaml.safe_load((DEPLOY / "values/kube-prometheus-stack.yaml").read_text())["alertmanager"]
    for template in all_of(templates, "alarms"):
        topic, heartbeat = of_type(template, "SNS::Topic")
        (subscription,) = of_type(template, "SNS::Subscription").values()
        assert subscription["TopicArn"] == {"Ref": topic} and subscription["Protocol"] == "email"
        # A topic with a policy lets in only those that the policy names.
        policies = of_type(template, "SNS::TopicPolicy").values()
        (policy,) = (one["PolicyDocument"] for one in policies if one["Topics"] == [{"Ref": topic}])
        senders = [one for one in policy["Statement"] if one["Effect"] == "Allow"]
        assert [one["Principal"] for one in senders] == [{"Service": "cloudwatch.amazonaws.com"}]
        (statement,) = statements_of(template, monitoring["serviceAccount"]["name"])
        assert (statement["Action"], statement["Resource"]) == ("sns:Publish", [{"Ref": topic}, {"Ref": heartbeat}])
    names = {one["labels"]["severity"] for one in alerts()}
    route, _ = monitoring["config"]["route"]["routes"]
    assert all(name in route["matchers"][0] for name in names) and names == {"warning", "critical"}
    (people,) = (one for one in monitoring["config"]["receivers"] if one["name"] == route["receiver"])
    assert people["sns_configs"][0]["topic_arn"] == "${TOPIC}"


def test_people_hear_of_a_prometheus_that_is_gone(templates: dict[str, Template]) -> None:
    config = yaml.safe_load((DEPLOY / "values/kube-prometheus-stack.yaml").read_text())["alertmanager"]["config"]
    _, route = config["route"]["routes"]
    (receiver,) = (one for one in config["receivers"] if one["name"] == route["receiver"])
    assert receiver["sns_configs"][0]["topic_arn"] == "${HEARTBEAT}"
    for template in all_of(templates, "alarms"):
        people, heartbeat = of_type(template, "SNS::Topic")
        (alarm,) = (
            one
            for one in of_type(template, "CloudWatch::Alarm").values()
            if one.get("MetricName") == "NumberOfMessagesPublished"
        )
        assert alarm["Dimensions"][0]["Value"]["Fn::GetAtt"] == [heartbeat, "TopicName"]
        assert alarm["TreatMissingData"] == "breaching" and alarm["AlarmActions"] == [{"Ref": people}]
        # Two messages or more in each of its periods.
        assert route["repeat_interval"] == "2m" and alarm["Period"] == 300


def test_logs_that_a_service_writes_end_after_a_month(templates: dict[str, Template]) -> None:
    services = {
        "cluster": ("EKS::Cluster", "/aws/eks/rec-{}/cluster"),
        "database": ("RDS::DBInstance", "/aws/rds/instance/rec-{}/postgresql"),
    }
    for stack, (service, group_name) in services.items():
        for name, template in zip(ENVIRONMENTS, all_of(templates, stack), strict=True):
            ((group, properties),) = of_type(template, "Logs::LogGroup").items()
            assert (properties["LogGroupName"], properties["RetentionInDays"]) == (group_name.format(name), 30)
            (writer,) = (one for one in template["Resources"].values() if one["Type"] == f"AWS::{service}")
            assert group in writer["DependsOn"]
    # No other resource makes a log group of its own.
    kinds = {one["Type"] for template in templates.values() for one in template["Resources"].values()}
    assert not kinds & {"AWS::Lambda::Function", "AWS::EC2::FlowLog", "AWS::CodeBuild::Project"}


def alerts() -> list[dict[str, Any]]:
    rules = yaml.safe_load((DEPLOY / "monitoring/rules.yaml").read_text())["groups"]
    return [one for group in rules for one in group["rules"] if "alert" in one]


def test_system_nodes_get_the_version_of_the_cluster(templates: dict[str, Template]) -> None:
    for template in all_of(templates, "cluster"):
        (cluster,) = of_type(template, "EKS::Cluster").values()
        (nodes,) = of_type(template, "EKS::Nodegroup").values()
        assert nodes["Version"] == cluster["Version"]
