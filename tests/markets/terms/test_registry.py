"""The registry of contract terms: proposals promise nothing, a person's full hash does, and any change takes it back at once."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pytest_django import Settings

from kalbot.common import clock
from markets.catalogue.scan import scan
from markets.connect import environment
from markets.kalshi.rest.client import KalshiClient
from markets.models import Certificate, ContractTerms, Event, Series, TermsChange
from markets.terms import certificates, exhaustiveness
from markets.terms.facts import EventFacts
from markets.terms.grades import Grade
from markets.terms.registry import changes, documents
from markets.terms.registry.entries import document_url, exchange_of, terms_of, unit_of
from tests.markets.exchange import SmallExchange, temperature
from tests.markets.kalshi.test_hostile_answers import dripping

PATH = "/terms/TEMPERATURE.txt"
EVENT = "KXHIGHMIA-1"


class Documents:
    """A server of one document beside the small exchange's address."""

    def __init__(self) -> None:
        self.body, self.status = b"the terms", 200
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(owner.status)
                self.end_headers()
                self.wfile.write(owner.body)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/doc"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


@pytest.fixture
def document() -> Iterator[Documents]:
    served = Documents()
    yield served
    served.server.shutdown()
    served.server.server_close()


@pytest.fixture
def entry(exchange: SmallExchange, client: KalshiClient, db: None) -> ContractTerms:
    """An event whose series points to the simulator's temperature document, and the proposal for it."""
    exchange.add(temperature(EVENT, "KXHIGHMIA"))
    exchange.series["KXHIGHMIA"]["contract_terms_url"] = exchange.url.removesuffix("/trade-api/v2") + PATH
    changes.ensure_proposals()
    scan(client)
    return ContractTerms.objects.get(exchange="simulator", url=PATH)


def grade() -> str:
    found = certificates.in_force(Event.objects.get(pk=EVENT))
    assert found is not None
    return found.grade


def approved(entry: ContractTerms, document: Documents) -> ContractTerms:
    documents.check(entry, document.url)
    entry.refresh_from_db()
    changes.approve(entry, document.sha256, "rita", "Read it.")
    entry.refresh_from_db()
    return entry


def test_a_proposal_promises_nothing_until_its_full_hash_is_approved(entry: ContractTerms, document: Documents) -> None:
    assert grade() == Grade.IF_DETERMINED
    with pytest.raises(changes.TermsError, match="not been fetched"):
        changes.approve(entry, document.sha256, "rita", "Read it.")
    documents.check(entry, document.url)
    entry.refresh_from_db()
    for wrong in ("", document.sha256[:16], "0" * 64):
        with pytest.raises(changes.TermsError, match="full hash"):
            changes.approve(entry, wrong, "rita", "Read it.")
    with pytest.raises(changes.TermsError, match="note"):
        changes.approve(entry, document.sha256, "rita", " ")
    assert grade() == Grade.IF_DETERMINED
    changes.approve(entry, document.sha256, "rita", "Read it.")
    assert grade() == Grade.GUARANTEED
    assert Certificate.objects.get(event_id=EVENT, status="granted").terms_id == entry.pk


def test_another_document_under_the_same_address_demotes_at_once(entry: ContractTerms, document: Documents) -> None:
    approved(entry, document)
    document.body = b"the terms, amended"
    assert documents.check(entry, document.url)
    assert grade() == Grade.IF_DETERMINED
    change = TermsChange.objects.latest("id")
    assert change.kind == TermsChange.Kind.HASH_CHANGED
    document.body = b"the terms"
    entry.refresh_from_db()
    documents.check(entry, document.url)
    assert grade() == Grade.IF_DETERMINED  # only a person promotes


def test_a_document_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "DOCUMENT_SECONDS", 0.3)
    with dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"x", 0.05) as server, pytest.raises(documents.Unreachable):
        documents.fetch_hash(server.rest_url)


def test_another_address_of_the_series_demotes_at_once(
    entry: ContractTerms, document: Documents, exchange: SmallExchange, client: KalshiClient
) -> None:
    approved(entry, document)
    exchange.series["KXHIGHMIA"]["contract_terms_url"] = "https://terms.invalid/1.pdf"
    scan(client)
    assert Series.objects.get(pk="KXHIGHMIA").contract_terms_url == "https://terms.invalid/1.pdf"
    assert grade() == Grade.IF_DETERMINED
    change = TermsChange.objects.latest("id")
    assert (change.kind, change.series_ticker) == (TermsChange.Kind.URL_CHANGED, "KXHIGHMIA")


def test_rules_that_contradict_the_entry_cost_the_grade(
    entry: ContractTerms, document: Documents, exchange: SmallExchange, client: KalshiClient
) -> None:
    entry = changes.revise(entry, {"must_contain": ["a phrase that is not there"]}, "rita", "for the test")
    approved(entry, document)
    assert grade() == Grade.IF_DETERMINED
    changes.recertify(entry)
    change = TermsChange.objects.get(kind=TermsChange.Kind.TEXT_CHANGED)  # said once
    assert (change.series_ticker, "a phrase that is not there" in change.detail) == ("KXHIGHMIA", True)
    TermsChange.objects.update(at=clock.now() - timedelta(days=2))
    changes.recertify(entry)
    assert TermsChange.objects.filter(kind=TermsChange.Kind.TEXT_CHANGED).count() == 2  # it may have gone and come back
    assert TermsChange.Kind.TEXT_CHANGED in TermsChange.DEMOTIONS  # people are alerted


