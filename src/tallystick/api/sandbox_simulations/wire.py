"""What a simulation is asked for, and its two answers (contract 6.9)."""

from __future__ import annotations

from typing import Literal

import msgspec

from tallystick.hal import Link

COLLECTION = "sandbox-simulations"
KIND = "sandbox-simulation"

CUSTOMER_VERIFICATION = "customer-verification"

ErrorCode = Literal[
    "PersonalIDRequired", "POBoxNotAllowed", "AddressNotAssociatedWithBusiness",
    "EINDocumentRequired",
]  # fmt: skip


class PostedLinks(msgspec.Struct):
    customer: Link


class PostedDirective(msgspec.Struct, rename="camel"):
    """What verification is to say is wrong with a business."""

    links: PostedLinks = msgspec.field(name="_links")
    error_code: ErrorCode


class Processed(msgspec.Struct, frozen=True):
    """`total` bank transfers and micro-deposits were processed."""

    links: dict[str, Link] = msgspec.field(name="_links")
    total: int


class Directed(msgspec.Struct, frozen=True, rename="camel"):
    links: dict[str, Link] = msgspec.field(name="_links")
    error_code: str
