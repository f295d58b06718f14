"""SQL expressions that turn columns of any type into the contract's values. Each returns NULL for unreadable values."""

from rec_assets.sources.roles import HISTORY, SEEN, TARGET
from rec_assets.sources.shop.mapping import Interactions

MOBILE = ("mobile", "phone", "smartphone", "android", "ios", "iphone", "app", "0")
DESKTOP = ("desktop", "web", "pc", "computer", "laptop", "browser", "1")
TABLET = ("tablet", "ipad", "2")
FEMALE = ("f", "female", "woman", "women", "w", "girl", "girls", "ladies", "ж", "0")
MALE = ("m", "male", "man", "men", "boy", "boys", "mens", "м", "1")
ABSENT = (
    *("false", "f", "no", "n", "out of stock", "outofstock", "out_of_stock", "sold out", "soldout", "unavailable"),
    *("not available", "discontinued", "withdrawn", "inactive", "deleted", "archived", "disabled"),
)
NO_ID = ("", "NA", "N/A", "<NA>", "NaN", "nan", "NULL", "null", "None", "\\N")  # as programs write a missing value
NO_TEXT = ("", "(not set)", "(none)")  # the last two as Google Analytics writes a missing value
OTHER = ("other", "x", "d", "diverse", "unisex", "all", "anyone", "nonbinary", "2")


def quoted(column: str) -> str:
    """Quotes a column name."""
    return '"' + column.replace('"', '""') + '"'


def identifier(column: str) -> str:
    """Returns an id as text: trimmed, and 17850.0 as 17850; NULL for an empty one and for a text of `NO_ID`."""
    text = f"trim(CAST({quoted(column)} AS VARCHAR))"
    no_id = ", ".join(map(literal, NO_ID))
    whole = f"regexp_replace({text}, '^(-?[0-9]+)\\.0+$', '\\1')"
    return f"CASE WHEN {text} NOT IN ({no_id}) THEN {whole} END"


def words(column: str) -> str:
    """Returns a text without blanks around it and with single blanks in it, NULL for a text of `NO_TEXT`."""
    return _given(f"regexp_replace(trim(CAST({quoted(column)} AS VARCHAR)), '\\s+', ' ', 'g')")


def meets(rows: Interactions) -> str:
    """Returns the condition of interactions that meet `where` and are no returns."""
    return f"{is_met(rows)} AND {is_kept(rows)}"


def is_met(rows: Interactions) -> str:
    """Returns the condition `where` of interactions."""
    return f"coalesce(({rows.where}), false)" if rows.where else "TRUE"


def is_kept(rows: Interactions) -> str:
    """Returns the condition of rows that are no returns: their quantity is above 0, or is no number."""
    return f"coalesce({amount(rows.quantity)} > 0, true)" if rows.quantity else "TRUE"


def event(rows: Interactions) -> str:
    """Returns the event type of a row as text, "" without one."""
    return f"coalesce(trim(CAST({quoted(rows.event)} AS VARCHAR)), '')" if rows.event else "''"


def rating(rows: Interactions) -> str:
    """Returns "high", "low", or "none" for a row whose rating is no number; "high" without a column of ratings."""
    if not rows.rating:
        return "'high'"
    number = amount(rows.rating)
    return f"CASE WHEN {number} >= {rows.rating_at_least} THEN 'high' WHEN {number} IS NULL THEN 'none' ELSE 'low' END"


def role(rows: Interactions) -> str:
    """Returns the role of a row (`rec_assets.sources.roles`), INTEGER; NULL for a row that is dropped."""
    cases = [
        f"WHEN {event(rows)} IN ({', '.join(map(literal, types))}) THEN {code}"
        for code, types in rows.role_events.items()
        if types
    ]
    others = "NULL" if rows.events else str(TARGET)
    by_event = f"CASE {' '.join(cases)} ELSE {others} END" if cases else str(TARGET)
    low = {"dropped": "NULL", "history": f"greatest({by_event}, {HISTORY})", "seen": str(SEEN)}[rows.low_ratings]
    if low != "NULL":  # a low rating does not bring back a type that is dropped
        low = f"CASE WHEN ({by_event}) IS NOT NULL THEN {low} END"
    by_rating = f"CASE {rating(rows)} WHEN 'high' THEN {by_event} WHEN 'low' THEN {low} END"
    return f"CAST({by_rating if rows.rating else by_event} AS INTEGER)"


