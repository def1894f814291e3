"""A partner's failure, said in the API's words: a documented error, and why in the embedded list.

The documents have no code for "the partner is down", only RequestTimeout and ServerError; a caller
who gets one learns from the embedded entry which partner it was and whether to try again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tallystick.errors import FieldError, InvalidExchange, RequestTimeout, ServerError
from tallystick.partners.contract import Partner
from tallystick.partners.errors import (
    ConsentLost,
    GrantRevoked,
    NotOffered,
    PartnerError,
    PartnerRefused,
    PartnerUnavailable,
)


@contextmanager
def explained(partner: Partner) -> Iterator[None]:
    """Turn a PartnerError that leaves the block into an ApiError.

    PartnerUnavailable → 500 RequestTimeout, PartnerRefused → 500 ServerError, GrantRevoked and
    ConsentLost → 400 InvalidExchange. Proofs are the business of who redeems them, and NotOffered
    that of who asked.
    """
    try:
        yield
    except NotOffered:
        raise
    except PartnerUnavailable as error:
        said = f"{partner.manifest.name} gave no usable answer ({error.code}). Try again later."
        raise RequestTimeout(errors=[FieldError("PartnerUnavailable", said, "")]) from error
    except (GrantRevoked, ConsentLost) as error:
        raise InvalidExchange from error
    except PartnerRefused as error:
        said = (
            f"{partner.manifest.name} refused the gateway's request ({error.code}). "
            "Its operator must look at the partner's keys and products."
        )
        raise ServerError(errors=[FieldError("PartnerRefused", said, "")]) from error
    except PartnerError as error:
        said = f"{partner.manifest.name} answered {error.code}."
        raise ServerError(errors=[FieldError("PartnerError", said, "")]) from error
