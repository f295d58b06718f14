import polars as pl

from rec_assets.datasets.finetune_set import extend_lookups
from rec_assets.inference.lookups import FIRST_KNOWN
from rec_assets_tests.serving.synthetic import make_catalog, make_lookups


def test_new_items_get_codes_after_the_fitted_ones_in_order_of_their_ids() -> None:
    fitted = make_lookups(make_catalog(3), users=4)  # items 10, 13, 16
    catalog = pl.DataFrame({"item_id": [14, 10, 5, 16]})
    extended = extend_lookups(fitted, catalog)
    assert extended.vocabularies["item_id"].tolist() == [10, 13, 16, 5, 14]
    assert extended.encode("item_id", [10, 13, 16, 5, 14]).tolist() == [FIRST_KNOWN + n for n in range(5)]
    assert extended.vocabularies["user_id"] is fitted.vocabularies["user_id"]
    assert fitted.vocabularies["item_id"].tolist() == [10, 13, 16]
