"""A shop whose rows lie in a real Postgres database."""

import glob
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psycopg2  # type: ignore[import-untyped]
import pytest

from rec_assets.common.errors import ActionableError
from rec_assets.sources.shop.mapping import Shop
from rec_assets_tests.servers import free_port
from rec_assets_tests.sources.shop.opened import opened
from rec_assets_tests.tools import require_tool
from rec_assets_tests.waiting import wait_until

# Debian keeps the server's programs out of PATH.
PROGRAMS = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
ORDERS = """
CREATE TABLE orders (customer text, sku text, bought_at timestamptz, note text);
INSERT INTO orders VALUES
  ('u-1', '007', '2025-03-03 23:30:00+00', 'a "quoted", comma'),
  ('u-2', '008', '2025-03-04 10:00:00+00', NULL),
  ('u-1', '008', '2025-03-04 11:00:00+02', '');
CREATE TABLE products (sku text, name text, price numeric, active boolean);
INSERT INTO products VALUES ('007', 'Tea', 2.50, true), ('008', 'Pot', 12, false);
"""


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """Starts a Postgres on a free port and returns the address of a database with orders and products."""
    programs = os.pathsep.join([*PROGRAMS, os.environ["PATH"]])
    initdb, postgres = shutil.which("initdb", path=programs), shutil.which("postgres", path=programs)
    if initdb is None or postgres is None:
        require_tool("postgres")
    assert initdb and postgres
    # Postgres refuses to run as root, and other users cannot enter pytest's folders.
    owner = "nobody" if os.getuid() == 0 else None
    folder, port = Path(tempfile.mkdtemp(prefix="rec-postgres-")), free_port()
    if owner:
        shutil.chown(folder, owner)
    data, quiet = folder / "data", subprocess.DEVNULL
    make = [initdb, "-D", str(data), "-U", "shop", "--auth=trust", "--no-sync"]
    subprocess.run(make, check=True, user=owner, stdout=quiet, cwd=folder)
    command = [postgres, "-D", str(data), "-p", str(port), "-k", str(folder), "-h", "127.0.0.1", "-F"]
    with subprocess.Popen(command, user=owner, stdout=quiet, stderr=quiet, cwd=folder) as server:
        address = f"postgresql://shop@127.0.0.1:{port}/postgres"
        session = wait_until(lambda: psycopg2.connect(address), ignore=psycopg2.OperationalError)
        with session, session.cursor() as cursor:
            cursor.execute(ORDERS)
        session.close()
        yield address
        server.terminate()
    shutil.rmtree(folder)


def shop_of(database: str, query: str = "SELECT * FROM orders;") -> Shop:
    """Returns a mapping of both tables."""
    return Shop.model_validate(
        {
            "name": "teas",
            "days": {"first": "2025-03-03", "count": 2, "train": 1, "valid": 1},
            "interactions": {
                "database": database,
                "query": query,
                "user": "customer",
                "item": "sku",
                "time": "bought_at",
            },
            "items": {
                "database": database,
                "query": "SELECT * FROM products",
                "item": "sku",
                "title": "name",
                "price": "price",
                "available": "active",
            },
        }
    )


def test_orders_and_products_of_a_database_become_days_and_a_catalog(database: str, tmp_path: Path) -> None:
    source = opened(shop_of(database), tmp_path)
    days = [source.interactions(date(2025, 3, day)) for day in (3, 4)]
    assert [day.height for day in days] == [1, 2]
    items = source.items()
    assert sorted(items["price"].to_list()) == [2.5, 12.0]
    texts = source.catalog()
    assert sorted(texts["title"].to_list()) == ["Pot", "Tea"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT * FROM nothing", r'refuses the query .*relation "nothing" does not exist'),
        ("SELECT * FROM orders WHERE", "refuses the query .*syntax error"),
    ],
)
def test_a_wrong_query_is_explained(database: str, query: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ActionableError, match=message):
        opened(shop_of(database, query), tmp_path)


def test_a_query_cannot_change_the_shop_s_database(database: str, tmp_path: Path) -> None:
    with pytest.raises(ActionableError, match="read-only transaction"):
        opened(shop_of(database, "DELETE FROM orders RETURNING *"), tmp_path)


def test_an_unreachable_database_is_named_without_its_password(tmp_path: Path) -> None:
    address = f"postgresql://shop:geheim@127.0.0.1:{free_port()}/postgres"
    with pytest.raises(ActionableError, match=r"127\.0\.0\.1 is not reachable .*refused") as refused:
        opened(shop_of(address), tmp_path)
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"database": "postgresql://db/shop", "query": ""}, "no `query`"),
        ({"database": "mysql://db/shop", "query": "SELECT 1"}, "must be an address such as"),
    ],
)
def test_a_database_needs_a_query_and_an_address(entry: dict[str, str], message: str) -> None:
    given = shop_of("postgresql://db/shop").model_dump()
    given["interactions"] |= entry
    with pytest.raises(ValueError, match=message):
        Shop.model_validate(given)
