"""Log groups of AWS services, made before the services make them."""

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.environment import Environment

KEPT = logs.RetentionDays.ONE_MONTH


def log_group(scope: Construct, given: Environment, name: str, service: Construct) -> None:
    """Adds the log group that a service writes to, before the service.

    A service makes a missing group itself, and such a group keeps its logs for ever.

    Args:
        scope: the stack of the service.
        given: values of the environment.
        name: the name that AWS gives the group of this service.
        service: the resources that must wait for the group.
    """
    removal = cdk.RemovalPolicy.DESTROY if given.deletable else cdk.RemovalPolicy.RETAIN
    group = logs.LogGroup(scope, "Logs", log_group_name=name, retention=KEPT, removal_policy=removal)
    service.node.add_dependency(group)
