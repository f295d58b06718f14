"""An excerpt of a real shop's export through `rec init` and `rec check`; `benchmarks/test_zoo.py` trains on it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from rec_assets.cli import app
from rec_assets.settings import Settings, get_settings
from rec_assets.sources import Codes, read_day, read_items, read_users, shop_source

EXPORT = Path(__file__).parent / "online_retail" / "online_retail.csv.gz"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a mapping of the export."""
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()
    monkeypatch.setattr("rec_assets.cli.console.load_settings", Settings)
    result = CliRunner().invoke(app, ["init", str(EXPORT)])
    assert result.exit_code == 0, result.output
    assert "user: CustomerID\n" in result.output and "absent: category, images" in result.output
    get_settings.cache_clear()
    return tmp_path


def test_the_check_reads_everything_and_names_what_is_missing(folder: Path) -> None:
    result = CliRunner().invoke(app, ["check"])
    assert result.exit_code == 0, result.output
    assert "2011-10-31 to 2011-11-13 (14, of which 2 have no rows)" in result.output
    assert "350 in the catalog, 350 with interactions" in result.output
    assert "exact duplicates" in result.output and "No categories" in result.output


def test_every_row_arrives_with_its_own_ids(folder: Path) -> None:
    settings = Settings(home=folder)
    source = shop_source(settings)
    source.codes = Codes.empty().extended(source.identifiers())
    items, users = read_items(source).frame, read_users(source).frame
    days = [settings.start_date + (settings.end_date - settings.start_date) * n / 14 for n in range(14)]
    reports = [read_day(source, day, items["item_id"], users["user_id"]).report for day in days]
    assert sum(report.rows_in for report in reports) == 14_221
    assert sum(report.unknown_items_dropped + report.unknown_users for report in reports) == 0
    assert source.codes.encode("user", source.codes.decode("user", users["user_id"])).equals(users["user_id"])
    assert 12_748 in users["user_id"] and "85123A" in source.codes.decode("item", items["item_id"])
