import polars as pl
import pytest

from rec_assets.preprocessing.vocabularies import NO_VALUE, UNSEEN_AGE, FitInputs, fit_inputs


def fitted(ages: list[float | None], genders: list[int]) -> FitInputs:
    count = len(ages)
    train = pl.LazyFrame(
        {
            "user_id": list(range(count, 0, -1)),
            "gender": genders,
            "device_type": [-1] * count,
            "age": ages,
        },
        schema_overrides={"age": pl.Float32},
    )
    items = pl.LazyFrame({"item_id": [7, 5], "category_l1": [1, 0], "category_l2": [3, 2], "item_gender": [-1, 0]})
    return fit_inputs(train, items)


def test_vocabularies_are_sorted_and_never_hold_the_unknown() -> None:
    inputs = fitted([20.0, 40.0, None], [1, -1, 0])
    assert {name: values.tolist() for name, values in inputs.vocabularies.items()} == {
        "user_id": [1, 2, 3],
        "gender": [0, 1],
        "top_category": [0, 1],
        "age_binned": [0, 1, 2, 3, 4, 5],
        "item_id": [5, 7],
        "category_l1": [0, 1],
        "category_l2": [2, 3],
        "item_gender": [0],
        "device_type": [NO_VALUE],
    }


@pytest.mark.parametrize(
    ("ages", "mean"), [([20.0, 40.0, None], 30.0), ([None, None], UNSEEN_AGE), ([float("nan"), 50.0], 50.0)]
)
def test_the_mean_age_is_that_of_known_ages(ages: list[float | None], mean: float) -> None:
    assert fitted(ages, [0] * len(ages)).mean_age == mean
