"""Finds the encoding of text files that are not UTF-8, and copies files that DuckDB cannot decode to UTF-8."""

import atexit
import codecs
import gzip
import re
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import IO, Any

from upath import UPath

NATIVE = ("utf-8", "utf-16", "latin-1")  # that DuckDB decodes without an extension
LINES = 2_000  # that show the encoding
CHUNK = 1 << 20  # characters of a copy
ENOUGH = 0.7  # share of the characters beyond ASCII that belong to the alphabet of an encoding, signs apart
WORD = re.compile(r"[^\W\d_]+")
# Letters beyond ASCII of languages with the Latin alphabet, and the encoding of Windows for them; of equally good ones
# the first is taken.
LATIN = (
    ("cp1252", "àâæçéèêëîïôœùûüÿ"),  # French
    ("cp1252", "äöüß"),  # German
    ("cp1252", "áéíóúñüàâãçêôõºª"),  # Spanish and Portuguese
    ("cp1252", "àèéìíîòóùú"),  # Italian
    ("cp1252", "åäöæøé"),  # Danish, Finnish, Norwegian and Swedish
    ("cp1254", "çğıİöşüâ"),  # Turkish
    ("cp1250", "ąćęłńóśźż"),  # Polish
    ("cp1250", "áäčďéěíľňóôřšťúůýž"),  # Czech and Slovak
    ("cp1250", "áéíóöőúüű"),  # Hungarian
    ("cp1250", "ăâîşţ"),  # Romanian
)
SIGNS = "€£§°²½®©™“”„…«»·\u00a0\u2013\u2014\u2018\u2019"
# Characters by encoding of other alphabets, as regular expressions; of words without ASCII letters.
OTHERS = {
    "cp932": "[\u3040-\u30ff\u4e00-\u9fff]",
    "cp1251": "[\u0400-\u0491\u2116]",
    "cp949": "[\uac00-\ud7a3]",
    "gb18030": "[\u4e00-\u9fff]",
    "big5": "[\u4e00-\u9fff]",
}
KANA = re.compile("[\u3040-\u30ff]")


def guess_encoding(sample: bytes) -> str:
    """Returns the encoding of lines that are not UTF-8, latin-1 where Windows-1252 means the same.

    Args:
        sample: some lines of a file, the more the better.
    """
    whole = sample.rpartition(b"\n")[0] or sample  # the last line may end within a character
    lines = b"\n".join([line for line in whole.splitlines() if not line.isascii()][:LINES])
    scores = {name: _share(lines, name, letters) for name, letters in OTHERS.items()}
    best = max(scores, key=lambda name: scores[name])
    if scores[best] >= ENOUGH:
        return best
    latin, _ = max(LATIN, key=lambda one: _share_of_letters(lines, *one))
    return "latin-1" if latin == "cp1252" and not re.search(rb"[\x80-\x9f]", lines) else latin


def _share(lines: bytes, encoding: str, letters: str) -> float:
    """Returns the share of the characters beyond ASCII that an alphabet explains, 0 for another alphabet."""
    try:
        text = lines.decode(encoding)
    except UnicodeDecodeError:
        return 0.0
    words = [word for word in WORD.findall(text) if not word.isascii() and len(word) > 1]
    pure = [word for word in words if not re.search("[a-zA-Z]", word)]
    if len(pure) < max(1, len(words) / 2) or (encoding == "cp932" and not KANA.search(text)):
        return 0.0
    beyond = [sign for sign in text if not sign.isascii()]
    return sum(bool(re.match(letters, sign)) for sign in beyond) / len(beyond) if beyond else 0.0


def _share_of_letters(lines: bytes, encoding: str, letters: str) -> float:
    known = set(letters + letters.upper() + SIGNS)
    beyond = [sign for sign in lines.decode(encoding, errors="replace") if not sign.isascii()]
    return sum(sign in known for sign in beyond) / max(1, len(beyond))


def decompressed(file: str, raw: IO[bytes]) -> Any:
    """Returns a stream of the bytes of a file that may be gzipped."""
    return gzip.GzipFile(fileobj=raw) if file.lower().endswith(".gz") else raw


def as_utf8(file: str, encoding: str) -> str:
    """Returns the name of a copy in UTF-8 below the same folders; the copy is deleted when the process ends.

    A byte that the encoding does not have becomes "\ufffd".
    """
    about = UPath(file).stat()
    return _copy(str(file), encoding, about.st_size, about.st_mtime)


@cache
def _copy(file: str, encoding: str, size: int, changed: float) -> str:
    path = str(UPath(file).absolute().path).lstrip("/").removesuffix(".gz")
    target = Path(_folder()) / f"{encoding}-{size}-{changed}" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with UPath(file).open("rb") as raw, target.open("w", encoding="utf-8", newline="") as copy:
        text = codecs.getreader(encoding)(decompressed(file, raw), "replace")
        while part := text.read(CHUNK):
            copy.write(part)
    return str(target)


@cache
def _folder() -> str:
    folder = tempfile.mkdtemp(prefix="rec-utf8-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
