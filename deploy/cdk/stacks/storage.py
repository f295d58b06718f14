"""KMS key, buckets, and the tables of features for Athena."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_athena as athena
from aws_cdk import aws_glue as glue
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.environment import Environment
from stacks.tables import PARTITION, TABLES, columns_of

# Prefixes below the bucket of artifacts. The values files of the charts name the same ones.
ARTIFACTS, FEAST, LOGS, OFFLINE, ATHENA = "artifacts", "feast", "logs", "offline", "athena"
# The offline log of events and the log of answers, below REC_ARTIFACTS.
BEHAVIOR, ANSWERS = f"{ARTIFACTS}/behavior", f"{ARTIFACTS}/answers"
PARQUET = "org.apache.hadoop.hive.ql.io.parquet"
# Names of buckets are taken once, so a bucket that a failed creation leaves would stop the next one.
KEPT = cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
MOST_SCANNED = 100 * 2**30  # bytes of one query


class Storage(cdk.Stack):
    """Everything that outlives the cluster. Deleting the stack keeps key and buckets; a failed creation does not."""

    def __init__(self, scope: Construct, name: str, given: Environment, **options: Any) -> None:
        super().__init__(scope, name, **options)
        self.key = kms.Key(self, "Key", alias=given.prefix, enable_key_rotation=True, removal_policy=KEPT)
        self.artifacts = self._bucket(f"{given.prefix}-artifacts")
        self.landing = self._bucket(f"{given.prefix}-landing")
        # Query results and temporary tables are read once.
        self.artifacts.add_lifecycle_rule(prefix=f"{ATHENA}/", expiration=cdk.Duration.days(2))
        self.database = given.prefix.replace("-", "_")
        database = glue.CfnDatabase(
            self,
            "Features",
            catalog_id=self.account,
            database_input={"name": self.database, "description": "Features of users and items by day"},
        )
        for table in TABLES:
            self._table(table).add_resource_dependency(database)
        self.workgroup = given.prefix
        self._workgroup()
        cdk.CfnOutput(self, "Artifacts", value=self.artifacts.bucket_name)
        cdk.CfnOutput(self, "Landing", value=self.landing.bucket_name)

    def _bucket(self, name: str) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            f"{name.rpartition('-')[2].capitalize()}Bucket",
            bucket_name=f"{name}-{self.account}",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self.key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            versioned=True,
            removal_policy=KEPT,
        )
        # Deletes parts of interrupted uploads, and versions that were deleted or replaced a month ago.
        bucket.add_lifecycle_rule(
            abort_incomplete_multipart_upload_after=cdk.Duration.days(2),
            noncurrent_version_expiration=cdk.Duration.days(30),
        )
        return bucket

    def _table(self, name: str) -> glue.CfnTable:
        """Returns a table with one partition per day, which Athena finds by its path."""
        location = f"s3://{self.artifacts.bucket_name}/{OFFLINE}/{name}/"
        return glue.CfnTable(
            self,
            name.title().replace("_", ""),
            catalog_id=self.account,
            database_name=self.database,
            table_input={
                "name": name,
                "tableType": "EXTERNAL_TABLE",
                "partitionKeys": [{"name": PARTITION, "type": "string"}],
                "parameters": {
                    "classification": "parquet",
                    "projection.enabled": "true",
                    "projection.day.type": "date",
                    "projection.day.format": "yyyy-MM-dd",
                    "projection.day.range": "2020-01-01,NOW",
                    "storage.location.template": f"{location}day=${{day}}/",
                },
                "storageDescriptor": {
                    "location": location,
                    "inputFormat": f"{PARQUET}.MapredParquetInputFormat",
                    "outputFormat": f"{PARQUET}.MapredParquetOutputFormat",
                    "serdeInfo": {"serializationLibrary": f"{PARQUET}.serde.ParquetHiveSerDe"},
                    "columns": [{"name": column, "type": kind} for column, kind in columns_of(name).items()],
                },
            },
        )

    def _workgroup(self) -> None:
        """Adds the workgroup. Feast creates tables at places of its own, which an enforced configuration forbids."""
        athena.CfnWorkGroup(
            self,
            "Queries",
            name=self.workgroup,
            recursive_delete_option=True,
            work_group_configuration=athena.CfnWorkGroup.WorkGroupConfigurationProperty(
                enforce_work_group_configuration=False,
                publish_cloud_watch_metrics_enabled=True,
                bytes_scanned_cutoff_per_query=MOST_SCANNED,
                engine_version=athena.CfnWorkGroup.EngineVersionProperty(
                    selected_engine_version="Athena engine version 3"
                ),
                result_configuration=athena.CfnWorkGroup.ResultConfigurationProperty(
                    output_location=f"s3://{self.artifacts.bucket_name}/{ATHENA}/",
                    encryption_configuration=athena.CfnWorkGroup.EncryptionConfigurationProperty(
                        encryption_option="SSE_KMS", kms_key=self.key.key_arn
                    ),
                ),
            ),
        )
