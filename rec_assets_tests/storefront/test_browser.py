"""The storefront in a real browser with real servers: loading, clicks, filtered items, and servers that are down."""

from collections import Counter
from collections.abc import Iterator

import polars as pl
import pytest
from playwright.sync_api import Page, expect

from rec_assets.bundles.bundle import Bundle
from rec_assets.cli.local.worker import Worker
from rec_assets.serving.client import Client
from rec_assets.settings import Settings
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets_tests.pipeline import Pipeline
from rec_assets_tests.servers import free_port
from rec_assets_tests.storefront.conftest import Open, Serve, settled
from rec_assets_tests.waiting import wait_until

pytestmark = pytest.mark.slow

HOSTILE = "<script>window.hacked=1</script><img src=x onerror='window.hacked=2'>\"'&{{7*7}}"


@pytest.fixture
def address(pipeline: Pipeline, serve: Serve) -> Iterator[str]:
    yield serve(pipeline.settings)


def shown(page: Page) -> list[str]:
    return [card.get_attribute("data-item") or "" for card in page.locator("#mine .card").all()]


def act(page: Page, selector: str) -> None:
    """Clicks an element that requests another list, and waits for the list."""
    with page.expect_response(lambda response: "/list?" in response.url):
        page.locator(selector).first.click()
    settled(page)


def visit(page: Page, user: int) -> None:
    with page.expect_response(lambda response: "/list?" in response.url):
        if page.input_value("#user") == str(user):
            page.dispatch_event("#user", "change")
        else:
            page.fill("#user", str(user))
            page.press("#user", "Tab")  # the change event needs the field to lose the focus
    settled(page)


def test_the_page_shows_items_with_images_prices_scores_and_reasons_and_what_made_them(
    address: str, pipeline: Pipeline, open_page: Open
) -> None:
    page = open_page(address)
    assert len(shown(page)) == 12
    first = page.locator("#mine .card").first
    expect(first.locator(".title")).not_to_be_empty()
    expect(first.locator(".price")).not_to_be_empty()
    expect(first.locator(".why")).to_contain_text("%")
    expect(first.locator(".why")).to_contain_text("retrieved")
    page.wait_for_function(
        "[...document.querySelectorAll('#mine img')].slice(0, 4).every(one => one.complete && one.naturalWidth)"
    )
    expect(page.locator("#made")).to_contain_text(Client(pipeline.settings).recommend(1).bundle_id)
    expect(page.locator("#made")).to_contain_text("built")
    expect(page.locator("#made .agrees")).to_have_text("same list")
    assert page.locator("#made tr").count() == 14
    assert page.locator("#trending li").count() == 8
    expect(page.locator("#cold-visitor li")).to_have_count(6)
    expect(page.locator(".problem")).to_have_count(0)


def test_the_list_on_the_page_is_what_triton_answers(address: str, pipeline: Pipeline, open_page: Open) -> None:
    page = open_page(address)
    at = int(page.get_attribute("body", "data-at") or 0)
    user = int(page.input_value("#user"))
    assert shown(page) == [str(item) for item in Client(pipeline.settings).recommend(user, "desktop", at, 12).ids]


def test_an_anonymous_user_gets_another_list_on_another_device_and_at_another_time(
    address: str, open_page: Open
) -> None:
    page = open_page(address)
    visit(page, -1)
    desktop = shown(page)
    act(page, "input[name=device][value=mobile] + span")
    mobile = shown(page)
    with page.expect_response(lambda response: "/list?" in response.url):
        page.fill("#at", "2025-03-08T21:30")
        page.dispatch_event("#at", "change")
    settled(page)
    assert desktop != mobile != shown(page)


def test_a_clicked_item_disappears_and_comes_back_when_it_is_forgotten(
    address: str, pipeline: Pipeline, open_page: Open
) -> None:
    page = open_page(address)
    visit(page, 11)
    before = shown(page)
    act(page, f".look[data-item='{before[0]}']")
    assert before[0] not in shown(page)
    expect(page.locator("#notice")).to_contain_text("Applied in")
    expect(page.locator("#mine .move").filter(has_text="▲").first).to_be_visible()
    expect(page.locator("#around h3")).to_have_text(["Similar", "Bought together", "Completes the cart"])
    similar = [str(item) for item in Client(pipeline.settings).similar(before[0], 8).ids]
    around = page.locator("#around .shelf").first.locator("li").all()
    assert [one.get_attribute("data-item") for one in around] == similar
    act(page, f".buy[data-item='{before[1]}']")
    assert not set(before[:2]) & set(shown(page))
    expect(page.locator("#shopper .strip img")).not_to_have_count(0)
    with page.expect_response(lambda response: "/list?" in response.url):
        page.click("#flush")
    settled(page)
    expect(page.locator("#taste")).to_have_text("none yet")
    assert before[0] in shown(page)


