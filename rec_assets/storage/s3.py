"""Reads and writes files and small texts below a prefix of an S3 bucket, with actionable errors.

Endpoint, region and credentials come from the usual places of AWS clients (`AWS_*` variables, a pod's role).
"""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from rec_assets.common.errors import ActionableError
from rec_assets.storage.integrity import DamageError

SCHEME = "s3://"
_MISSING = ("NoSuchKey", "404", "NotFound")
_EXISTS = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
_DENIED = ("AccessDenied", "AllAccessDisabled", "403")
_UNAUTHENTICATED = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken")
_THROTTLED = ("SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "503")
# Retries with growing pauses, as S3 requires of throttled clients; AWS_MAX_ATTEMPTS sets the number of attempts.
_CLIENT = Config(retries={"mode": "standard"}, connect_timeout=5, read_timeout=60)
_MULTIPART = TransferConfig(multipart_threshold=16 * 2**20, multipart_chunksize=16 * 2**20, max_concurrency=8)
_FILES_AT_ONCE = 4


@dataclass(frozen=True)
class Stored:
    """An object: its key below the prefix, its time of writing (UTC), and its size in bytes."""

    key: str
    written: datetime
    size: int


@dataclass(frozen=True)
class Tagged:
    """The text of an object, and the tag (ETag) of the version that it was read from or replaces; None: no object."""

    text: str
    tag: str | None


class Bucket:
    """Objects below `s3://bucket/prefix`; every method raises ActionableError if a request to S3 fails."""

    def __init__(self, url: str) -> None:
        """Connects at the first request; raises ActionableError if `url` is invalid."""
        name, _, prefix = url.removeprefix(SCHEME).partition("/")
        if not url.startswith(SCHEME) or not name:
            raise ActionableError(f"Invalid bucket URL '{url}'.", "Write it as s3://bucket/prefix.")
        self.url, self._name, self._prefix = url.rstrip("/"), name, prefix.rstrip("/") + "/" if prefix else ""

    @cached_property
    def _client(self) -> Any:
        # Its own session: threads must not create clients from boto3's shared default session.
        return boto3.session.Session().client("s3", config=_CLIENT)

    def read(self, key: str) -> str | None:
        """Returns the text of an object, or None if the object does not exist."""
        found = self.read_tagged(key)
        return None if found is None else found.text

    def read_tagged(self, key: str) -> Tagged | None:
        """Returns the text of an object with the tag of its version, or None if the object does not exist."""
        found = self._get(key)
        return None if found is None else Tagged(found[0].decode(errors="replace"), found[1])

    def read_bytes(self, key: str) -> bytes | None:
        """Returns the content of an object, or None if the object does not exist."""
        found = self._get(key)
        return None if found is None else found[0]

    def _get(self, key: str) -> tuple[bytes, str] | None:
        with self._actionable_errors(f"read {key}"):
            try:
                answer = self._client.get_object(Bucket=self._name, Key=self._prefix + key)
                return answer["Body"].read(), answer["ETag"]
            except ClientError as error:
                if error.response["Error"]["Code"] in _MISSING:
                    return None
                raise

    def write(self, key: str, content: str | bytes) -> None:
        """Writes one object atomically: readers get the old or the new content."""
        body = content.encode() if isinstance(content, str) else content
        with self._actionable_errors(f"write {key}"):
            self._client.put_object(Bucket=self._name, Key=self._prefix + key, Body=body)

    def create(self, key: str, text: str) -> str:
        """Writes a new object, unless it exists; returns the text that the object has."""
        return text if self.replace(key, Tagged(text, None)) else self.read(key) or text

    def replace(self, key: str, new: Tagged) -> str | None:
        """Writes a text in place of the version with the tag, or of no object; returns the tag of the new version.

        Returns None and writes nothing if the object has another version. Two versions with one text have one tag.
        """
        condition = {"IfNoneMatch": "*"} if new.tag is None else {"IfMatch": new.tag}
        with self._actionable_errors(f"write {key}"):
            try:
                body = new.text.encode()
                answer = self._client.put_object(Bucket=self._name, Key=self._prefix + key, Body=body, **condition)
            except ClientError as error:
                if error.response["Error"]["Code"] not in (*_EXISTS, *_MISSING):
                    raise
                return None
        return str(answer["ETag"])

    def objects(self, key: str) -> Iterator[Stored]:
        """Yields the objects whose keys begin with `key`, in order of keys."""
        with self._actionable_errors(f"list {key}"):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._name, Prefix=self._prefix + key):
                for entry in page.get("Contents", ()):
                    yield Stored(entry["Key"].removeprefix(self._prefix), entry["LastModified"], entry["Size"])

    def folders(self, key: str) -> list[str]:
        """Returns the names directly below `key` that other names are below, sorted."""
        with self._actionable_errors(f"list {key}"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._name, Prefix=self._prefix + key, Delimiter="/"
            )
            found = [one["Prefix"] for page in pages for one in page.get("CommonPrefixes", ())]
        return sorted(name.removeprefix(self._prefix + key).rstrip("/") for name in found)

    def upload(self, folder: Path, key: str) -> None:
        """Uploads all files of a folder below `key`, large ones in parts; an error may leave some of them."""

        def one(file: Path) -> None:
            target = f"{self._prefix}{key}{file.relative_to(folder).as_posix()}"
            self._client.upload_file(str(file), self._name, target, Config=_MULTIPART)

        with self._actionable_errors(f"upload {key}"), ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
            list(pool.map(one, sorted(file for file in folder.rglob("*") if file.is_file())))

    def download(self, key: str, folder: Path) -> None:
        """Downloads all objects below `key` into a folder; raises DamageError like `files`."""

        def one(found: Stored) -> None:
            file = folder / found.key.removeprefix(key)
            file.parent.mkdir(parents=True, exist_ok=True)
            self._client.download_file(self._name, self._prefix + found.key, str(file), Config=_MULTIPART)

        with self._actionable_errors(f"download {key}"), ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
            list(pool.map(one, self.files(key)))

    def files(self, key: str) -> list[Stored]:
        """Returns the objects below `key` that are files, in the order of their paths.

        Raises:
            DamageError: a name leads out of the folder, or no folder can have both names, such as `a` and `a/b`.
        """
        found = {PurePosixPath(one.key.removeprefix(key)): one for one in self.objects(key) if one.key[-1:] != "/"}
        for path, one in found.items():
            if str(path) != one.key.removeprefix(key) or path.is_absolute() or ".." in path.parts:
                raise DamageError(f"it has an object with the name '{one.key}'")
            if not found.keys().isdisjoint(path.parents):
                raise DamageError(f"it has an object below the file of {one.key}")
        return [found[path] for path in sorted(found)]

    def digest_of(self, key: str) -> str:
        """Returns the digest of the objects below `key`, as `integrity.digest_of` does for a folder."""
        total = hashlib.sha256()
        with self._actionable_errors(f"read {key}"):
            for found in self.files(key):
                content = hashlib.sha256()
                body = self._client.get_object(Bucket=self._name, Key=self._prefix + found.key)["Body"]
                for chunk in body.iter_chunks(1 << 20):
                    content.update(chunk)
                total.update(found.key.removeprefix(key).encode() + b"\0" + content.digest())
        return total.hexdigest()

    def delete(self, keys: list[str]) -> None:
        """Deletes objects; missing ones are no error."""
        with self._actionable_errors("delete old versions"):
            for start in range(0, len(keys), 1000):
                batch = [{"Key": self._prefix + key} for key in keys[start : start + 1000]]
                self._client.delete_objects(Bucket=self._name, Delete={"Objects": batch, "Quiet": True})

    @contextmanager
    def _actionable_errors(self, action: str) -> Iterator[None]:
        """Turns errors of S3 and its clients into ActionableErrors that name the bucket and the next step."""
        try:
            yield
        except (ClientError, Boto3Error, BotoCoreError, OSError) as error:
            raise self._translate(action, error) from error

    def _translate(self, action: str, error: BaseException) -> ActionableError:
        # The transfer manager wraps S3's answer in its own exception.
        cause = error if isinstance(error, ClientError) else error.__cause__ or error.__context__
        code = cause.response["Error"]["Code"] if isinstance(cause, ClientError) else ""
        problem = f"Could not {action} in {self.url}: {cause if code else error}"
        if isinstance(error, NoCredentialsError) or code in _UNAUTHENTICATED:
            return ActionableError(problem, "Give the pod a role (deploy/README.md), or correct the AWS credentials.")
        if code == "NoSuchBucket":
            return ActionableError(problem, f"Create the bucket {self._name}, or correct REC_ARTIFACTS.")
        if code in _DENIED:
            return ActionableError(
                problem, f"Allow this role s3:ListBucket on {self._name} and Get, Put, DeleteObject below the prefix."
            )
        if code in _THROTTLED:
            return ActionableError(problem, "Try again with fewer runs at once: S3 throttles this prefix.")
        return ActionableError(problem, "Check the network, AWS_ENDPOINT_URL_S3 and AWS_REGION, then try again.")
