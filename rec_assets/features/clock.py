"""Time of day and day of week as points on a circle. Training and serving share this definition."""

import numpy as np
import numpy.typing as npt

from rec_assets.common.units import DAY_SECONDS, HOUR_SECONDS

FEATURES = ("hour_sine", "hour_cosine", "day_of_week_sine", "day_of_week_cosine")
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0


def clock_features(timestamps: npt.ArrayLike) -> dict[str, npt.NDArray[np.float32]]:
    """Maps the hour of day (0-23) and the weekday (Monday 0), both UTC, to the unit circle.

    Args:
        timestamps: unix seconds, integers [n].

    Returns:
        `FEATURES` by name, float32 [n] in [-1, 1]: sine and cosine of 2π hour / 24 and of 2π weekday / 7.
    """
    seconds = np.asarray(timestamps, np.int64)
    hour = 2 * np.pi * (seconds % DAY_SECONDS // HOUR_SECONDS) / 24
    weekday = 2 * np.pi * ((seconds // DAY_SECONDS + _EPOCH_WEEKDAY) % 7) / 7
    circles = (np.sin(hour), np.cos(hour), np.sin(weekday), np.cos(weekday))
    return {name: values.astype(np.float32) for name, values in zip(FEATURES, circles, strict=True)}
