"""Values of an environment that cannot be meant are refused before a template is made."""

import re
from pathlib import Path
from runpy import run_path

import pytest

from rec_assets_tests.deploy.manifests import DEPLOY

STACKS = DEPLOY / "cdk/stacks"
WRONG = {
    'cidr = "10.40.0.0/20"': "cidr is wrong",
    'cidr = "172.20.0.0/16"': "cidr is wrong",
    'api_cidrs = ["0.0.0.0/0"]': "api_cidrs is wrong",
    "administrators = []": "administrators is empty",
    'zones = ["eu-central-1a"]': "zones has too few",
}


@pytest.mark.parametrize("line", sorted(WRONG))
def test_values_that_cannot_be_meant_are_refused(line: str, tmp_path: Path) -> None:
    name = line.partition(" ")[0]
    right = (DEPLOY / "cdk/environments/dev.toml").read_text()
    (tmp_path / "dev.toml").write_text(re.sub(rf"^{name} = .*$", line, right, flags=re.M))
    with pytest.raises(ValueError, match=WRONG[line]):
        run_path(str(STACKS / "environment.py"))["read"](tmp_path / "dev.toml")


def test_more_users_than_one_shard_holds_are_refused() -> None:
    node_for = run_path(str(STACKS / "sizes.py"))["node_for"]
    assert node_for(20_000) == "cache.t4g.small"
    with pytest.raises(ValueError, match="too large for one shard"):
        node_for(100_000_000)
