"""The drawing of each style, by the noun of its titles. The modules of categories contain the drawings."""

from rec_assets.sources.retail.drawings import adornment, clothing, home, kitchen, leisure, study, workshop
from rec_assets.sources.retail.drawings.shapes import Drawing

DRAWINGS: dict[str, Drawing] = {
    noun: drawing
    for module in (clothing, adornment, home, kitchen, workshop, leisure, study)
    for noun, drawing in module.DRAWINGS.items()
}