def condition(rows: Interactions) -> str:
    """Returns the condition of rows that are not dropped."""
    return f"{meets(rows)} AND {role(rows)} IS NOT NULL"


def literal(text: str) -> str:
    """Quotes a text."""
    return "'" + text.replace("'", "''") + "'"


def text(column: str) -> str:
    """Returns a text without blanks around it and in one line, NULL for a text of `NO_TEXT`."""
    return _given(f"regexp_replace(trim(CAST({quoted(column)} AS VARCHAR)), '[\\r\\n\\t]+', ' ', 'g')")


def seconds(column: str, time_format: str = "") -> str:
    """Returns unix seconds, BIGINT.

    Numbers are seconds, milliseconds, microseconds or nanoseconds by their size; eight digits such as 20110131 are a
    date. Times without a zone are in the time zone of the connection.
    """
    name, text = quoted(column), f"trim(CAST({quoted(column)} AS VARCHAR))"
    if time_format:
        return f"try_cast(floor(epoch(CAST(try_strptime({text}, {literal(time_format)}) AS TIMESTAMPTZ))) AS BIGINT)"
    number = f"try_cast({text} AS DOUBLE)"
    scaled = (
        f"CASE WHEN abs({number}) < 1e11 THEN {number} WHEN abs({number}) < 1e14 THEN {number} / 1e3 "
        f"WHEN abs({number}) < 1e17 THEN {number} / 1e6 ELSE {number} / 1e9 END"
    )
    date = f"epoch(CAST(try_strptime({text}, '%Y%m%d') AS TIMESTAMPTZ))"
    moment = f"epoch(try_cast({name} AS TIMESTAMPTZ))"
    chosen = (
        f"CASE WHEN regexp_full_match({text}, '(19|20)[0-9]{{6}}') THEN {date} "
        f"WHEN {number} IS NOT NULL THEN {scaled} ELSE {moment} END"
    )
    return f"try_cast(floor({chosen}) AS BIGINT)"


def clock(column: str) -> str:
    """Returns seconds since midnight, INTEGER, from a clock time such as "13:05", "1:05:09 PM", 1305, 130509 or 13."""
    text = f"upper(trim(CAST({quoted(column)} AS VARCHAR)))"
    digits = f"CASE WHEN length({text}) <= 2 THEN lpad({text}, 2, '0') || '0000' ELSE lpad({text}, 4, '0') || '00' END"
    signs = f"CASE WHEN regexp_full_match({text}, '[0-9]{{1,4}}') THEN {digits} ELSE lpad({text}, 6, '0') END"
    formats = "['%H:%M:%S', '%H:%M', '%H:%M:%S.%g', '%H:%M:%S.%f', '%I:%M:%S %p', '%I:%M %p', '%I:%M:%S%p', '%I:%M%p']"
    read = (
        f"CASE WHEN regexp_full_match({text}, '[0-9]{{1,6}}') THEN try_strptime({signs}, '%H%M%S') "
        f"ELSE try_strptime({text}, {formats}) END"
    )
    return f"CAST(date_diff('second', date_trunc('day', {read}), {read}) AS INTEGER)"


def moment(rows: Interactions) -> str:
    """Returns unix seconds of a row of interactions, BIGINT; midnight where its time of day is unreadable."""
    start = seconds(rows.time, rows.time_format)
    if not rows.time_of_day:
        return start
    local = f"CAST(to_timestamp({start}) AS TIMESTAMP) + to_seconds(coalesce({clock(rows.time_of_day)}, 0))"
    return f"CAST(floor(epoch(CAST({local} AS TIMESTAMPTZ))) AS BIGINT)"


