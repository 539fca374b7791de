"""What the exchange offers, as rows: catalogue, scans, certificates, and the durable inbox of the stream.

Units are in the names: ``_e6`` is a millionth, prices are 1/10,000 dollar, counts 1/100 contract (see kalbot.common.units).
"""

from markets.models.catalogue import Event, FamilyMember, FeeChange, Market, RefusedFamily, Scan, Series
from markets.models.feed import ExchangeMessage, ExchangeSchedule, Installation, TapeGap, Watch
from markets.models.terms import Certificate, ContractTerms, ReviewedSeries, TermsChange

__all__ = [
    "Certificate",
    "ContractTerms",
    "Event",
    "ExchangeMessage",
    "ExchangeSchedule",
    "FamilyMember",
    "FeeChange",
    "Installation",
    "Market",
    "RefusedFamily",
    "ReviewedSeries",
    "Scan",
    "Series",
    "TapeGap",
    "TermsChange",
    "Watch",
]
