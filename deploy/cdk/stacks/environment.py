"""The values of an environment, read from its file."""

import tomllib
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Self

# Addresses of Kubernetes services. No VPC may contain them.
SERVICES = "172.20.0.0/16"
EVERYWHERE = "0.0.0.0/0"


@dataclass(frozen=True)
class Environment:
    """Values that differ between environments.

    Attributes:
        name: name of the file, `dev`.
        region: AWS region.
        zones: at least two availability zones of the region.
        cidr: addresses of the VPC, a /16.
        api_cidrs: addresses that may call the cluster's public endpoint.
        administrators: names of IAM roles of the account that may change the cluster.
        alarm_email: receiver of alarms and of the budget's messages.
        monthly_budget: US dollars.
        users: number of users with a full history; decides the size of Valkey.
        nat_gateways: number of NAT gateways.
        interface_endpoints: True if ECR, STS, Glue, Athena and CloudWatch are called without the NAT gateways.
        system_instance: EC2 type of the nodes for Karpenter, Dagster and monitoring.
        system_nodes: number of these nodes.
        database_instance: RDS class without `db.`.
        replicated: True if database and Valkey have a second copy in another zone.
        valkey_shards: number of shards of Valkey. More than one is cluster mode, which `deploy/charts` tells the
            charts.
        deletable: True if the stacks may be deleted, with the data of the database and Valkey.
    """

    name: str
    region: str
    zones: list[str]
    cidr: str
    api_cidrs: list[str]
    administrators: list[str]
    alarm_email: str
    monthly_budget: int
    users: int
    nat_gateways: int
    interface_endpoints: bool
    system_instance: str
    system_nodes: int
    database_instance: str
    replicated: bool
    deletable: bool
    valkey_shards: int = 1

    @property
    def prefix(self) -> str:
        """First part of every name, and the name of the cluster."""
        return f"rec-{self.name}"

    def checked(self) -> Self:
        """Returns itself.

        Raises:
            ValueError: a value cannot be meant; the message has the next step.
        """
        vpc = ip_network(self.cidr)
        if vpc.prefixlen != 16 or vpc.overlaps(ip_network(SERVICES)):
            raise ValueError(f"cidr is wrong ({self.cidr}). Choose a private /16 outside {SERVICES}.")
        if len(self.zones) < 2:
            raise ValueError(f"zones has too few entries ({self.zones}). EKS and RDS need two.")
        if not self.api_cidrs or EVERYWHERE in self.api_cidrs:
            raise ValueError(f"api_cidrs is wrong ({self.api_cidrs}). List the addresses of your office or VPN.")
        if not self.administrators:
            raise ValueError("administrators is empty. List an IAM role; else nobody can use the cluster.")
        return self


def read(file: Path) -> Environment:
    """Reads an environment from a TOML file; raises as `Environment.checked`, and TypeError for a wrong name."""
    values: dict[str, Any] = tomllib.loads(file.read_text())
    return Environment(name=file.stem, **values).checked()
