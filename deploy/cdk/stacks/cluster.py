"""The EKS cluster, its add-ons, its system nodes, and the roles that may use it."""

import json
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_eks as eks
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from stacks.environment import SERVICES, Environment
from stacks.identity import node_role
from stacks.logs import log_group

# In standard support until 2027-03-27. The charts are tested with the schemas of this version.
KUBERNETES = "1.35"
# Add-on → its configuration. Network policies are off by default.
ADDONS: dict[str, dict[str, Any]] = {
    "vpc-cni": {"enableNetworkPolicy": "true"},
    "kube-proxy": {},
    "coredns": {},
    "eks-pod-identity-agent": {},
    "metrics-server": {},
}
ADMINISTRATOR = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"


class Cluster(cdk.Stack):
    """A cluster that is called from inside the VPC, and from outside at the addresses of the environment only."""

    def __init__(
        self, scope: Construct, name: str, given: Environment, vpc: ec2.IVpc, key: kms.IKey, **options: Any
    ) -> None:
        super().__init__(scope, name, **options)
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("eks.amazonaws.com"),
            managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name("AmazonEKSClusterPolicy")],
        )
        key.grant_encrypt_decrypt(role)
        subnets = vpc.select_subnets(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS).subnet_ids
        self.control_plane = eks.CfnCluster(
            self,
            "ControlPlane",
            name=given.prefix,
            version=KUBERNETES,
            role_arn=role.role_arn,
            resources_vpc_config=eks.CfnCluster.ResourcesVpcConfigProperty(
                subnet_ids=subnets,
                endpoint_private_access=True,
                endpoint_public_access=True,
                public_access_cidrs=given.api_cidrs,
            ),
            kubernetes_network_config=eks.CfnCluster.KubernetesNetworkConfigProperty(service_ipv4_cidr=SERVICES),
            # The creator is the role of CloudFormation, so the administrators get access by name below.
            access_config=eks.CfnCluster.AccessConfigProperty(
                authentication_mode="API", bootstrap_cluster_creator_admin_permissions=False
            ),
            encryption_config=[
                eks.CfnCluster.EncryptionConfigProperty(
                    provider=eks.CfnCluster.ProviderProperty(key_arn=key.key_arn), resources=["secrets"]
                )
            ],
            logging=eks.CfnCluster.LoggingProperty(
                cluster_logging=eks.CfnCluster.ClusterLoggingProperty(
                    enabled_types=[
                        eks.CfnCluster.LoggingTypeConfigProperty(type=one) for one in ("api", "audit", "authenticator")
                    ]
                )
            ),
            upgrade_policy=eks.CfnCluster.UpgradePolicyProperty(support_type="STANDARD"),
            deletion_protection=not given.deletable,
        )
        log_group(self, given, f"/aws/eks/{given.prefix}/cluster", self.control_plane)
        for administrator in given.administrators:
            self._let_in(administrator)
        nodes = self._system_nodes(given, subnets)
        for addon, configuration in ADDONS.items():
            added = eks.CfnAddon(
                self,
                addon,
                addon_name=addon,
                cluster_name=given.prefix,
                configuration_values=json.dumps(configuration) if configuration else None,
                resolve_conflicts="OVERWRITE",
            )
            added.add_resource_dependency(self.control_plane)
            if addon in ("coredns", "metrics-server"):  # these run on nodes
                added.add_resource_dependency(nodes)
        self.security_group = ec2.SecurityGroup.from_security_group_id(
            self, "Group", self.control_plane.attr_cluster_security_group_id
        )
        cdk.CfnOutput(self, "Name", value=given.prefix)

    def _let_in(self, administrator: str) -> None:
        eks.CfnAccessEntry(
            self,
            f"Access{administrator}",
            cluster_name=self.control_plane.ref,
            principal_arn=f"arn:{self.partition}:iam::{self.account}:role/{administrator}",
            access_policies=[
                eks.CfnAccessEntry.AccessPolicyProperty(
                    policy_arn=ADMINISTRATOR,
                    access_scope=eks.CfnAccessEntry.AccessScopeProperty(type="cluster"),
                )
            ],
        )

    def _system_nodes(self, given: Environment, subnets: list[str]) -> eks.CfnNodegroup:
        """Adds nodes for the pods that must run before Karpenter can start nodes, and for those beside it."""
        template = ec2.CfnLaunchTemplate(
            self,
            "Machine",
            launch_template_data=ec2.CfnLaunchTemplate.LaunchTemplateDataProperty(
                # Pods have roles of their own, so they must not reach the role of their node.
                metadata_options=ec2.CfnLaunchTemplate.MetadataOptionsProperty(
                    http_tokens="required", http_put_response_hop_limit=1
                ),
                block_device_mappings=[
                    ec2.CfnLaunchTemplate.BlockDeviceMappingProperty(
                        device_name="/dev/xvda",
                        ebs=ec2.CfnLaunchTemplate.EbsProperty(volume_size=50, volume_type="gp3", encrypted=True),
                    )
                ],
            ),
        )
        return eks.CfnNodegroup(
            self,
            "System",
            cluster_name=self.control_plane.ref,
            version=KUBERNETES,  # otherwise the nodes would keep the version of their creation for ever
            node_role=node_role(self, "SystemRole").role_arn,
            subnets=subnets,
            instance_types=[given.system_instance],
            ami_type="AL2023_x86_64_STANDARD",
            labels={"rec-assets.io/profile": "system"},
            launch_template=eks.CfnNodegroup.LaunchTemplateSpecificationProperty(
                id=template.ref, version=template.attr_latest_version_number
            ),
            scaling_config=eks.CfnNodegroup.ScalingConfigProperty(
                min_size=given.system_nodes, desired_size=given.system_nodes, max_size=given.system_nodes + 1
            ),
            update_config=eks.CfnNodegroup.UpdateConfigProperty(max_unavailable=1),
        )
