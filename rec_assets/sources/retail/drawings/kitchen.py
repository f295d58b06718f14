"""Drawings of kitchenware and groceries."""

from rec_assets.sources.retail.drawings.shapes import (
    Drawing,
    Part,
    band,
    both,
    box,
    half,
    hoop,
    ink,
    line,
    lying,
    moved,
    oval,
    plain,
    scaled,
    shape,
    standing,
    turned,
)
from rec_assets.sources.retail.drawings.tones import (
    ACCENT,
    BROWN,
    DARK,
    DEEP,
    GLOW,
    GOLD,
    INK,
    LEAF,
    LIGHT,
    MAIN,
    METAL,
    PALE,
    PAPER,
    WOOD,
)

STEAM = tuple(line(f"M{x} 26 Q{x - 5} 20 {x} 14 Q{x + 5} 8 {x} 2", METAL, 2.4) for x in (32, 45, 58))
BEAN = (oval(50, 50, 16, 11, BROWN, line("M42 51 Q46 47 50 50 Q54 53 58 49", INK, 1.6)),)
BOW = (half("M50 45 L64 39 L66 50 L64 61 L50 55", GLOW, line("M46 46 L46 54", WOOD), line("M54 46 L54 54", WOOD)),)
SQUARE = box(26, 8, 41, 22, BROWN, plain(box(29, 11, 37, 18, WOOD, round=1)), round=1)


def _spaghetto(x: float) -> Part:
    """Returns a long noodle of a bundle, `x` to the right of its middle."""
    top, bottom = f"{50 + 1.7 * x} {abs(x) / 2 - 1}", f"{50 + 1.7 * x} {100 - abs(x) / 2}"
    return band(f"M{top} Q{50 + x} 40 {50 + 0.8 * x} 50 Q{50 + x} 62 {bottom}", 3, GLOW)


