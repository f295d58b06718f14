"""Opens the offline log: in the bucket of the artifact store, or in files below the home."""

from rec_assets.realtime.log.behavior_log import BehaviorLog
from rec_assets.settings import Settings


def open_log(settings: Settings, worker: str = "") -> BehaviorLog:
    """Opens the log of the settings; `worker` is the name of the writing worker, and readers need none.

    Raises:
        ActionableError: `artifacts` is an invalid bucket URL.
    """
    if not settings.artifacts:
        return BehaviorLog.of(settings, worker)
    from rec_assets.realtime.log.bucket_log import BucketLog  # boto3 is slow to import

    return BucketLog(settings, worker)
