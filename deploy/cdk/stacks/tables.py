"""Columns of the tables that Athena reads, beside their timestamp and their partition."""

TIMESTAMP = "event_timestamp"
PARTITION = "day"
TABLES = {
    "user_features": {"user_id": "int", "age": "int", "gender": "int", "top_category": "int"},
    "item_features": {
        "item_id": "int",
        "price": "float",
        "category_l1": "int",
        "category_l2": "int",
        "item_gender": "int",
    },
}


def columns_of(table: str) -> dict[str, str]:
    """Returns all columns of a table that its files contain, with their types in Hive's notation."""
    return {**TABLES[table], TIMESTAMP: "timestamp"}
