"""Checks the home folder before work begins: its path, and that it can be written."""

import errno
import re
import tempfile
from pathlib import Path

from rec_assets.common.errors import ActionableError

# Triton starts model processes through a shell without quoting their paths.
_ALLOWED = re.compile(r"[\w/.,:@%+=-]+")
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)


def require_usable(home: Path) -> None:
    """Creates the home folder if it is missing.

    Raises:
        ActionableError: the path has a character that a shell would interpret, or the folder cannot be written.
    """
    path = str(home.absolute())
    if not _ALLOWED.fullmatch(path):
        characters = " ".join(sorted({repr(one) for one in path if not _ALLOWED.fullmatch(one)}))
        raise ActionableError(
            f"The home folder {path} has characters in its path that Triton cannot handle: {characters}.",
            "Set REC_HOME to a path of letters, digits and / . , : @ % + = _ -",
        )
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise _refusal(home, error) from error


def unwritable(home: Path, error: OSError) -> ActionableError | None:
    """Returns the explanation of an error if it means that the home folder cannot be written; None for other errors."""
    path = Path(str(error.filename)) if error.filename else None
    near = path is not None and (
        path.absolute().is_relative_to(home.absolute()) or home.absolute().is_relative_to(path)
    )
    if error.errno not in _REFUSED or not near:
        return None
    return _refusal(home, error)


def _refusal(home: Path, error: OSError) -> ActionableError:
    return ActionableError(
        f"The home folder {home.absolute()} cannot be written ({error.strerror}).",
        "Set REC_HOME to a folder that you may write, or change the owner of this one.",
    )
