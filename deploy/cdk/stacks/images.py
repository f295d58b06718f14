"""ECR repositories, one per image."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from constructs import Construct

from stacks.environment import Environment

IMAGES = ("orchestration", "cpu", "gpu", "triton")


class Images(cdk.Stack):
    """Repositories whose tags are never written twice, and whose images are scanned when they arrive."""

    def __init__(self, scope: Construct, name: str, given: Environment, **options: Any) -> None:
        super().__init__(scope, name, **options)
        for image in IMAGES:
            repository = ecr.Repository(
                self,
                image.capitalize(),
                repository_name=f"{given.prefix}/{image}",
                image_tag_mutability=ecr.TagMutability.IMMUTABLE,
                image_scan_on_push=True,
                removal_policy=cdk.RemovalPolicy.DESTROY if given.deletable else cdk.RemovalPolicy.RETAIN,
                empty_on_delete=given.deletable,
            )
            # A version is an index with a tag, and untagged parts: image, packages, provenance. ECR keeps parts of an
            # index, so the second rule deletes those of deleted versions only.
            repository.add_lifecycle_rule(
                description="Keeps the newest 20 versions",
                tag_status=ecr.TagStatus.TAGGED,
                tag_pattern_list=["*"],
                max_image_count=20,
            )
            repository.add_lifecycle_rule(
                description="Deletes parts of deleted versions",
                tag_status=ecr.TagStatus.UNTAGGED,
                max_image_age=cdk.Duration.days(1),
            )
        registry = f"{self.account}.dkr.ecr.{self.region}.{self.url_suffix}"
        cdk.CfnOutput(self, "Registry", value=f"{registry}/{given.prefix}")