def test_an_unreachable_document_counts_no_more_after_the_time_set_and_again_when_it_is_back(
    entry: ContractTerms, document: Documents
) -> None:
    approved(entry, document)
    document.status = 503
    assert not documents.check(entry, document.url)
    assert grade() == Grade.GUARANTEED
    entry.refresh_from_db()
    ContractTerms.objects.filter(pk=entry.pk).update(unreachable_since=clock.now() - timedelta(days=2))
    entry.refresh_from_db()
    assert documents.check(entry, document.url)
    assert not documents.check(entry, document.url)  # said once
    assert grade() == Grade.IF_DETERMINED
    assert TermsChange.objects.filter(kind=TermsChange.Kind.UNREACHABLE).count() == 1
    document.status = 200
    entry.refresh_from_db()
    documents.check(entry, document.url)
    assert grade() == Grade.GUARANTEED


def test_a_document_that_comes_back_as_another_never_counts_again(
    entry: ContractTerms, document: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    approved(entry, document)
    document.status = 503
    ContractTerms.objects.filter(pk=entry.pk).update(unreachable_since=clock.now() - timedelta(days=2))
    entry.refresh_from_db()
    documents.check(entry, document.url)
    assert grade() == Grade.IF_DETERMINED
    document.status, document.body = 200, b"the terms, amended while nobody could read them"
    entry.refresh_from_db()
    granted: list[str] = []
    judge = certificates.refresh_series

    def noted(series_ticker: str) -> int:
        voided = judge(series_ticker)
        granted.append(grade())
        return voided

    monkeypatch.setattr(certificates, "refresh_series", noted)
    assert documents.check(entry, document.url)
    assert set(granted) == {Grade.IF_DETERMINED}
    assert grade() == Grade.IF_DETERMINED


def test_a_document_that_nobody_fetches_counts_no_more_either(entry: ContractTerms, document: Documents) -> None:
    approved(entry, document)
    assert documents.note_out_of_reach() == 0
    ContractTerms.objects.filter(pk=entry.pk).update(fetched_at=clock.now() - timedelta(days=2))
    assert documents.note_out_of_reach() == 1
    assert documents.note_out_of_reach() == 0
    assert grade() == Grade.IF_DETERMINED
    assert TermsChange.objects.latest("id").kind == TermsChange.Kind.UNREACHABLE
    entry.refresh_from_db()
    documents.check(entry, document.url)
    assert grade() == Grade.GUARANTEED


@pytest.mark.parametrize(
    "content",
    [{"unit": "NaN"}, {"unit": "Infinity"}, {"unit": "0"}, {"unit": "-1"}, {"unit": "one"}]
    + [{"must_contain": found} for found in ("NWS", [""], [7], {"a": 1})],
)
def test_content_that_says_nothing_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(changes.TermsError):
        changes.check_content(content)


def test_an_event_that_cannot_be_judged_stops_no_other(
    entry: ContractTerms,
    exchange: SmallExchange,
    client: KalshiClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    exchange.add(temperature("KXHIGHMIA-2", "KXHIGHMIA"))
    judge = exhaustiveness.certify

    def faulty(facts: EventFacts, *given: Any) -> exhaustiveness.Certificate | exhaustiveness.Refusal:
        if facts.event_ticker == EVENT:
            raise RuntimeError("a fault of ours")
        return judge(facts, *given)

    monkeypatch.setattr(exhaustiveness, "certify", faulty)
    scan(client)
    certificates.refresh([EVENT, "KXHIGHMIA-2"], force=True)
    assert certificates.in_force(Event.objects.get(pk=EVENT)) is None
    assert certificates.in_force(Event.objects.get(pk="KXHIGHMIA-2")) is not None
    assert f"the facts of {EVENT} could not be judged" in caplog.text


@pytest.mark.parametrize("unit", ["NaN", "sNaN", "Infinity", "-1", "1/2"])
def test_a_unit_that_is_none_is_not_stated(unit: str) -> None:
    assert unit_of(unit) is None


def test_an_edit_is_a_new_version_and_the_approved_one_stays_until_it_is_approved(
    entry: ContractTerms, document: Documents
) -> None:
    approved(entry, document)
    edited = changes.revise(entry, {"no_data": "all_no"}, "rita", "Clause 7 of the amendment.")
    assert (edited.version, edited.status) == (entry.version + 1, "proposed")
    assert grade() == Grade.GUARANTEED
    changes.approve(edited, document.sha256, "rita", "Read again.")
    entry.refresh_from_db()
    assert entry.status == "replaced"
    found = certificates.in_force(Event.objects.get(pk=EVENT))
    assert found is not None
    assert not found.one_must_win
    with pytest.raises(changes.TermsError):
        changes.revise(edited, {"status": "approved"}, "rita", "sneaking")
    with pytest.raises(changes.TermsError):
        changes.revise(edited, {"unit": "2"}, "rita", "")


def test_the_simulator_s_entries_are_valid_nowhere_else(
    entry: ContractTerms, document: Documents, settings: Settings
) -> None:
    approved(entry, document)
    assert terms_of(["KXHIGHMIA"])["KXHIGHMIA"].terms.approved
    settings.KALSHI_REST_URL = "https://external-api.kalshi.com/trade-api/v2"
    settings.KALSHI_WS_URL = "wss://external-api-ws.kalshi.com/trade-api/ws/v2"
    assert exchange_of(environment()) == "kalshi"
    assert terms_of(["KXHIGHMIA"]) == {}


def test_shipped_proposals_are_whole_and_made_once(db: None) -> None:
    assert changes.ensure_proposals() == ContractTerms.objects.count() >= 9
    assert changes.ensure_proposals() == 0
    assert set(ContractTerms.objects.values_list("status", flat=True)) == {"proposed"}
    for row in ContractTerms.objects.filter(exchange="kalshi"):
        assert document_url(row, environment()) == row.url
        assert row.about