def amount(column: str) -> str:
    """Returns a number, DOUBLE, from text such as "€ 1.234,56", "$1,234.56", "19,99", "12.50-" or "(12.50)".

    The last two are negative: accounts write them so.
    """
    raw = f"replace(CAST({quoted(column)} AS VARCHAR), '\u2212', '-')"
    # "Rs. 5" has the dot of a currency, and "5,-" a dash in place of decimals.
    kept = f"regexp_replace(regexp_replace({raw}, '^\\s*\\p{{L}}{{1,3}}\\.', ''), '[^0-9,.\\-]', '', 'g')"
    signed = f"regexp_replace({kept}, '[,.]-+$', '')"
    text = f"regexp_extract({signed}, '^-?([0-9,.]+)-?$', 1)"
    negative = f"({signed} LIKE '-%' OR {signed} LIKE '%-' OR regexp_full_match({raw}, '[^0-9(]*\\([^()]*\\)[^0-9]*'))"
    decimal_comma = f"replace(replace({text}, '.', ''), ',', '.')"
    thousands = f"replace({text}, ',', '')"
    comma_last = f"strpos(reverse({text}), ',') < strpos(reverse({text}), '.')"
    plain = f"try_cast(CAST({quoted(column)} AS VARCHAR) AS DOUBLE)"
    guess = (
        f"CASE WHEN {text} LIKE '%,%' AND {text} LIKE '%.%' THEN CASE WHEN {comma_last} THEN {decimal_comma} "
        f"ELSE {thousands} END WHEN regexp_matches({text}, ',[0-9]{{1,2}}$') THEN {decimal_comma} "
        f"WHEN regexp_full_match({text}, '[0-9]{{1,3}}([.][0-9]{{3}}){{2,}}') THEN replace({text}, '.', '') "
        f"ELSE {thousands} END"
    )
    return f"coalesce({plain}, CASE WHEN {negative} THEN -1 ELSE 1 END * try_cast({guess} AS DOUBLE))"


def price(column: str) -> str:
    """Returns a positive, finite price, FLOAT."""
    value = amount(column)
    return f"try_cast(CASE WHEN {value} > 0 AND {value} < 3e38 THEN {value} END AS FLOAT)"


def number(column: str) -> str:
    """Returns a finite number of any sign, FLOAT."""
    value = amount(column)
    return f"try_cast(CASE WHEN abs({value}) < 3e38 THEN {value} END AS FLOAT)"


def device(column: str) -> str:
    """Returns 0 mobile, 1 desktop, 2 tablet, -1 unknown."""
    return _coded(column, (MOBILE, DESKTOP, TABLET))


def gender(column: str) -> str:
    """Returns 0 female, 1 male, 2 other or anyone, -1 unknown."""
    return _coded(column, (FEMALE, MALE, OTHER))


def available(column: str) -> str:
    """Returns False for a text of `ABSENT` and for a number that is not positive, True otherwise; BOOLEAN."""
    text = f"lower(trim(CAST({quoted(column)} AS VARCHAR)))"
    names = ", ".join(repr(name) for name in ABSENT)
    return f"coalesce({text} NOT IN ({names}) AND coalesce(try_cast({text} AS DOUBLE) > 0, true), true)"


def whole(column: str) -> str:
    """Returns a whole number, INTEGER."""
    return f"try_cast(round({amount(column)}) AS INTEGER)"


def year(column: str) -> str:
    """Returns the year of a date or of a year, INTEGER; example: 1980-02-03."""
    text = f"CAST({quoted(column)} AS VARCHAR)"
    return f"try_cast(nullif(regexp_extract({text}, '(19|20)[0-9][0-9]'), '') AS INTEGER)"


def _given(text: str) -> str:
    return f"CASE WHEN {text} NOT IN ({', '.join(map(literal, NO_TEXT))}) THEN {text} END"


def _coded(column: str, names: tuple[tuple[str, ...], ...]) -> str:
    text = f"lower(trim(CAST({quoted(column)} AS VARCHAR)))"
    cases = " ".join(
        f"WHEN {text} IN ({', '.join(repr(name) for name in known)}) THEN {code}" for code, known in enumerate(names)
    )
    return f"CAST(CASE {cases} ELSE -1 END AS INTEGER)"
