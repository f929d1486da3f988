"""What the shop sells."""

from dataclasses import dataclass

CURRENCY = "EUR"


@dataclass(frozen=True)
class Product:
    """One thing for sale."""

    sku: str
    name: str
    about: str
    price_minor: int  # cents


PRODUCTS = {
    product.sku: product
    for product in (
        Product("PRO", "Studio scissors", "Forged steel, 7 inches, for every day at the chair.", 12_900),
        Product("CARE", "Care kit", "Oil, cloth and a leather case.", 2_450),
        Product("COURSE", "Sharpening course", "Two hours online with a workshop.", 4_900),
    )
}


def price(amount_minor: int) -> str:
    """An amount of cents for people, e.g. `€129.00`."""
    euros, cents = divmod(amount_minor, 100)
    return f"€{euros:,}.{cents:02d}"
