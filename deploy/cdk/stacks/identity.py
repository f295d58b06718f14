"""Roles of nodes and of pods."""

from typing import Any

from aws_cdk import aws_eks as eks
from aws_cdk import aws_iam as iam
from constructs import Construct

NODE_POLICIES = (
    "AmazonEKSWorkerNodePolicy",
    "AmazonEKS_CNI_Policy",
    "AmazonEC2ContainerRegistryPullOnly",
    "AmazonSSMManagedInstanceCore",
)


def node_role(scope: Construct, name: str, **options: Any) -> iam.Role:
    """Returns a role for EC2 instances that join the cluster."""
    policies = [iam.ManagedPolicy.from_aws_managed_policy_name(one) for one in NODE_POLICIES]
    return iam.Role(
        scope, name, assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"), managed_policies=policies, **options
    )


def pod_role(
    scope: Construct,
    name: str,
    cluster: eks.CfnCluster,
    namespace: str,
    account: str,
    statements: list[iam.PolicyStatement],
) -> None:
    """Gives a service account a role with these statements, and with no other right."""
    agent = iam.ServicePrincipal("pods.eks.amazonaws.com")
    role = iam.Role(scope, f"{name}Role", assumed_by=iam.SessionTagsPrincipal(agent))
    for statement in statements:
        role.add_to_policy(statement)
    eks.CfnPodIdentityAssociation(
        scope,
        f"{name}Identity",
        cluster_name=cluster.ref,
        namespace=namespace,
        service_account=account,
        role_arn=role.role_arn,
    )
