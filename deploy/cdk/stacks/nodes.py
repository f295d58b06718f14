"""Rights of Karpenter and of the nodes that it starts, and the queue of interruptions of spot nodes."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_eks as eks
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.environment import Environment
from stacks.identity import node_role, pod_role

# Events after which Karpenter drains a node and starts another one: source → kind.
INTERRUPTIONS = {
    "EC2 Spot Instance Interruption Warning": "aws.ec2",
    "EC2 Instance Rebalance Recommendation": "aws.ec2",
    "EC2 Instance State-change Notification": "aws.ec2",
    "AWS Health Event": "aws.health",
}
CREATED = ("fleet", "instance", "volume", "network-interface", "launch-template", "spot-instances-request")
CREATES = ["ec2:RunInstances", "ec2:CreateFleet", "ec2:CreateLaunchTemplate"]


class Nodes(cdk.Stack):
    """Karpenter changes only what carries the tag of its cluster."""

    def __init__(
        self, scope: Construct, name: str, given: Environment, cluster: eks.CfnCluster, **options: Any
    ) -> None:
        super().__init__(scope, name, **options)
        role = node_role(self, "NodeRole", role_name=f"{given.prefix}-node-{self.region}")
        # The node classes name this profile, so Karpenter needs no right to make profiles.
        profile = f"{given.prefix}-node-{self.region}"
        iam.CfnInstanceProfile(self, "Profile", instance_profile_name=profile, roles=[role.role_name])
        eks.CfnAccessEntry(self, "Access", cluster_name=cluster.ref, principal_arn=role.role_arn, type="EC2_LINUX")
        self.queue = sqs.Queue(
            self,
            "Interruptions",
            queue_name=given.prefix,
            retention_period=cdk.Duration.minutes(5),
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
        )
        for number, (kind, source) in enumerate(INTERRUPTIONS.items()):
            rule = events.Rule(
                self, f"Rule{number}", event_pattern=events.EventPattern(source=[source], detail_type=[kind])
            )
            rule.add_target(targets.SqsQueue(self.queue))
        statements = self._statements(given, cluster, role)
        pod_role(self, "Karpenter", cluster, "kube-system", "karpenter", statements)
        cdk.CfnOutput(self, "InstanceProfile", value=profile)

    def _statements(self, given: Environment, cluster: eks.CfnCluster, role: iam.Role) -> list[iam.PolicyStatement]:
        def ec2(*kinds: str, account: str = "*") -> list[str]:
            return [f"arn:{self.partition}:ec2:{self.region}:{account}:{kind}/*" for kind in kinds]

        def tagged(which: str) -> dict[str, dict[str, str]]:
            return {
                "StringEquals": {f"aws:{which}/kubernetes.io/cluster/{given.prefix}": "owned"},
                "StringLike": {f"aws:{which}/karpenter.sh/nodepool": "*"},
            }

        def allow(
            sid: str, actions: list[str], resources: list[str], conditions: dict[str, Any] | None = None
        ) -> iam.PolicyStatement:
            return iam.PolicyStatement(sid=sid, actions=actions, resources=resources, conditions=conditions)

        here = {"StringEquals": {"aws:RequestedRegion": self.region}}
        creation = tagged("RequestTag")
        return [
            allow(
                "StartFrom",
                CREATES[:2],
                [*ec2("image", "snapshot", account=""), *ec2("security-group", "subnet", "capacity-reservation")],
            ),
            allow("StartFromOwnTemplates", CREATES[:2], ec2("launch-template"), tagged("ResourceTag")),
            allow("Create", CREATES, ec2(*CREATED), creation),
            allow(
                "TagWhatIsCreated",
                ["ec2:CreateTags"],
                ec2(*CREATED),
                {
                    **creation,
                    "StringEquals": {
                        **creation["StringEquals"],
                        "ec2:CreateAction": ["RunInstances", "CreateFleet", "CreateLaunchTemplate"],
                    },
                },
            ),
            allow(
                "NameNodes",
                ["ec2:CreateTags"],
                ec2("instance"),
                {
                    **tagged("ResourceTag"),
                    "ForAllValues:StringEquals": {
                        "aws:TagKeys": ["eks:eks-cluster-name", "karpenter.sh/nodeclaim", "Name"]
                    },
                },
            ),
            allow(
                "Delete",
                ["ec2:TerminateInstances", "ec2:DeleteLaunchTemplate"],
                ec2("instance", "launch-template"),
                tagged("ResourceTag"),
            ),
            allow("See", ["ec2:Describe*"], ["*"], here),
            allow("SeePrices", ["pricing:GetProducts", "iam:GetInstanceProfile", "iam:ListInstanceProfiles"], ["*"]),
            allow(
                "SeeImages", ["ssm:GetParameter"], [f"arn:{self.partition}:ssm:{self.region}::parameter/aws/service/*"]
            ),
            allow(
                "HearOfInterruptions",
                ["sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"],
                [self.queue.queue_arn],
            ),
            allow(
                "GiveNodesTheirRole",
                ["iam:PassRole"],
                [role.role_arn],
                {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
            ),
            # A new account has no such role. EC2 makes it at the first spot node, if the caller may.
            allow(
                "MakeTheRoleOfSpotNodes",
                ["iam:CreateServiceLinkedRole"],
                ["*"],
                {"StringEquals": {"iam:AWSServiceName": "spot.amazonaws.com"}},
            ),
            allow("FindTheCluster", ["eks:DescribeCluster"], [cluster.attr_arn]),
        ]
