"""Words of generated retail: 20 categories with 84 styles, materials, prices, and typical users, hours and devices."""

from rec_assets.sources.retail.vocabulary import ANYONE, DESKTOP, MEN, MOBILE, TABLET, WOMEN, Category, Style


def _styles(*rows: str, women: tuple[str, ...] = (), men: tuple[str, ...] = ()) -> tuple[Style, ...]:
    """Parses "noun: use" rows."""
    pairs = (row.split(": ") for row in rows)
    return tuple(Style(noun, use, WOMEN if noun in women else MEN if noun in men else ANYONE) for noun, use in pairs)


# fmt: off
CATEGORIES: tuple[Category, ...] = (
    Category(
        "apparel",
        _styles(
            "summer dress: garden parties and warm evenings",
            "oxford shirt: the office and dinners after it",
            "knitted sweater: chilly mornings",
            "rain jacket: walks in any weather",
            "straight jeans: every day of the week",
            women=("summer dress",),
            men=("oxford shirt",),
        ),
        ("Cotton", "Linen", "Merino", "Denim", "Flannel", "Silk"),
        "Clothing cut to be worn for years.",
        45, 0.5, -0.3, 20, MOBILE,
    ),
    Category(
        "footwear",
        _styles(
            "running shoe: long runs on hard roads",
            "ankle boot: wet city streets",
            "strappy sandal: beach and boardwalk",
            "derby shoe: weddings and interviews",
            women=("strappy sandal",),
            men=("derby shoe",),
        ),
        ("Leather", "Suede", "Canvas", "Mesh", "Nubuck", "Cork"),
        "Shoes with a sole that forgives a long day on your feet.",
        80, 0.2, -0.3, 21, MOBILE,
    ),
    Category(
        "accessories",
        _styles(
            "tote bag: work, market and weekend",
            "braided belt: the waist of every trouser",
            "winter scarf: wind from the north",
            "sunglasses: driving into the sun",
            "field watch: being on time outdoors",
            women=("tote bag",),
            men=("braided belt",),
        ),
        ("Heritage", "Minimalist", "Weekend", "Slim", "Oversized", "Vintage"),
        "An accessory that finishes what you wear.",
        35, 0.4, -0.1, 19, MOBILE,
    ),
    Category(
        "jewelry",
        _styles(
            "pendant necklace: a neckline that wants a point",
            "signet ring: a hand that signs",
            "hoop earrings: evenings out",
            "charm bracelet: keeping memories on the wrist",
            women=("hoop earrings", "charm bracelet"),
            men=("signet ring",),
        ),
        ("Gold", "Silver", "Pearl", "Rose gold", "Enamel", "Titanium"),
        "Jewelry made by hand and boxed as a gift.",
        120, 0.9, 0.0, 22, MOBILE,
    ),
    Category(
        "beauty",
        _styles(
            "lipstick: colour that lasts through lunch",
            "night cream: skin that rests while you do",
            "eau de parfum: leaving a trace in the room",
            "beard oil: taming a beard",
            women=("lipstick",),
            men=("beard oil",),
        ),
        ("Matte", "Velvet", "Organic", "Rosewater", "Almond", "Mineral"),
        "Beauty care without animal testing.",
        22, 1.0, -0.2, 23, MOBILE,
    ),
    Category(
        "furniture",
        _styles(
            "armchair: reading by the window",
            "dining table: six people and a long supper",
            "bookcase: a wall of books",
            "bed frame: eight quiet hours",
        ),
        ("Walnut", "Oak", "Beech", "Rattan", "Velvet", "Steel"),
        "Furniture that is screwed, not stapled, and can be repaired.",
        320, 0.1, 0.5, 10, DESKTOP,
    ),
    Category(
        "lighting",
        _styles(
            "reading lamp: the last chapter before sleep",
            "pendant light: the table below it",
            "table lantern: balconies after dark",
            "floor lamp: the dark corner of the living room",
        ),
        ("Walnut", "Brass", "Paper", "Glass", "Steel", "Ceramic"),
        "A warm light that can be dimmed.",
        75, 0.1, 0.4, 9, DESKTOP,
    ),
    Category(
        "home decor",
        _styles(
            "flower vase: a single stem or a whole bunch",
            "wall print: an empty wall",
            "sofa cushion: the end of the sofa where you sit",
            "round mirror: a hallway that looks larger",
            "scented candle: rainy afternoons",
        ),
        ("Stoneware", "Linen", "Brass", "Glass", "Bamboo", "Terracotta"),
        "Decor for a home that looks lived in.",
        38, 0.6, 0.2, 11, TABLET,
    ),
    Category(
        "kitchenware",
        _styles(
            "saucepan: sauces that must not burn",
            "chef's knife: onions, herbs and everything else",
            "coffee mug: the first cup of the day",
            "mixing bowl: dough and salad",
        ),
        ("Copper", "Cast iron", "Stoneware", "Steel", "Olive wood", "Glass"),
        "Kitchen tools that cooks hand down.",
        48, 0.2, 0.4, 12, TABLET,
    ),
    Category(
        "groceries",
        _styles(
            "coffee beans: espresso and filter",
            "honey: toast, tea and sore throats",
            "pasta: a quick supper",
            "chocolate bar: four o'clock",
            "loose leaf tea: a pot for two",
        ),
        ("Organic", "Dark", "Small-batch", "Wild", "Roasted", "Estate"),
        "Food from small farms with the harvest date on the label.",
        9, 0.1, 0.2, 17, MOBILE,
    ),
    Category(
        "electronics",
        _styles(
            "headphones: trains, planes and open offices",
            "portable speaker: music by the lake",
            "compact camera: pictures better than a phone's",
            "mechanical keyboard: long days of typing",
        ),
        ("Wireless", "Aluminium", "Carbon", "Retro", "Rugged", "Studio"),
        "Electronics with a battery that can be replaced.",
        160, -0.7, -0.4, 14, DESKTOP,
    ),
    Category(
        "tools",
        _styles(
            "claw hammer: nails in and nails out",
            "cordless drill: walls, shelves and screws",
            "screwdriver set: every screw in the house",
            "hand saw: clean cuts in green and dry wood",
        ),
        ("Forged", "Steel", "Carbon", "Ash-handled", "Titanium", "Brass"),
        "A tool for the workshop with a lifetime warranty.",
        55, -1.0, 0.4, 7, DESKTOP,
    ),
    Category(
        "garden",
        _styles(
            "plant pot: herbs on the sill",
            "watering can: seedlings that want a soft rain",
            "pruning shears: roses and fruit trees",
            "bird feeder: company in winter",
        ),
        ("Terracotta", "Zinc", "Cedar", "Copper", "Steel", "Bamboo"),
        "Garden gear that may stay out in the rain.",
        28, 0.2, 0.9, 8, TABLET,
    ),
    Category(
        "outdoors",
        _styles(
            "two-person tent: nights above the tree line",
            "hiking backpack: three days on the trail",
            "sleeping bag: frost on the grass",
            "camp stove: hot soup far from home",
        ),
        ("Ripstop", "Down", "Canvas", "Titanium", "Waxed", "Aluminium"),
        "Outdoor equipment tested in the mountains.",
        130, -0.4, -0.2, 13, DESKTOP,
    ),
    Category(
        "sports",
        _styles(
            "yoga mat: the first hour of the morning",
            "dumbbell: strength at home",
            "bicycle helmet: the road to work",
            "tennis racket: a strong baseline",
        ),
        ("Cork", "Rubber", "Carbon", "Graphite", "Foam", "Aluminium"),
        "Sports gear for training three times a week.",
        60, -0.2, -0.7, 6, MOBILE,
    ),
    Category(
        "instruments",
        _styles(
            "acoustic guitar: songs around a fire",
            "violin: the second desk of the orchestra",
            "hand drum: rhythm without a drum kit",
            "stage piano: practice with headphones",
        ),
        ("Spruce", "Maple", "Rosewood", "Mahogany", "Ebony", "Walnut"),
        "An instrument set up and tuned by a luthier.",
        280, -0.4, -0.1, 16, DESKTOP,
    ),
    Category(
        "books",
        _styles(
            "mystery novel: a night without sleep",
            "cookbook: forty dinners in half an hour",
            "travel guide: a week by train",
            "graphic novel: readers who like to look",
        ),
        ("Clothbound", "Illustrated", "Pocket", "Signed", "Annotated", "Gilded"),
        "A book printed on paper that does not yellow.",
        19, 0.2, 0.3, 0, TABLET,
    ),
    Category(
        "toys",
        _styles(
            "jigsaw puzzle: a rainy weekend",
            "building blocks: towers and bridges",
            "plush bear: falling asleep",
            "board game: four players and one winner",
        ),
        ("Wooden", "Felt", "Painted", "Giant", "Magnetic", "Knitted"),
        "A toy that survives being loved.",
        26, 0.3, -0.2, 18, TABLET,
    ),
    Category(
        "pet supplies",
        _styles(
            "dog bed: an old dog's bones",
            "cat tower: a view from the top",
            "walking leash: the round before breakfast",
            "food bowl: eaters who are in a hurry",
        ),
        ("Rope", "Plush", "Sisal", "Ceramic", "Reflective", "Bamboo"),
        "For pets, and approved by vets.",
        32, 0.1, 0.1, 15, MOBILE,
    ),
    Category(
        "stationery",
        _styles(
            "notebook: thoughts before they go",
            "fountain pen: letters worth keeping",
            "desk organiser: a tidy desk on Monday",
            "sketchbook: drawing from life",
        ),
        ("Recycled", "Leather", "Linen", "Marbled", "Brass", "Walnut"),
        "Stationery for people who write by hand.",
        16, 0.2, 0.0, 9, DESKTOP,
    ),
)
# fmt: on

STYLES: tuple[tuple[int, Style], ...] = tuple((c, s) for c, category in enumerate(CATEGORIES) for s in category.styles)
MATERIALS: tuple[str, ...] = tuple(dict.fromkeys(m for category in CATEGORIES for m in category.materials))
