"""Drawings of apparel and footwear."""

from rec_assets.sources.retail.drawings.shapes import (
    Drawing,
    Part,
    band,
    both,
    box,
    half,
    ink,
    line,
    lying,
    oval,
    plain,
    shape,
    standing,
)
from rec_assets.sources.retail.drawings.tones import (
    ACCENT,
    DARK,
    DEEP,
    GOLD,
    LIGHT,
    MAIN,
    METAL,
    PALE,
    PAPER,
    SEAM,
)


def _zigzag(y: float, tone: int) -> Part:
    """Returns a zigzag line across a sweater."""
    return line("M" + " L".join(f"{20 + 6 * k} {y + 5 * (k % 2)}" for k in range(11)), tone, 3)


# fmt: off
DRAWINGS: dict[str, Drawing] = {
    "summer dress": lying(
        *both(band("M58 8 Q62 14 62 24", 2.5)),
        half("M50 48 L60 46 C66 64 80 78 88 90 Q70 98 50 97", MAIN,
            *(plain(oval(x, y, 5, 5, PALE)) for x, y in ((50, 60), (42, 68), (58, 68), (34, 78), (50, 76), (66, 78),
            (26, 87), (42, 87), (58, 87), (74, 87))), line("M46 50 Q44 72 38 98"), line("M54 50 Q56 72 62 98")),
        half("M50 26 Q56 18 65 18 Q68 20 67 28 Q64 38 61 46 L50 46", MAIN, line("M50 27 L50 46")),
        half("M50 43 L62 43 L62 50 L50 50", ACCENT), *both(shape("M52 46 L64 40 L64 53 L52 47", ACCENT)),
        oval(50, 46.5, 5, 5, ACCENT),
    ),
    "oxford shirt": lying(
        *both(shape("M66 16 Q80 18 84 30 L96 70 L83 75 L70 44", MAIN, line("M94 64 L80 69"))),
        half("M50 18 L58 14 Q66 15 74 20 L73 92 Q62 95 50 95", MAIN, line("M46 24 L46 96"), line("M54 24 L54 96"),
            line("M60 40 L60 54 L65 57 L70 54 L70 40 L59 40")),
        *(oval(50, y, 3.4, 3.4, PAPER) for y in (36, 48, 60, 72, 84)),
        shape("M40 14 Q50 20 60 14 L50 27", DEEP),
        *both(shape("M60 9 Q64 15 66 22 L58 31 L50 24 Q56 18 60 9", PALE)),
    ),
    "knitted sweater": lying(
        *both(shape("M64 14 Q82 18 86 34 L92 76 L78 79 L70 48", MAIN, line("M80 26 L86 72"), line("M74 30 L81 72"))),
        *both(box(77, 75, 93, 87, DEEP, line("M82 74 L83 88", MAIN), line("M87 74 L88 88", MAIN))),
        half("M50 20 L60 13 Q70 15 76 22 L74 84 L50 84", MAIN, _zigzag(34, PALE), _zigzag(42, ACCENT),
            _zigzag(50, PALE), *(line(f"M{x} 62 Q{x + 3} 67 {x} 72 Q{x - 3} 77 {x} 84") for x in (32, 41, 50, 59, 68))),
        box(26, 82, 74, 93, DEEP, *(line(f"M{x} 80 L{x} 95", MAIN) for x in range(31, 72, 6))),
        half("M50 9 L61 9 Q63 13 61 17 Q56 25 50 25", DEEP, plain(oval(50, 11, 16, 10, SEAM))),
    ),
    "rain jacket": lying(
        *both(shape("M68 32 Q80 36 83 48 L90 80 L77 83 L70 58", MAIN, line("M89 74 L75 78"))),
        half("M50 28 L62 26 Q72 30 74 40 L78 94 Q64 97 50 97", MAIN, line("M50 30 L50 98", SEAM, 3),
            line("M26 88 L74 88")),
        *both(shape("M58 66 L72 63 L73 70 L59 73", DEEP)),
        half("M50 4 Q66 5 67 22 Q67 32 60 37 L50 40", MAIN),
        half("M50 11 Q60 12 60 23 Q60 30 50 34", DEEP),
        *both(line("M55 34 L56 46", PAPER)), *both(plain(oval(56, 48, 3.5, 3.5, GOLD))),
        *(plain(oval(50, y, 4, 4, PAPER)) for y in (52, 64, 76)),
    ),
    "straight jeans": lying(
        half("M50 10 L70 10 Q75 48 77 92 L56 94 Q54 60 50 42", MAIN, line("M50 18 L50 34 Q50 38 44 40", GOLD, 1.6),
            line("M44 18 L44 32 Q45 36 50 38", GOLD, 1.6), line("M30 18 Q31 28 26 30", GOLD, 1.6),
            line("M70 18 Q69 28 74 30", GOLD, 1.6), line("M32 44 L28 88", PALE), line("M68 44 L72 88", PALE)),
        *both(shape("M55 88 L78 86 L79 96 L55 98", PALE)),
        half("M50 5 L70 5 L72 16 L50 16", MAIN, line("M28 14 L72 14", GOLD, 1.6)),
        *both(box(63, 4, 66, 17, MAIN, round=1)), oval(50, 10.5, 5, 5, GOLD),
    ),
    "running shoe": standing(
        shape("M36 30 L42 18 L50 17 L54 32", DEEP),
        shape("M9 40 Q8 25 17 24 Q22 33 36 30 L47 25 Q55 42 70 51 Q93 54 95 72 L8 72 Q5 54 9 40", MAIN,
            shape("M72 48 Q96 52 98 76 L74 76 Q81 62 72 48", DEEP), shape("M2 30 L15 20 Q24 54 15 76 L2 74", DEEP),
            line("M24 68 Q46 66 60 45", PAPER, 5), line("M37 70 Q52 68 67 51", PAPER, 3)),
        *(band(f"M{x} {y} L{x + 9} {y - 6}", 2.4, PAPER) for x, y in ((42, 39), (48, 46), (55, 52))),
        shape("M6 72 L95 70 Q100 78 93 84 L14 85 Q4 84 6 72", PAPER,
            *(line(f"M{x} 79 L{x - 4} 88", METAL) for x in range(20, 96, 9)), line("M4 78 L98 77", ACCENT, 2.4)),
    ),
    "ankle boot": standing(
        band("M24 6 L24 16", 3, ACCENT),
        shape("M22 12 Q40 16 54 10 Q53 32 58 46 Q66 56 84 60 Q96 64 96 80 L20 80 Q18 60 22 46 Q24 28 22 12", MAIN,
            shape("M34 8 L48 8 Q46 34 44 48 Q39 50 37 48 Q36 34 34 8", DEEP,
            *(line(f"M{x} 8 L{x + 1} 50", MAIN, 1.4) for x in (37, 40, 43))), line("M70 54 Q68 66 76 82"),
            line("M20 62 Q30 66 34 82")),
        shape("M18 80 L97 79 L96 87 L44 87 L42 94 L19 94", DARK),
    ),
    "strappy sandal": standing(
        band("M30 60 Q20 36 42 30 Q60 28 56 40", 4.5),
        band("M22 62 Q34 58 46 36", 4.5), band("M44 34 Q38 22 26 27 Q18 33 22 56", 4.5),
        band("M62 76 Q66 56 84 76", 7, MAIN), band("M48 70 Q58 46 74 74", 5.5, MAIN),
        shape("M14 58 Q30 56 40 66 Q54 78 72 77 L96 78 Q98 82 94 85 L66 86 Q46 86 34 72 L28 72 L26 94 L16 94 L14 58",
            DEEP, line("M14 62 Q30 60 38 69 Q50 81 70 81 L98 81", ACCENT, 2.4)),
        oval(45, 34, 7, 7, GOLD),
    ),
    "derby shoe": standing(
        shape("M38 50 L42 38 L50 40 L60 58", DEEP),
        shape("M7 56 Q6 46 12 42 Q24 54 42 45 Q54 56 70 60 Q95 62 98 77 L8 78 Q5 68 7 56", MAIN,
            line("M77 58 Q70 68 73 80"), line("M22 52 Q22 66 32 78"),
            shape("M34 48 L43 43 Q56 55 68 58 L60 69 Q44 66 34 48", DEEP)),
        *(ink(f"M{x} {y} L{x + 8} {y - 6}", 1.8) for x, y in ((43, 55), (49, 61), (56, 64))),
        line("M82 66 Q90 68 93 74", LIGHT, 2),
        shape("M5 78 L98 77 Q99 83 93 84 L36 84 L34 91 L6 91", DARK),
    ),
}