# fmt: off
DRAWINGS: dict[str, Drawing] = {
    "saucepan": standing(
        *moved(-6, -6, *STEAM),
        band("M70 56 L96 50", 6, DARK), band("M68 57 L78 54", 4, METAL),
        shape("M6 48 L70 48 L68 86 Q67 94 58 94 L18 94 Q9 94 8 86", MAIN, line("M14 58 L15 84", PALE, 4)),
        shape("M8 44 Q16 30 38 30 Q60 30 68 44", PALE, line("M18 40 Q24 35 32 34", LIGHT, 2)),
        box(2, 42, 74, 50, MAIN), box(32, 22, 44, 31, DARK, round=4),
    ),
    "chef's knife": lying(*turned(
        -40,
        shape("M-12 60 Q10 42 56 38 L56 68 Q18 74 -12 60", METAL, line("M-8 61 Q18 70 54 63", LIGHT, 2.4)),
        box(54, 37, 62, 58, DARK),
        shape("M59 40 Q72 44 84 40 Q100 38 106 44 Q110 56 102 58 Q84 52 74 56 Q66 58 59 54", MAIN,
            *(plain(oval(x, y, 4, 4, PAPER)) for x, y in ((68, 48), (82, 47), (96, 49)))),
    )),
    "coffee mug": standing(
        *moved(-3, 2, *STEAM),
        hoop(74, 62, 30, 32, 7, MAIN),
        shape("M12 36 L74 36 L73 84 Q72 95 62 95 L24 95 Q14 95 13 84", MAIN, line("M19 48 L20 80", PALE, 4),
            plain(shape("M44 86 C22 72 30 54 38 57 Q43 59 44 63 Q45 59 50 57 C58 54 66 72 44 86", ACCENT))),
        oval(43, 36, 62, 14, DEEP), plain(oval(43, 37, 52, 8, BROWN)),
    ),
    "mixing bowl": standing(
        *turned(32, *(hoop(62, 22, w, 34, 1.6, METAL) for w in (22, 10)), band("M62 40 L62 62", 4, WOOD), x=62, y=40),
        oval(47, 48, 86, 20, DEEP), plain(oval(47, 51, 74, 13, PAPER)),
        plain(shape("M24 50 Q40 40 56 48 Q68 52 72 50 Q60 58 44 56 Q28 56 24 50", GLOW)),
        shape("M3 50 Q20 60 47 60 Q74 60 91 50 Q90 84 64 92 L62 97 L32 97 L30 92 Q4 84 3 50", MAIN,
            line("M8 66 Q24 74 47 74 Q70 74 86 66", PALE, 4), line("M14 78 Q24 86 32 88", LIGHT, 2)),
    ),
    "coffee beans": standing(
        shape("M24 8 L76 8 L76 24 L84 92 Q50 97 16 92 L24 24", MAIN, line("M24 24 L76 24"),
            line("M30 30 L24 88", PALE, 3)),
        box(22, 4, 78, 15, DEEP), *both(box(74, 7, 84, 12, GOLD)),
        oval(50, 55, 46, 46, PAPER),
        *scaled(1.1, *turned(-35, *moved(-7, 3, *scaled(1.35, *BEAN)))),
        *scaled(1.1, *turned(-35, *moved(9, 6, *scaled(1.35, *BEAN)))),
        *moved(-36, 43, *turned(20, *BEAN)), *moved(30, 44, *turned(-15, *BEAN)), *moved(41, 37, *turned(30, *BEAN)),
    ),
    "honey": standing(
        *turned(28, band("M60 -14 L60 30", 4, WOOD),
            *(box(51 + i, y, 69 - i, y + 6.5, WOOD, round=3) for y, i in ((6, 3), (12, 0), (18, 0), (24, 0), (30, 3))),
            x=60, y=40),
        shape("M22 40 Q12 46 12 58 L12 86 Q12 96 24 96 L76 96 Q88 96 88 86 L88 58 Q88 46 78 40", GLOW,
            line("M19 54 L19 84", LIGHT, 3)),
        box(20, 32, 80, 42, MAIN),
        shape("M50 46 L73 58 L73 81 L50 92 L27 81 L27 58", MAIN),
        *(plain(oval(x, 62, 14, 12, PAPER)) for x in (43, 57)),
        plain(oval(50, 73, 22, 17, GLOW, *(line(f"M{x} 60 L{x} 86", INK, 3.4) for x in (45, 53)))),
        plain(oval(38, 73, 7, 9, INK)),
    ),
    "pasta": lying(
        *turned(38, *map(_spaghetto, (-16, 16, -11, 11, -5.5, 5.5, 0)),
            half("M50 30 L68 30 Q70 50 68 72 L50 72", MAIN, line("M28 35 L72 35", PALE), line("M28 67 L72 67", PALE),
            plain(oval(50, 51, 22, 18, PAPER)), line("M42 48 L58 48", INK, 1.6), line("M44 54 L56 54", INK, 1.6))),
        *moved(-30, -30, *turned(-20, *BOW)), *moved(30, 30, *turned(15, *BOW)),
    ),
    "chocolate bar": lying(*scaled(0.93, *turned(
        14,
        box(22, 4, 78, 60, BROWN, *(part for x in (-1, 16, 33) for y in (0, 16, 32) for part in moved(x, y, SQUARE)),
            round=3),
        shape("M18 42 L26 36 L33 43 L41 36 L49 43 L57 36 L65 43 L73 36 L82 42 L82 54 L18 54", METAL),
        shape("M18 50 L82 50 L82 98 L18 98", MAIN, plain(box(16, 58, 86, 62, GOLD, round=0)),
            plain(box(16, 90, 86, 94, GOLD, round=0)), plain(oval(50, 76, 30, 18, PAPER)), line("M41 73 L59 73", INK),
            line("M44 79 L56 79", INK, 1.6)),
    ))),
    "loose leaf tea": standing(
        half("M50 6 L58 6 Q60 12 58 14 L74 16 Q78 18 78 24 L50 24", DEEP),
        half("M50 24 L82 24 L82 90 Q82 94 78 94 L50 94", MAIN, line("M24 32 L24 88", PALE, 4)),
        oval(50, 58, 48, 48, PAPER),
        hoop(64, 63, 11, 10, 2.4, LEAF), plain(shape("M34 56 L66 56 Q66 72 56 73 L44 73 Q34 72 34 56", LEAF)),
        *(line(f"M{x} 51 Q{x - 3} 48 {x} 45 Q{x + 3} 42 {x} 39", METAL, 2) for x in (45, 55)),
        *(leaf for x, y, turn in ((64, 90, 40), (76, 92, 80), (89, 91, 30), (81, 84, -20),
            (94, 84, 100)) for leaf in moved(x - 50, y - 50, *turned(turn,
            shape("M40 50 Q48 40 60 50 Q48 60 40 50", LEAF, ink("M40 50 L56 50", 1.4))))),
    ),
}
