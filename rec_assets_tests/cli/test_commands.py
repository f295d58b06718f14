"""The commands of `rec …`, with their output and exit status."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from rec_assets.bundles.bundle import Bundle
from rec_assets.cli import app
from rec_assets.cli.demo import exports
from rec_assets.cli.local.watch import Watch
from rec_assets.realtime.recent_items import RecentItems
from rec_assets.realtime.trending import Trending
from rec_assets.settings import Settings, get_settings
from rec_assets.sources.base import RAW_USERS
from rec_assets.storage.stores import open_store
from rec_assets.storage.valkey import connect
from rec_assets_tests.realtime.state import drain, seen
from rec_assets_tests.servers import free_port

Rec = Callable[..., Result]
PORTS = ("valkey_port", "triton_grpc_port", "triton_metrics_port")


@pytest.fixture
def rec(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Settings], Rec]]:
    """Returns a function that makes `rec` for some settings; `rec` takes arguments as on a command line."""

    def under(settings: Settings) -> Rec:
        for name in ("home", *PORTS):
            monkeypatch.setenv(f"REC_{name.upper()}", str(getattr(settings, name)))
        get_settings.cache_clear()
        return lambda *words: CliRunner().invoke(app, [str(word) for word in words])

    yield under
    get_settings.cache_clear()


@pytest.fixture
def closed(tmp_path: Path, rec: Callable[[Settings], Rec]) -> Rec:
    """`rec` without running servers."""
    return rec(Settings.model_validate({"home": tmp_path, **{port: free_port() for port in PORTS}}))


@pytest.fixture
def open_shop(shop: Settings, rec: Callable[[Settings], Rec]) -> Rec:
    """`rec` with both servers running and a live bundle."""
    return rec(shop)


def test_help_needs_none_of_the_heavy_libraries() -> None:
    heavy = {"numpy", "polars", "tritonclient", "redis", "dagster", "pydantic_settings"}
    code = f"import sys, rec_assets.cli; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_watching_goes_on_until_ctrl_c(tmp_path: Path) -> None:
    ports = {f"REC_{port.upper()}": str(free_port()) for port in PORTS}
    command, variables = [f"{sys.prefix}/bin/rec", "watch"], os.environ | ports | {"REC_HOME": str(tmp_path)}
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and "Ctrl-C" in process.stdout.readline()
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


@pytest.mark.parametrize(("old", "new", "words"), [("flush", "forget", ["5"]), ("tidy", "prune", [])])
def test_the_old_name_of_a_command_works_and_warns(closed: Rec, old: str, new: str, words: list[str]) -> None:
    assert f"`rec {old}` is now `rec {new}`" in closed(old, *words).output


def test_help_lists_every_command_with_an_example(closed: Rec) -> None:
    commands = ("recommend", "seen", "forget", "trending", "worker", "storefront", "bundles", "promote", "rollback")
    for command in ("up", "status", *commands):
        assert command in closed("--help").output
        assert "Example: " in closed(command, "--help").output


@pytest.mark.parametrize(
    ("words", "explanation"),
    [
        (["recommend", "1", "--device", "watch"], "mobile"),
        (["recommend", "1", "--at", "teatime"], "2025-03-14T18:30"),
        (["recommend", "1", "-k", "0"], "equal to 1"),
        (["seen", "1"], "Missing argument"),
    ],
)
def test_a_wrong_argument_is_explained(closed: Rec, words: list[str], explanation: str) -> None:
    result = closed(*words)
    assert result.exit_code == 2
    assert explanation in result.stderr


@pytest.mark.parametrize("words", [["recommend", "anna"], ["seen", "1", "shoe"], ["forget", "anna"]])
def test_a_text_is_no_id_where_ids_are_numbers(closed: Rec, words: list[str]) -> None:
    result = closed(*words)
    assert result.exit_code == 1
    assert f"id '{words[-1]}' is not a number" in result.stderr


@pytest.mark.parametrize(
    "words", [["recommend", "1"], ["seen", "1", "2"], ["forget", "1"], ["trending"]], ids=lambda words: words[0]
)
def test_without_servers_every_command_says_how_to_start_them(closed: Rec, words: list[str]) -> None:
    result = closed(*words)
    assert result.exit_code == 1
    assert "rec up" in result.stderr
    assert "Traceback" not in result.output


def test_status_shows_stopped_servers_and_fails(closed: Rec) -> None:
    result = closed("status")
    assert result.exit_code == 1
    assert result.stdout.count("stopped") == 4


def test_down_where_nothing_runs_says_so(closed: Rec) -> None:
    names = ["supervisor", "worker", "triton", "valkey"]
    assert closed("down").stdout.splitlines() == [f"{name} was not running" for name in names]


def test_a_setting_that_cannot_be_read_is_named(closed: Rec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REC_VALKEY_PORT", "many")
    get_settings.cache_clear()
    result = closed("status")
    assert result.exit_code == 1
    assert "REC_VALKEY_PORT=many" in result.stderr


def test_an_unknown_variable_is_named_with_the_nearest_setting(closed: Rec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REC_TRAIN_DAY", "5")
    monkeypatch.setenv("REC_XQZ", "1")
    get_settings.cache_clear()
    warnings = closed("bundles").stderr
    assert "REC_TRAIN_DAY is no setting and has no effect. Did you mean REC_TRAIN_DAYS?" in warnings
    assert "REC_XQZ is no setting and has no effect.\n" in warnings


def test_next_steps_repeat_the_variables_but_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REC_HOME", "/some where")
    monkeypatch.setenv("REC_VALKEY_PASSWORD", "hidden")
    lines = exports()
    assert "export REC_HOME='/some where'" in lines and not any("hidden" in line for line in lines)


@pytest.mark.slow
def test_up_and_status_show_running_servers_with_the_live_version(open_shop: Rec, shop: Settings) -> None:
    try:
        assert open_shop("up").stdout.count("was already running") == 3
        result = open_shop("status")
    finally:
        Watch(shop).stop()  # other tests stop servers on purpose
    assert result.exit_code == 0
    assert "version 1" in result.stdout and "all servers answer" in result.stdout


@pytest.mark.slow
def test_recommendations_come_with_titles_and_prices(open_shop: Rec, shop_bundle: Bundle) -> None:
    result = open_shop("recommend", 3, "--device", "tablet", "--at", "2025-03-14T18:30Z", "-k", 4)
    assert result.exit_code == 0, result.output
    assert shop_bundle.bundle_id in result.stdout
    assert result.stdout.count("Item ") == 4


@pytest.mark.slow
def test_json_holds_the_list_for_other_programs(open_shop: Rec, shop_bundle: Bundle) -> None:
    answer = json.loads(open_shop("recommend", 3, "-k", 4, "--json").stdout)
    assert (answer["user_id"], answer["bundle_id"]) == (3, shop_bundle.bundle_id)
    scores = [item["score"] for item in answer["items"]]
    assert len(scores) == 4 and scores == sorted(scores, reverse=True)
    assert set(answer["items"][0]) == {"item_id", "title", "category_l1", "category_l2", "price", "score"}


@pytest.mark.slow
def test_a_user_id_beyond_32_bits_is_explained(open_shop: Rec) -> None:
    result = open_shop("recommend", 2**40)
    assert result.exit_code == 1
    assert "user_id must fit 32 bits" in result.stderr


@pytest.mark.slow
def test_seen_items_leave_the_list_and_flush_brings_them_back(open_shop: Rec) -> None:
    def listed() -> list[int]:
        answer = json.loads(open_shop("recommend", 7, "-k", 3, "--at", "2025-03-14T18:30", "--json").stdout)
        return [item["item_id"] for item in answer["items"]]

    before = listed()
    assert open_shop("seen", 7, *before).exit_code == 0
    assert not set(listed()) & set(before)
    assert "no longer filtered" in open_shop("forget", 7).stdout
    assert listed() == before


def test_what_was_bought_is_said_to_be_and_filtered_where_clicks_are_not(
    valkey: Settings, rec: Callable[[Settings], Rec], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REC_SEEN_FILTER", "bought")
    words, policy = rec(valkey), valkey.model_copy(update={"seen_filter": "bought"})
    assert words("seen", 7, 10).stdout.splitlines() == [
        "User 7 has clicked 1 more item.",
        "No worker runs: 1 event waits in the stream. Start one: rec worker, or rec up.",
    ]
    assert words("seen", 7, 13, 16, "--bought").stdout.startswith("User 7 has bought 2 more items.\n")
    drain(policy)
    assert [item for item, _ in RecentItems(connect(valkey)).latest(7)] == [16, 13, 10]
    assert seen(valkey, 7, [10, 13, 16]) == [13, 16]
    assert words("forget", 7).stdout.startswith("The seen items of user 7 are no longer filtered.\n")
    drain(policy)
    assert seen(valkey, 7, [10, 13, 16]) == []


def test_what_is_no_event_is_explained(valkey: Settings, rec: Callable[[Settings], Rec]) -> None:
    result = rec(valkey)("seen", 7, 2**40)
    assert result.exit_code == 1
    assert "item_id: " in result.stderr and "rec seen --help" in result.stderr


@pytest.mark.slow
def test_trending_shows_the_most_chosen_items_of_a_category(
    open_shop: Rec, shop: Settings, shop_bundle: Bundle
) -> None:
    popularity = shop_bundle.catalog().select("item_id", "category_l1", "category_l2").with_row_index("interactions", 1)
    Trending.connect(shop).replace(popularity)
    assert "Item 49" in open_shop("trending", "-k", 1).stdout
    assert "Item 48" in open_shop("trending", "--category", 0, "-k", 1).stdout
    assert "Nothing is trending in category 99" in open_shop("trending", "--category", 99).stdout


def test_prune_announces_and_deletes_old_days(
    tmp_path: Path, rec: Callable[[Settings], Rec], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path)
    store = open_store(settings)
    days = [f"2025-03-{day:02}" for day in range(1, 21)]
    for asset in ("raw_interactions", "joined_interactions"):
        for day in days:
            with store.publish(asset, day) as draft:
                (draft.path / "rows").write_text(day)
    assert "All days are kept" in rec(settings)("prune").output
    monkeypatch.setenv("REC_KEEP_DAYS", "15")
    announced = rec(settings)("prune", "--dry-run")
    assert "Would be deleted" in announced.output and store.partitions("joined_interactions") == days
    assert "joined_interactions" in rec(settings)("prune").output
    assert store.partitions("joined_interactions") == days[5:] and store.partitions("raw_interactions") == days
    assert "Nothing is older" in rec(settings)("prune").output
    monkeypatch.setenv("REC_KEEP_DAYS", "5")
    refused = rec(settings)("prune")
    assert refused.exit_code and "13 or more" in refused.output


def test_a_full_disk_is_explained_whatever_it_made_of_a_command(
    small_disk: Path, rec: Callable[[Settings], Rec]
) -> None:
    (small_disk / "home" / "artifacts").mkdir(parents=True)
    (small_disk / "home" / "dagster").mkdir()
    with suppress(OSError):
        (small_disk / "everything.else").write_bytes(bytes(8 << 20))
    refused = rec(Settings(home=small_disk / "home"))("promote", "1")
    assert refused.exit_code == 1
    assert "No space left on the disk of" in refused.output and "run the command again" in refused.output


def test_a_load_on_an_api_that_is_away_fails_with_the_first_reason(closed: Rec, tmp_path: Path) -> None:
    with open_store(Settings(home=tmp_path)).publish("raw_users", "all") as draft:
        pl.DataFrame({"user_id": [3, 4]}).write_parquet(draft.path / RAW_USERS)
    result = closed("load", f"http://127.0.0.1:{free_port()}", "--requests", "2", "--callers", "1")
    assert result.exit_code == 1
    assert "0 answers" in result.output
    assert "2 of 2 requests" in result.output and "ConnectionRefusedError" in result.output