def test_a_newcomer_who_clicks_one_kind_of_item_sees_more_of_it(address: str, open_page: Open) -> None:
    page = open_page(address)
    act(page, "#newcomer")
    assert int(page.input_value("#user")) >= 1_000_000_000
    expect(page.locator("#taste")).to_have_text("none yet")
    before = Counter(page.locator("#mine .card .row .tag").all_text_contents())
    kind = before.most_common()[-1][0]
    for _ in range(3):
        card = page.locator("#mine .card", has=page.locator(f".row .tag:text-is('{kind}')")).first
        if not card.count():
            break
        with page.expect_response(lambda response: "/list?" in response.url):
            card.locator(".look").click()
        settled(page)
    expect(page.locator("#taste")).to_have_text(kind)
    after = Counter(page.locator("#mine .card .row .tag").all_text_contents())
    assert after[kind] > before[kind]
    expect(page.locator("#mine .match").first).to_be_visible()


def test_diversity_draws_another_list_and_the_cold_visitor_can_be_sent_away(address: str, open_page: Open) -> None:
    page = open_page(address)
    sorted_list = shown(page)
    lists = []
    act(page, "#diversity + span")
    for _ in range(3):
        lists.append(shown(page))
        visit(page, int(page.input_value("#user")))
    assert any(one != sorted_list for one in lists)
    expect(page.locator("#made .differs")).to_have_count(0)
    act(page, "#cold + span")
    expect(page.locator("#cold-visitor")).to_have_count(0)


def test_trending_can_be_asked_for_by_category(address: str, open_page: Open) -> None:
    page = open_page(address)
    titles = page.locator("#trending .title")
    everywhere = titles.all_text_contents()
    with page.expect_response(lambda response: "/trending?category=" in response.url):
        page.select_option("#category", index=2)
    expect(titles).not_to_have_text(everywhere)
    expect(titles).not_to_have_count(0)


def test_it_fits_a_phone(address: str, open_page: Open) -> None:
    page = open_page(address, width=375)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    boxes = [card.bounding_box() for card in page.locator("#mine .card").all()[:2]]
    assert boxes[0] and boxes[1] and boxes[0]["y"] == boxes[1]["y"], "two in a row"


def test_without_a_worker_it_says_so_and_clicks_wait(address: str, pipeline: Pipeline, open_page: Open) -> None:
    page, worker = open_page(address), Worker(pipeline.settings)
    visit(page, 13)
    item = shown(page)[0]
    stream = Client(pipeline.settings).events
    worker.stop()
    try:
        wait_until(lambda: stream.state().workers == 0)
        visit(page, 13)
        expect(page.locator(".problem")).to_contain_text("No worker runs")
        act(page, f".look[data-item='{item}']")
        expect(page.locator("#notice")).to_contain_text("waiting for a worker")
    finally:
        worker.start()
    wait_until(lambda: not stream.state().waiting + stream.state().taken)
    visit(page, 13)
    assert item not in shown(page)
    expect(page.locator(".problem")).to_have_count(0)


def test_without_servers_it_says_what_is_wrong_and_what_to_do(
    pipeline: Pipeline, serve: Serve, open_page: Open
) -> None:
    away = pipeline.settings.model_copy(update={"triton_grpc_port": free_port(), "valkey_port": free_port()})
    page = open_page(serve(away), expect_errors=True)
    problems = page.locator("#list .problem")
    expect(problems).to_have_count(2)
    expect(problems.nth(0)).to_contain_text(f"Triton does not answer at 127.0.0.1:{away.triton_grpc_port}")
    expect(problems.nth(1)).to_contain_text(f"Valkey does not answer at 127.0.0.1:{away.valkey_port}")
    expect(problems.nth(0)).to_contain_text("rec up")
    expect(page.locator("#trending .problem")).to_contain_text("Valkey does not answer")
    assert shown(page) == []


def test_without_valkey_lists_still_come_and_a_click_says_why_it_is_not_taken(
    pipeline: Pipeline, serve: Serve, open_page: Open
) -> None:
    away = pipeline.settings.model_copy(update={"valkey_port": free_port()})
    page = open_page(serve(away), expect_errors=True)
    assert len(shown(page)) == 12
    page.locator("#mine .look").first.click()
    expect(page.locator("#notice")).to_contain_text("Valkey does not answer")


@pytest.fixture
def hostile(shop: Settings, shop_bundle: Bundle) -> Settings:
    """A shop whose catalog contains hostile titles."""
    items = shop_bundle.catalog().with_columns(title=pl.lit(HOSTILE))
    with ArtifactStore(shop.artifacts_dir).publish("raw_items") as draft:
        items.write_parquet(draft.path / "items.parquet")
        (draft.path / "item_images").mkdir()
    return shop


def test_hostile_text_is_shown_as_the_text_that_it_is(hostile: Settings, serve: Serve, open_page: Open) -> None:
    page = open_page(serve(hostile))
    visit(page, 5)
    assert len(shown(page)) == hostile.ranking_topk
    expect(page.locator("#mine .card .title").first).to_have_text(HOSTILE)
    page.locator("#mine .look").first.click()
    expect(page.locator("#notice")).to_contain_text("Applied")
    settled(page)
    assert page.evaluate("window.hacked") is None
