"""What a caller hands us to claim an exchange with Finicity (contract 5.7 d)."""

from __future__ import annotations

from typing import Annotated

import msgspec

from tallystick.partners.contract import Proof

# Longer than anything that Mastercard issues, short enough to be kept.
Text = Annotated[str, msgspec.Meta(max_length=256)]
# Dwolla's schema has whole numbers where Mastercard's has texts (`partnerId`), and its own guide
# contradicts it (`startTime`; contract 5.7): what is posted verbatim may be either.
Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
TextOrWhole = Text | Whole

PRODUCTS_MAX = 100


class AccessPeriod(msgspec.Struct, frozen=True, rename="camel"):
    """From when to when the access is granted; only `timeframe` is documented as `type`."""

    type: Text | None = None
    start_time: TextOrWhole | None = None
    end_time: TextOrWhole | None = None

    def __repr__(self) -> str:
        return "AccessPeriod()"


class Product(msgspec.Struct, frozen=True, rename="camel"):
    """One of Mastercard's calls that the receipt allows, for one account."""

    product: Text | None = None
    account_id: TextOrWhole | None = None
    access_period: AccessPeriod | None = None

    def __repr__(self) -> str:
        return "Product(«secret»)"


class FinicityReceipt(Proof, frozen=True):
    """`data[0].receipt` of Mastercard's Generate Third Party Access Key, as it came.

    Every member is optional by Dwolla's schema; what is missing is found out when the receipt is
    redeemed. Members that we do not know (`provenance`, `maxCalls`, …) are let through.
    """

    member = "finicity"
    only_looked_at = True

    receipt_id: TextOrWhole | None = None
    receipt_version: TextOrWhole | None = None
    customer_id: TextOrWhole | None = None
    partner_id: TextOrWhole | None = None
    profile: TextOrWhole | None = None
    version: TextOrWhole | None = None
    timestamp: TextOrWhole | None = None
    products: Annotated[list[Product], msgspec.Meta(max_length=PRODUCTS_MAX)] | None = None

    def identity(self) -> str:
        """A receipt is the same whatever version of it is posted: the access it opens is one."""
        accounts = sorted({str(each.account_id) for each in self.products or ()})
        return "\n".join((str(self.receipt_id), str(self.customer_id), *accounts))
