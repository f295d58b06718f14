"""RDS for PostgreSQL: the records of Dagster."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_rds as rds
from constructs import Construct

from stacks.environment import Environment
from stacks.logs import log_group
from stacks.network import only_from

# CloudFormation's own checks refuse a version without its minor part.
VERSION = rds.PostgresEngineVersion.of("17.11", "17")
PORT = 5432


class Database(cdk.Stack):
    """One PostgreSQL whose password is made by Secrets Manager and whose connections are encrypted."""

    def __init__(
        self, scope: Construct, name: str, given: Environment, vpc: ec2.IVpc, nodes: ec2.ISecurityGroup, **options: Any
    ) -> None:
        super().__init__(scope, name, **options)
        engine = rds.DatabaseInstanceEngine.postgres(version=VERSION)
        self.instance = rds.DatabaseInstance(
            self,
            "Dagster",
            engine=engine,
            instance_identifier=given.prefix,
            instance_type=ec2.InstanceType(given.database_instance),
            database_name="dagster",
            credentials=rds.Credentials.from_generated_secret(
                "dagster", secret_name=f"{given.prefix}/postgres", exclude_characters=" %+~`#$&*()|[]{}:;<>?!'/@\"\\"
            ),
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            security_groups=[only_from(self, "Group", vpc, nodes, PORT, "PostgreSQL")],
            parameter_group=rds.ParameterGroup(self, "Parameters", engine=engine, parameters={"rds.force_ssl": "1"}),
            multi_az=given.replicated,
            allocated_storage=20,
            max_allocated_storage=200,
            storage_type=rds.StorageType.GP3,
            storage_encrypted=True,
            backup_retention=cdk.Duration.days(7),
            copy_tags_to_snapshot=True,
            auto_minor_version_upgrade=True,
            cloudwatch_logs_exports=["postgresql"],
            deletion_protection=not given.deletable,
            removal_policy=cdk.RemovalPolicy.DESTROY if given.deletable else cdk.RemovalPolicy.SNAPSHOT,
        )
        log_group(self, given, f"/aws/rds/instance/{given.prefix}/postgresql", self.instance)
        cdk.CfnOutput(self, "Host", value=self.instance.db_instance_endpoint_address)
