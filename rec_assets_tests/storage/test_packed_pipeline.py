import pytest
import redis

from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect
from rec_assets.storage.valkey.packed_pipeline import PackedTransaction, pipeline_by_user


def test_commands_are_applied_together_and_answered_as_redis_py_does(valkey: Settings) -> None:
    client = connect(valkey)
    found = []
    for key, pipeline in (("a", client.pipeline()), ("b", PackedTransaction(client))):
        with pipeline:
            pipeline.zadd(key, {"x": 1.5, "y": 2})
            pipeline.hset(f"h{key}", mapping={"n": 3, "text": "ü"})
            pipeline.hmget(f"h{key}", ("n", "text", "absent"))
            pipeline.expire(key, 60)
            found.append([int(one) if isinstance(one, bool) else one for one in pipeline.execute()])
    assert found[0] == found[1] == [2, 2, [b"3", "ü".encode(), None], 1]
    assert client.zrange("b", 0, -1, withscores=True) == [(b"x", 1.5), (b"y", 2.0)]


def test_a_refused_command_leaves_everything_as_it_was(valkey: Settings) -> None:
    client = connect(valkey)
    with pipeline_by_user(client) as pipeline:
        pipeline.set("kept", 1)
        pipeline.execute_command("NO.SUCH.COMMAND", "key")
        with pytest.raises(redis.ResponseError, match="unknown command"):
            pipeline.execute()
    assert client.get("kept") is None
    assert client.ping()  # the connection has no unread answer


def test_a_key_of_a_wrong_type_is_an_error(valkey: Settings) -> None:
    client = connect(valkey)
    client.set("text", "no hash")
    with pipeline_by_user(client) as pipeline:
        pipeline.hset("text", "field", 1)
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            pipeline.execute()
    assert client.get("text") == b"no hash"
