"""Alarms of the services that Prometheus does not see, the way of all alarms to people, and the budget of the month."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_eks as eks
from aws_cdk import aws_elasticache as elasticache
from aws_cdk import aws_iam as iam
from aws_cdk import aws_rds as rds
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.environment import Environment
from stacks.identity import pod_role
from stacks.sizes import node_names

GIB = 2**30
FIVE_MINUTES = cdk.Duration.minutes(5)


class Alarms(cdk.Stack):
    """Messages by mail about Valkey, the database, unread interruptions, a silent Prometheus, and money."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        given: Environment,
        database: rds.DatabaseInstance,
        valkey: elasticache.CfnReplicationGroup,
        interruptions: sqs.Queue,
        cluster: eks.CfnCluster,
        **options: Any,
    ) -> None:
        super().__init__(scope, name, **options)
        self._topic = sns.Topic(self, "Topic", topic_name=given.prefix, enforce_ssl=True)
        self._topic.add_subscription(subscriptions.EmailSubscription(given.alarm_email))
        # Alertmanager sends an alert here that always fires, and nobody reads it: its absence is the alarm.
        self._heartbeat = sns.Topic(self, "Heartbeat", topic_name=f"{given.prefix}-heartbeat", enforce_ssl=True)
        self._let_alarms_send(cluster)
        for number, name in enumerate(node_names(given.valkey_shards, 2 if given.replicated else 1)):
            node = {"CacheClusterId": f"{valkey.ref}-{name}"}
            # Valkey evicts nothing: at 100 % it refuses events and features.
            self._alarm(f"ValkeyMemory{number}", _valkey("DatabaseMemoryUsagePercentage", node), 75)
            self._alarm(f"ValkeyProcessor{number}", _valkey("EngineCPUUtilization", node), 80)
        self._alarm("DatabaseDisk", database.metric_free_storage_space(period=FIVE_MINUTES), 4 * GIB, below=True)
        self._alarm("DatabaseProcessor", database.metric_cpu_utilization(period=FIVE_MINUTES), 85)
        age = interruptions.metric_approximate_age_of_oldest_message(period=FIVE_MINUTES)
        self._alarm("UnreadInterruptions", age, 120)
        beats = self._heartbeat.metric_number_of_messages_published(period=FIVE_MINUTES)
        self._alarm("PrometheusSilent", beats, 1, below=True, missing=cloudwatch.TreatMissingData.BREACHING)
        self._budget(given)

    def _let_alarms_send(self, cluster: eks.CfnCluster) -> None:
        """Lets CloudWatch and Alertmanager send. `enforce_ssl` replaces the policy that let CloudWatch."""
        topics = [self._topic.topic_arn, self._heartbeat.topic_arn]
        self._topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="Alarms",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
                actions=["sns:Publish"],
                resources=topics[:1],
            )
        )
        alerts = iam.PolicyStatement(sid="Alerts", actions=["sns:Publish"], resources=topics)
        pod_role(self, "Alerts", cluster, "monitoring", "alertmanager", [alerts])
        cdk.CfnOutput(self, "TopicArn", value=topics[0])
        cdk.CfnOutput(self, "HeartbeatArn", value=topics[1])

    def _alarm(
        self,
        name: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        *,
        below: bool = False,
        missing: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING,
    ) -> None:
        operator = cloudwatch.ComparisonOperator
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            threshold=threshold,
            evaluation_periods=3,
            comparison_operator=operator.LESS_THAN_THRESHOLD if below else operator.GREATER_THAN_THRESHOLD,
            treat_missing_data=missing,
        )
        alarm.add_alarm_action(actions.SnsAction(self._topic))

    def _budget(self, given: Environment) -> None:
        """Adds a budget for what carries the environment's tag, with a message at 80 % and at a forecast of 100 %."""
        receiver = budgets.CfnBudget.SubscriberProperty(subscription_type="EMAIL", address=given.alarm_email)
        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_name=given.prefix,
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=given.monthly_budget, unit="USD"),
                cost_filters={"TagKeyValue": [f"user:environment${given.name}"]},
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        comparison_operator="GREATER_THAN", notification_type=kind, threshold=share
                    ),
                    subscribers=[receiver],
                )
                for kind, share in (("ACTUAL", 80), ("FORECASTED", 100))
            ],
        )


def _valkey(name: str, node: dict[str, str]) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace="AWS/ElastiCache",
        metric_name=name,
        dimensions_map=node,
        statistic="Maximum",
        period=FIVE_MINUTES,
    )
