"""Options with which DuckDB reads text files, from the first bytes of a file. Does not read tables."""

import codecs
import re
from collections.abc import Sequence

from upath import UPath

from rec_assets.sources.shop.encodings import decompressed, guess_encoding

CHUNK = 1 << 20  # bytes
SEPARATORS = (",", ";", "\t", "|")
LINES = 100  # that show the separator
QUOTED = re.compile(r'"(?:[^"\\]|\\.|"")*"')
SINGLE_QUOTED = re.compile(r"(?:^|[,;|\t])'[^'\n]*'(?=[,;|\t]|$)")


def csv_options(files: Sequence[str], columns: Sequence[str] = ()) -> str:
    """Returns options of DuckDB's read_csv.

    All columns are read as text, so that a stock code keeps its leading zeros. The reading is not strict, because
    reports end with totals and blank lines. DuckDB guesses the separator where the first line leaves a choice. It does
    not guess the quotes: one apostrophe at the start of a value is enough for a wrong guess that drops rows. No line is
    a comment, because orders may be named #1001.

    Args:
        files: files of one table, gzipped or not.
        columns: names of the columns, if the files have no header line.
    """
    encoding = _encoding(files)
    head = head_of(files[0]).decode(encoding, errors="replace")
    options = ["all_varchar=true", "union_by_name=true", "strict_mode=false", "comment=''", f"encoding='{encoding}'"]
    names = ", ".join("'" + name.replace("'", "''") + "'" for name in columns)
    options += [f"header=false, names=[{names}]"] if columns else ["header=true"]
    options += [f"quote='{_quote(head)}'", f"escape='{_escape(head)}'"]
    if separator := _separator(head):
        options.append(f"delim='{separator}'")
        if _has_uneven_lines(head, separator):
            options.append("null_padding=true, parallel=false")
    return ", ".join(options)


def head_of(file: str) -> bytes:
    """Returns the first bytes of a file, none of a file that only DuckDB can decompress."""
    if file.lower().endswith(".zst"):
        return b""
    with UPath(file).open("rb") as raw:
        return bytes(decompressed(file, raw).read(CHUNK))


def _separator(head: str) -> str:
    """Returns the sign between values, "" where the first line has none or several of the usual ones outside quotes.

    DuckDB tries separators of one sign only, and may take one that is frequent within values.
    """
    first, *lines = [QUOTED.sub("", line) for line in head.splitlines()[:LINES] if line.strip()] or [""]
    if first.count("::") > 1:
        return "::"
    found = [sign for sign in SEPARATORS if sign in first]
    fitting = [line for line in lines if all(line.count(sign) >= first.count(sign) / 2 for sign in found)]
    return found[0] if len(found) == 1 and lines and len(fitting) > len(lines) / 2 else ""


def _has_uneven_lines(head: str, separator: str) -> bool:
    """Returns True if a line has fewer or more values than the first: some programs leave out empty ones at the end.

    A line break within quotes looks the same; such a file is read a little slower.
    """
    lines = [line for line in QUOTED.sub("", head).splitlines()[:LINES] if line.strip()]
    return len({line.count(separator) for line in lines}) > 1


def _quote(head: str) -> str:
    """Returns the quotes around values, as SQL: single ones if most lines have such a value."""
    lines = head.splitlines()
    single = sum(bool(SINGLE_QUOTED.search(line)) for line in lines)
    return "''" if '"' not in head and single > len(lines) / 2 else '"'


def _escape(head: str) -> str:
    """Returns the sign before a quote within quotes, as SQL: mostly the quote itself."""
    return "\\" if head.count('\\"') > head.count('""') else _quote(head)


def _encoding(files: Sequence[str]) -> str:
    """Returns utf-8 if all bytes of all files are, else utf-16 by its first bytes, else a guess for the first other."""
    for file in files:
        decoder = codecs.getincrementaldecoder("utf-8")()
        with UPath(file).open("rb") as raw:
            stream = decompressed(file, raw)
            while not file.lower().endswith(".zst") and (chunk := stream.read(CHUNK)):
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    is_utf16 = chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
                    return "utf-16" if is_utf16 else guess_encoding(chunk)
    return "utf-8"
