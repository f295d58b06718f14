"""VPC with public, private and isolated subnets, and the endpoints of AWS services."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from stacks.environment import Environment

ENDPOINTS = {
    "EcrApi": ec2.InterfaceVpcEndpointAwsService.ECR,
    "EcrImages": ec2.InterfaceVpcEndpointAwsService.ECR_DOCKER,
    "Sts": ec2.InterfaceVpcEndpointAwsService.STS,
    "Glue": ec2.InterfaceVpcEndpointAwsService.GLUE,
    "Athena": ec2.InterfaceVpcEndpointAwsService.ATHENA,
    "Logs": ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
}


class Network(cdk.Stack):
    """Nodes are in private subnets. Only NAT gateways are in public ones. Databases have no route to the internet."""

    def __init__(self, scope: Construct, name: str, given: Environment, **options: Any) -> None:
        super().__init__(scope, name, **options)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            vpc_name=given.prefix,
            ip_addresses=ec2.IpAddresses.cidr(given.cidr),
            availability_zones=given.zones,
            nat_gateways=given.nat_gateways,
            # This option would add a function of the CDK's own. No resource here uses the default group.
            restrict_default_security_group=False,
            subnet_configuration=[
                # An address of a pod is an address of its subnet: 8,000 of them in each zone.
                ec2.SubnetConfiguration(name="nodes", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=19),
                ec2.SubnetConfiguration(
                    name="gateways", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=24, map_public_ip_on_launch=False
                ),
                ec2.SubnetConfiguration(name="data", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=24),
            ],
        )
        for subnet in self.vpc.private_subnets:
            cdk.Tags.of(subnet).add("karpenter.sh/discovery", given.prefix)
            cdk.Tags.of(subnet).add("kubernetes.io/role/internal-elb", "1")
        # Free, and the way of all artifacts and image layers.
        self.vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
        if given.interface_endpoints:
            for endpoint, service in ENDPOINTS.items():
                self.vpc.add_interface_endpoint(endpoint, service=service)
        cdk.CfnOutput(self, "VpcId", value=self.vpc.vpc_id)
        cdk.CfnOutput(self, "Cidr", value=given.cidr)


def only_from(
    scope: Construct, name: str, vpc: ec2.IVpc, source: ec2.ISecurityGroup, port: int, what: str
) -> ec2.SecurityGroup:
    """Returns a security group that the nodes reach at one TCP port, and that reaches nothing."""
    group = ec2.SecurityGroup(scope, name, vpc=vpc, description=f"{what} of rec-assets", allow_all_outbound=False)
    group.add_ingress_rule(source, ec2.Port.tcp(port), f"pods call {what}")
    return group
