"""ElastiCache for Valkey: features, histories, seen items and the event stream."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticache as elasticache
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from stacks.environment import Environment
from stacks.network import only_from
from stacks.sizes import node_for

# Bloom filters are built in from 8.1 on.
VERSION = "8.2"
PORT = 6379


class Cache(cdk.Stack):
    """Valkey as one shard, or as a cluster of `valkey_shards`. Nothing is evicted."""

    def __init__(
        self, scope: Construct, name: str, given: Environment, vpc: ec2.IVpc, nodes: ec2.ISecurityGroup, **options: Any
    ) -> None:
        super().__init__(scope, name, **options)
        # A comma would end the password in Feast's connection string; ElastiCache refuses other characters.
        password = self._word(f"{given.prefix}/valkey")
        self._word(f"{given.prefix}/triton-control")
        self._word(f"{given.prefix}/api-keys")
        subnets = elasticache.CfnSubnetGroup(
            self,
            "Subnets",
            description="isolated subnets",
            cache_subnet_group_name=given.prefix,
            subnet_ids=vpc.select_subnets(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED).subnet_ids,
        )
        is_cluster = given.valkey_shards > 1
        shape: dict[str, Any]
        if is_cluster:
            shape = {
                "num_node_groups": given.valkey_shards,
                "replicas_per_node_group": int(given.replicated),
                "automatic_failover_enabled": True,  # required in cluster mode
            }
        else:
            shape = {
                "num_cache_clusters": 2 if given.replicated else 1,
                "automatic_failover_enabled": given.replicated,
            }
        parameters = elasticache.CfnParameterGroup(
            self,
            "Parameters",
            cache_parameter_group_family="valkey8",
            description="Features do not expire, so a full store refuses writes instead of forgetting users",
            properties={"maxmemory-policy": "noeviction", "reserved-memory-percent": "25"}
            | ({"cluster-enabled": "yes"} if is_cluster else {}),
        )
        group = only_from(self, "Group", vpc, nodes, PORT, "Valkey")
        self.group = elasticache.CfnReplicationGroup(
            self,
            "Valkey",
            replication_group_id=given.prefix,
            replication_group_description="State of users and items",
            engine="valkey",
            engine_version=VERSION,
            cache_node_type=node_for(given.users // given.valkey_shards),
            multi_az_enabled=given.replicated,
            cluster_mode="enabled" if is_cluster else "disabled",
            cache_parameter_group_name=parameters.ref,
            cache_subnet_group_name=subnets.ref,
            security_group_ids=[group.security_group_id],
            port=PORT,
            transit_encryption_enabled=True,
            transit_encryption_mode="required",
            at_rest_encryption_enabled=True,
            auth_token=password.secret_value.unsafe_unwrap(),  # a reference, which CloudFormation resolves
            snapshot_retention_limit=7 if given.replicated else 1,
            auto_minor_version_upgrade=True,
            **shape,
        )
        address = (
            self.group.attr_configuration_end_point_address if is_cluster else self.group.attr_primary_end_point_address
        )
        cdk.CfnOutput(self, "Host", value=address)
        cdk.CfnOutput(self, "IsCluster", value=str(is_cluster).lower())

    def _word(self, name: str) -> secretsmanager.Secret:
        return secretsmanager.Secret(
            self,
            f"{name.rpartition('/')[2].title().replace('-', '')}Secret",
            secret_name=name,
            generate_secret_string=secretsmanager.SecretStringGenerator(password_length=48, exclude_punctuation=True),
        )
