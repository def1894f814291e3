"""What a browser brings back from Tink's page. Secret; never posted by a client."""

from __future__ import annotations

import msgspec

from tallystick.partners.contract import Proof
from tallystick.secret import Secret


class VisaReport(Proof, frozen=True):
    """An account check that the person has just finished.

    The query that it is read from cannot say whose it is; before it is redeemed, the gateway adds
    the person that the session was started for (`opened`). `credentials_id` is a hint, if any.
    """

    member = "visa"
    posted = False
    only_looked_at = True

    report_id: str
    credentials_id: str | None = None
    person: str | None = None

    def identity(self) -> str:
        return self.report_id

    def opened(self, handle: Secret[str]) -> VisaReport:
        """The proof for the person of the session; `handle` is `SessionRequest.person`."""
        return msgspec.structs.replace(self, person=handle.reveal())


class VisaRepaired(Proof, frozen=True):
    """A consent that was renewed, without a new report: whoever redeems it is refused."""

    member = "visa repaired"
    posted = False

    credentials_id: str

    def identity(self) -> str:
        return self.credentials_id

    def opened(self, handle: Secret[str]) -> VisaRepaired:  # noqa: ARG002  # it names nobody
        return self
