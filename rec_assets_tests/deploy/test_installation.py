"""Installs every environment: each chart accepts its values, and all charts mean the same stores."""

import re

import yaml

from rec_assets.settings import Settings
from rec_assets_tests.deploy.installation import OUTPUTS, VERSION, Installation
from rec_assets_tests.deploy.manifests import DEPLOY, problems_of

OWN = ["rec-platform", "rec-triton", "rec-services"]


def test_every_chart_is_installed_after_the_kinds_and_services_that_it_needs(installed: Installation) -> None:
    order = installed.releases.index
    for first, then in (
        ("karpenter", "rec-platform"),  # node pools
        ("kube-prometheus-stack", "rec-platform"),  # rules
        ("keda", "rec-triton"),  # scalers
        ("rec-platform", "dagster"),  # the account of steps
        ("dagster", "rec-services"),  # the configuration of the exporter
    ):
        assert order(first) < order(then)
    assert set(installed.manifests) == set(OWN)


def test_charts_from_elsewhere_have_a_version_and_values(installed: Installation) -> None:
    for command, release in zip(installed.commands, installed.releases, strict=True):
        if release not in OWN:
            assert re.search(r"--version \d+\.\d+\.\d+ ", command), command
        assert installed.values[release], release


def test_namespaces_and_secrets_exist_before_the_first_chart(installed: Installation) -> None:
    made = "\n".join(installed.kubectl)
    for namespace in ("rec-assets", "serving", "monitoring", "keda"):
        assert f"create namespace {namespace} " in made
    for namespace in ("rec-assets", "serving"):
        assert f"create secret generic rec-assets --namespace {namespace} " in made
    assert "--from-literal=postgresql-password=p4ss" in made
    assert (
        "create secret generic rec-api --namespace rec-assets " in made and "--from-literal=REC_API_KEYS=word" in made
    )


def test_no_variable_is_left_and_every_output_is_used(installed: Installation) -> None:
    text = yaml.safe_dump(installed.values)
    assert "${" not in text
    used = set(OUTPUTS) - {"Landing"} if installed.environment != "prod" else set(OUTPUTS)
    assert all(OUTPUTS[name] in text for name in used) and VERSION in text


def test_every_manifest_is_strictly_valid(installed: Installation) -> None:
    assert problems_of([one for release in OWN for one in installed.manifests[release]]) == []


def test_all_charts_mean_the_same_stores(installed: Installation) -> None:
    parts = installed.settings
    for name in (
        "REC_ARTIFACTS",
        "REC_FEAST_REGISTRY",
        "REC_VALKEY_HOST",
        "REC_VALKEY_CLUSTER",
        "REC_VALKEY_TLS",
        "AWS_REGION",
    ):
        assert len({settings[name] for settings in parts.values()}) == 1, name


def test_every_variable_is_a_setting_and_takes_its_value(installed: Installation) -> None:
    for settings in installed.settings.values():
        given = {
            name.removeprefix("REC_").lower(): value for name, value in settings.items() if name.startswith("REC_")
        }
        assert given.keys() <= Settings.model_fields.keys()
        assert not [name for name in given if Settings.model_fields[name].exclude]
        Settings.model_validate(given)


def test_the_days_of_a_real_shop_have_no_end(installed: Installation) -> None:
    given = installed.settings["dagster"]
    ours = {name.removeprefix("REC_").lower(): given[name] for name in given if name.startswith("REC_")}
    settings = Settings.model_validate(ours)
    assert (settings.days == 0) == (settings.source == "files") == (installed.environment == "prod")


def test_every_environment_writes_and_promotes(installed: Installation) -> None:
    code = installed.merged("dagster")["dagster-user-deployments"]["deployments"][0]
    assert code["env"]["REC_TRITON_REPLICAS"] == "rec-triton-replicas.serving.svc.cluster.local"
    assert code["env"]["REC_ARTIFACTS"] == f"s3://{OUTPUTS['Artifacts']}/artifacts"
    assert code["envSecrets"] == [{"name": "rec-assets"}] and code["includeConfigInLaunchedRuns"] == {"enabled": True}
    run = installed.merged("dagster")["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]
    for labels in (code["labels"], run["podTemplateSpecMetadata"]["labels"]):
        assert labels["rec-assets.io/promotes"] == "true"


def test_the_probe_of_dagsters_webserver_calls_the_port_that_it_listens_on(installed: Installation) -> None:
    # The chart writes the probe as it is, with its own port by default, and waits until it succeeds.
    webserver = installed.merged("dagster")["dagsterWebserver"]
    assert webserver["readinessProbe"]["httpGet"] == {"path": "/server_info", "port": webserver["service"]["port"]}


def test_monitors_and_rules_have_the_labels_that_the_operator_selects(installed: Installation) -> None:
    spec = installed.merged("kube-prometheus-stack")["prometheus"]["prometheusSpec"]
    kinds = {"PodMonitor": "podMonitorSelector", "PrometheusRule": "ruleSelector"}
    found = [one for release in OWN for one in installed.manifests[release] if one["kind"] in kinds]
    assert sorted(one["kind"] for one in found) == ["PodMonitor", "PodMonitor", "PodMonitor", "PrometheusRule"]
    for one in found:
        assert spec[kinds[one["kind"]]]["matchLabels"].items() <= one["metadata"]["labels"].items()


def test_the_rules_and_the_dashboard_are_those_of_the_folder(installed: Installation) -> None:
    (rule,) = (one for one in installed.manifests["rec-platform"] if one["kind"] == "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((DEPLOY / "monitoring/rules.yaml").read_text())
    (dashboard,) = (one for one in installed.manifests["rec-platform"] if one["kind"] == "ConfigMap")
    assert list(dashboard["data"].values()) == [(DEPLOY / "monitoring/dashboard.json").read_text()]


def test_accounts_of_pods_are_those_that_have_a_role(installed: Installation) -> None:
    roles = (DEPLOY / "cdk/stacks/roles.py").read_text()
    with_role = set(re.findall(r'\("(rec-assets|serving)", "(rec-\w+)"\):', roles))
    made = {
        (one["metadata"]["namespace"], one["metadata"]["name"])
        for release in OWN
        for one in installed.manifests[release]
        if one["kind"] == "ServiceAccount"
    }
    dagster = ("rec-assets", installed.merged("dagster")["global"]["serviceAccountName"])
    assert made | {dagster} == with_role
    assert ("rec-assets", installed.settings["dagster"]["REC_POD_SERVICE_ACCOUNT"]) in made
