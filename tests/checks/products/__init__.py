"""What the tests that all checks share have to know of each product: one module for each, with a `PRODUCT`."""

import importlib
import pkgutil
from functools import cache

from tests.checks.product import Product


@cache
def all_products() -> dict[str, Product]:
    """Every product that has a module here, by the name of its check."""
    found = [importlib.import_module(f"{__name__}.{m.name}").PRODUCT for m in pkgutil.iter_modules(__path__)]
    return {product.name: product for product in sorted(found, key=lambda product: product.name)}
