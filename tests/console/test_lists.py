"""Lists: few queries however many rows, filters that work, near misses nearest first, a funnel that adds up."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import sample_markets
import sample_positions
import sample_rows
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.db.models import DateTimeField, F, IntegerField, Model
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from kalbot.common import clock
from kalbot.console import tasks
from kalbot.console.admin.lists import base
from kalbot.console.admin.lists.base import ReadOnlyAdmin
from kalbot.console.models import LogRecord, TaskRecord
from kalbot.console.ui import empty_lists, formats
from strategies.models import Cycle, NearMiss, Profile, Screening, Verdict
from strategies.profiles import seeds
from trading.models import Discrepancy, ExchangeAccount, Fill, Leg, Order, Position, Settlement

BOUND = 20


def many(sample: dict[str, Any], number: int = 12) -> None:
    """More rows of what lists show, so that a query a row would be seen."""
    for day in range(number):
        event = sample_markets.weather_event("DEN", f"27JAN{day:02}")
        sample_positions.position(sample["careful"], event)
        sample_rows.near_miss(sample["live"], event, 9_000 + day)


def test_no_list_asks_a_query_a_row(sample: dict[str, Any], login: Any) -> None:
    many(sample)
    client, seen = login(), {}
    for model in admin.site._registry:
        address = reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_changelist")
        client.get(address)  # fills caches of content types and filter choices
        with CaptureQueriesContext(
            connection,
        ) as sent:
            client.get(address)
        seen[model._meta.label_lower] = len(sent)
    assert {name: number for name, number in seen.items() if number > BOUND} == {}


@pytest.mark.parametrize("model", ["order", "fill", "settlement", "leg"])
def test_a_market_stands_with_its_event_s_title(model: str, sample: dict[str, Any], login: Any) -> None:
    client = login()
    listed = admin.site._registry[{"leg": Leg, "order": Order, "fill": Fill, "settlement": Settlement}[model]]
    one: Any = listed.get_queryset(client.get(reverse("admin:index")).wsgi_request).first()
    event = (one if model == "leg" else one.order.leg if model == "fill" else one.leg).market.event
    page = unescape(client.get(reverse(f"admin:trading_{model}_changelist")).content.decode())
    assert f">{event.title} · {event.pk}" in page


def test_a_difference_names_its_market_with_its_title_and_is_found_by_it(sample: dict[str, Any], login: Any) -> None:
    market = sample["events"][0].markets.first()
    ExchangeAccount.objects.create(subaccount=3, opening=0, balance=0, seen_at=clock.now())
    Discrepancy.objects.create(code="position", mode="live", key=f"3:{market.pk}", ours="1", theirs="2")
    title, client = f"{market.yes_sub_title}: {market.event.title}", login()
    listed = client.get(reverse("admin:trading_discrepancy_changelist"), {"q": market.yes_sub_title})
    assert [one.key for one in listed.context["cl"].result_list] == [f"3:{market.pk}"]
    row = listed.context["cl"].result_list[0]
    dialog = reverse("admin:act_resolve_discrepancy_one", args=[row.pk])
    for page in (listed, *map(client.get, (reverse("admin:operate"), reverse("admin:index"), dialog))):
        assert title in unescape(page.content.decode())
    states = client.get(reverse("admin:trading_tradingstate_changelist")).content.decode()
    assert "all profiles" in states


def test_every_list_has_an_order_also_where_only_its_names_are_searched(rf: Any) -> None:
    request = rf.get("/")
    unordered = [
        model._meta.label for model, listed in admin.site._registry.items() if not listed.get_queryset(request).ordered
    ]
    assert unordered == []


def test_near_misses_stand_nearest_first_and_ended_ones_are_a_filter_away(sample: dict[str, Any], login: Any) -> None:
    client, address = login("viewer"), reverse("admin:strategies_nearmiss_changelist")
    NearMiss.objects.filter(profile=sample["live"]).update(ended_at=clock.now())
    rows = list(client.get(address).context["cl"].result_list)
    assert [row.distance_ppm for row in rows] == sorted(row.distance_ppm for row in rows)
    assert {row.profile_id for row in rows} == {sample["careful"].pk, sample["coverage"].pk}
    assert len(client.get(address, {"is_open": "ended"}).context["cl"].result_list) == 2
    assert len(client.get(address, {"is_open": "all"}).context["cl"].result_list) == 6


@pytest.mark.parametrize(
    ("name", "query", "number"),
    [
        ("trading_position", {"held": "active"}, 3),
        ("trading_position", {"mode__exact": "live"}, 4),
        ("trading_position", {"q": "KXHIGHMIA"}, 1),
        ("strategies_verdict", {"status__exact": "candidate"}, 3),
        ("strategies_verdict", {"constraint": "volume"}, 3),
        ("strategies_decision", {"became": "denied"}, 1),
        ("markets_event", {"category": "Climate and Weather"}, 6),
        ("console_logrecord", {"level": "ERROR"}, 1),
    ],
)
def test_filters_and_search_find_what_they_say(
    name: str, query: dict[str, str], number: int, sample: dict[str, Any], login: Any
) -> None:
    answer = login("viewer").get(reverse(f"admin:{name}_changelist"), query)
    assert answer.status_code == 200
    assert len(answer.context["cl"].result_list) == number


def test_a_rows_page_leads_back_to_the_list_as_it_was_filtered(sample: dict[str, Any], login: Any) -> None:
    client, address = login("viewer"), reverse("admin:trading_position_changelist")
    page = client.get(address, {"mode__exact": "live", "q": "new york"}).content.decode()
    link = re.search(rf'href="({address}{sample["held"].pk}/change/[^"]*)"', page)
    assert link is not None
    back = re.search(rf'href="({address}[?][^"]*)"', client.get(unescape(link[1])).content.decode())
    assert back is not None
    assert len(client.get(unescape(back[1])).context["cl"].result_list) == 4


def test_the_funnel_adds_up_and_each_count_is_a_link_to_that_many_rows(sample: dict[str, Any], login: Any) -> None:
    client = login("viewer")
    page = client.get(reverse("admin:why"), {"profile": "careful"})
    shown = page.context
    assert (
        shown["universe"]
        == 6
        == sum(step["refused"] for step in shown["steps"]) + shown["near_total"] + shown["candidates"]
    )
    assert shown["steps"][-1]["left"] == shown["near_total"] + shown["candidates"]
    for step in shown["steps"]:
        assert len(client.get(step["url"]).context["cl"].result_list) == step["refused"]
    assert "The last screening saw" not in page.content.decode(), "all of them are counted here"
    assert len(client.get(shown["near_verdicts"]).context["cl"].result_list) == shown["near_total"]
    assert len(client.get(shown["candidates_url"]).context["cl"].result_list) == shown["candidates"]


@pytest.mark.parametrize(
    ("saw", "sentence"),
    [
        (9, "The last screening saw 9 events. Counted here are the 6 of them that have not closed since."),
        (4, "The last screening saw 4 events. A newer one is writing its verdicts right now: there are 6."),
    ],
)
def test_the_funnel_says_why_it_counts_other_events_than_the_last_screening(
    saw: int, sentence: str, sample: dict[str, Any], login: Any
) -> None:
    Screening.objects.filter(profile__name="careful").update(universe=saw)
    assert sentence in login("viewer").get(reverse("admin:why"), {"profile": "careful"}).content.decode()


def test_amounts_on_pages_are_dollars_not_columns(sample: dict[str, Any], login: Any) -> None:
    page = login("viewer").get(reverse("admin:trading_position_change", args=[sample["held"].pk])).content.decode()
    text = re.sub(r"<[^>]+>", " ", page)
    assert "$49.4075" in text
    assert str(sample["held"].cost) not in text
    assert "What is held pays at least $50.00 in every listed state; it cost $49.4075." in text


def test_a_booking_has_no_colour_for_profit_is_a_credit_there(sample: dict[str, Any], login: Any) -> None:
    client = login("viewer")
    for name in ("ledgerentry", "ledgertransaction"):
        page = client.get(reverse(f"admin:trading_{name}_changelist")).content.decode()
        assert re.search(r"[+-]\$\d", page)
        assert not re.search('k-figure k-(good|bad)"', page), name


def test_balances_are_read_the_way_people_count(sample: dict[str, Any], login: Any) -> None:
    client = login("viewer")
    page = client.get(reverse("admin:trading_profilebalance_changelist")).content.decode()
    balance = sample["live"].balance
    page += client.get(reverse("admin:trading_profilebalance_change", args=[balance.pk])).content.decode()
    assert page.count("$10,000.00") == 2  # capital, in the list and on the page
    assert "+$1.7775" in page
    assert "-$" not in page
    paid = sum(fill.fee for fill in Fill.objects.filter(order__profile=sample["live"]))
    assert paid > 0
    assert formats.money(paid) in page  # all that was paid, not what is in open positions
    assert page.count("$10,001.7775") >= 2  # equity, and the mark of baskets that have ended, which is as high


def test_every_row_of_money_is_read_only() -> None:
    models = {model for model in admin.site._registry if model._meta.app_label in ("trading", "triage")}
    assert all(isinstance(admin.site._registry[model], ReadOnlyAdmin) for model in models)
    assert Fill in models


def test_prune_forgets_old_noise_and_never_money(sample: dict[str, Any]) -> None:
    long_ago = clock.now() - timedelta(days=400)
    for model, column in (
        (LogRecord, "at"),
        (TaskRecord, "started_at"),
        (Cycle, "started_at"),
        (Verdict, "updated_at"),
        (Position, "created_at"),
    ):
        model.objects.update(**{column: long_ago})
    positions, verdicts = Position.objects.count(), Verdict.objects.filter(event__is_open=True).count()
    deleted = tasks.prune()
    assert deleted["log"] == 2
    assert (LogRecord.objects.count(), TaskRecord.objects.count()) == (0, 0)
    assert Cycle.objects.count() == Cycle.objects.filter(decisions=1).count() == 1
    assert Verdict.objects.count() == verdicts
    assert Position.objects.count() == positions


def test_an_export_holds_the_filtered_rows_with_exact_decimals(sample: dict[str, Any], login: Any) -> None:
    client, address = login("viewer"), reverse("admin:trading_position_export")
    assert client.get(address).status_code == 200
    fields = {
        "resource": "0",
        "format": "0",
        **{f"positionresource_{name}": "on" for name in ("id", "mode", "cost", "target_count")},
    }
    answer = client.post(
        f"{address}?mode__exact=live", {**fields, **dict.fromkeys(("id", "mode", "cost", "target_count"), "on")}
    )
    lines = answer.getvalue().decode().strip().splitlines()
    assert len(lines) == 1 + 4
    assert any(line.startswith(str(sample["held"].pk)) and "49.407500" in line and "25.00" in line for line in lines)


def test_a_list_is_counted_by_the_database_and_not_by_reading_its_keys(sample: dict[str, Any], login: Any) -> None:
    client, address = login("viewer"), reverse("admin:trading_order_changelist")
    client.get(address)
    with CaptureQueriesContext(connection) as ran:
        client.get(address)
    counted = [one["sql"] for one in ran if f"LIMIT {base.COUNT_LIMIT}" in one["sql"]]
    assert counted
    assert all(sql.startswith("SELECT COUNT(") for sql in counted)


def test_candidates_that_were_not_bought_say_why_on_live_prices(sample: dict[str, Any], login: Any) -> None:
    client = login("viewer")
    groups = client.get(reverse("admin:why"), {"profile": "careful"}).context["live"]
    assert [(row["code"], row["number"]) for row in groups] == [("margin", 1)]
    assert len(client.get(groups[0]["url"]).context["cl"].result_list) == 1


def test_an_events_whole_story_is_shown_for_a_profile(sample: dict[str, Any], login: Any) -> None:
    event = sample["events"][0]
    page = login("viewer").get(reverse("admin:why_event", args=[event.pk]), {"profile": "careful"})
    assert page.context["story"][0] == f"{event.ticker}: {event.title}"
    assert "The whole story for careful" in page.content.decode()


def test_a_closed_event_is_not_called_one_that_nobody_evaluated(sample: dict[str, Any], login: Any) -> None:
    event, client = sample["events"][0], login("viewer")
    address = reverse("admin:why_event", args=[event.pk])
    Verdict.objects.filter(event=event).delete()
    assert "No profile has evaluated it yet; the next scan will." in client.get(address).content.decode()
    type(event).objects.filter(pk=event.pk).update(is_open=False)
    page = client.get(address).content.decode()
    assert "It is closed" in page
    assert "No profile has evaluated it" not in page


def test_the_dashboard_asks_no_more_for_more_profiles(
    sample: dict[str, Any], login: Any, django_assert_max_num_queries: Any
) -> None:
    client = login("viewer")
    for number in range(12):
        Profile.objects.create(name=f"more-{number}", mode="live" if number % 2 else "sim", **seeds.GUARANTEED_ONLY)
    client.get(reverse("admin:index"))
    with django_assert_max_num_queries(80):
        client.get(reverse("admin:index"))
    with django_assert_max_num_queries(45):
        client.get(reverse("admin:operate"))


def test_refused_decisions_are_listed_with_their_event_profile_and_mode(sample: dict[str, Any], login: Any) -> None:
    page = login("viewer").get(reverse("admin:trading_denial_changelist"), {"q": "Austin"}).content.decode()
    row = page[page.index('id="result_list"') :]
    for words in ("Highest temperature in Austin", "coverage", ">sim<", "$197.00 are not free"):
        assert words in row, words
    assert "all_no" not in row


def test_whole_numbers_of_a_list_line_up_and_say_nothing_of_their_storage(sample: dict[str, Any], login: Any) -> None:
    client = login("viewer")
    page = client.get(reverse("admin:strategies_screening_changelist")).content.decode()
    assert re.search(r'field-universe[^>]*>\s*<span class="k-num k-figure">6</span>', page)
    decision = client.get(reverse("admin:strategies_decision_change", args=[sample["held"].decision_id]))
    assert "Coverage ppm" not in decision.content.decode()


def test_a_profile_that_was_never_screened_has_no_funnel_of_zeros(sample: dict[str, Any], login: Any) -> None:
    page = login("viewer").get(reverse("admin:why"), {"profile": "balanced"}).content.decode()
    assert "No scan has been screened for balanced yet" in page
    assert "k-funnel" not in page


PLAIN = {
    "attempts",
    "candidates",
    "combos_left_out",
    "decisions",
    "differences",
    "dropped",
    "evaluated",
    "evaluations",
    "events",
    "events_gone",
    "events_written",
    "exchange_index",
    "fills",
    "market_count",
    "markets",
    "markets_written",
    "near_misses",
    "orders",
    "pages",
    "positions",
    "priority",
    "reading",
    "rejected",
    "repaired",
    "repeats",
    "sequence",
    "settled",
    "settlement_timer_seconds",
    "shard",
    "subaccount",
    "universe",
    "version",
    "waits",
    "watched",
}
"""Columns that are plain numbers, seconds by their name, or names of something."""


def test_no_stored_amount_is_shown_without_its_unit() -> None:
    raw = []
    for model, shown in admin.site._registry.items():
        if not isinstance(shown, ReadOnlyAdmin):
            continue
        known = set(shown.units) | set(shown.exclude or ()) | PLAIN
        for field in model._meta.concrete_fields:
            number = isinstance(field, IntegerField) and not field.primary_key and not field.choices
            if number and not field.is_relation and field.name not in known:
                raw.append(f"{model._meta.label}.{field.name}")
    assert raw == []


def test_every_row_that_is_only_read_says_when_it_was_written(rf: Any) -> None:
    request = rf.get("/")
    request.user = AnonymousUser()
    silent = []
    for model, shown in admin.site._registry.items():
        if isinstance(shown, ReadOnlyAdmin):
            fields = [getattr(one, "__name__", one) for one in flatten_fieldsets(shown.get_fieldsets(request))]
            moments = [one.name for one in model._meta.fields if isinstance(one, DateTimeField) and not one.editable]
            silent += [f"{model.__name__}.{name}" for name in moments if name not in fields]
    assert silent == []


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_who_may_not_change_a_profile_reads_it_in_dollars_too(role: str, sample: dict[str, Any], login: Any) -> None:
    page = login(role).get(reverse("admin:strategies_profile_change", args=[sample["careful"].pk])).content.decode()
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page[page.index("What is watched") :]))
    for words in (
        "A near miss is within 5 %",
        "Most in one event $200.00",
        "Volume, at least 0 contracts",
        "Capital $1,000.00",
        "Categories all",
        "guaranteed",
    ):
        assert words in text, words
    for words in ("200000000", "50000 ", "micro-dollars", "ppm", "What would this change have done"):
        assert words not in text, words


@pytest.mark.parametrize(
    ("term", "number"),
    [
        ("boston", 0),
        ("miami", 6),
        ("MIAMI 85°", 1),
        ('"to 86°" miami', 1),
        ('"86° to" miami', 0),
        ("KXHIGHMIA-26NOV24-B8", 5),
        ("'", 0),
        ('"', 0),
        ("50%_", 0),
    ],
)
def test_a_search_reads_the_markets_once_for_count_and_page(
    term: str, number: int, sample: dict[str, Any], login: Any
) -> None:
    with CaptureQueriesContext(connection) as sent:
        answer = login("viewer").get(reverse("admin:markets_market_changelist"), {"q": term})
    found = answer.context["cl"]
    assert (len(found.result_list), found.result_count) == (number, number)
    assert len([one for one in sent if "LIKE" in one["sql"].upper() and '"markets_market"' in one["sql"]]) == 1


def test_a_search_of_several_pages_keeps_its_order_and_annotations(sample: dict[str, Any], login: Any) -> None:
    client, address = login("viewer"), reverse("admin:trading_fill_changelist")
    pages = [client.get(address, {"q": "temperature", "p": page}).context["cl"] for page in (1, 2)]
    keys = [row.pk for page in pages for row in page.result_list]
    assert keys == list(Fill.objects.order_by("-id").values_list("pk", flat=True))
    assert pages[0].result_count == len(keys) > len(pages[0].result_list)
    booked = client.get(reverse("admin:trading_ledgertransaction_changelist"), {"q": f"#{sample['held'].pk}"})
    assert [row.cash_booked for row in booked.context["cl"].result_list] == [-sample["held"].cost]


def test_a_page_far_down_a_list_holds_the_rows_of_its_place(sample: dict[str, Any], monkeypatch: Any) -> None:
    """Beyond ``DEEP`` rows their keys are read first; the rows are the same, in the same order, with what the list adds to them."""
    monkeypatch.setattr(base, "DEEP", 2)
    rows = Leg.objects.order_by("-id").annotate(twice=F("target_count") * 2)
    paginator = base.CappedPaginator(rows, 2)
    for number in paginator.page_range:
        page = list(paginator.page(number))
        assert [row.pk for row in page] == list(rows.values_list("pk", flat=True))[2 * number - 2 : 2 * number]
        assert all(row.twice == 2 * row.target_count for row in page)
    assert number > 2


def test_helps_of_columns_speak_of_no_stored_unit() -> None:
    for model in admin.site._registry:
        for name, text in base.help_without_units(model).items():
            assert not re.search("1/100|1/10,000|illionth|micro-dollar|nix milli", text), (
                f"{model.__name__}.{name}: {text}"
            )


def test_the_dashboard_names_an_event_once_with_every_profile_that_misses_it(
    sample: dict[str, Any], login: Any
) -> None:
    misses = list(NearMiss.objects.filter(ended_at=None).select_related("profile").order_by("pk"))
    assert len(misses) > len({miss.event_id for miss in misses}), "the sample has one event for several profiles"
    page = login("viewer").get(reverse("admin:index")).content.decode()
    part = page[page.index('id="part-nearest"') :]
    part = part[: part.index("</section>")]
    for event in {miss.event_id for miss in misses}:
        assert part.count(reverse("admin:why_event", args=[event])) <= 1
    assert re.search(r"careful, \w+|\w+, careful", part)


def test_every_row_has_a_name_for_people() -> None:
    """A page's title and links to it would say "Settlement object (1)"."""
    assert [model.__name__ for model in admin.site._registry if model.__str__ is Model.__str__] == []


def test_an_empty_list_says_what_fills_it_and_a_filtered_one_how_to_see_the_rest(
    sample: dict[str, Any], login: Any
) -> None:
    assert {model._meta.label_lower for model in admin.site._registry} == set(empty_lists.FILLED_BY)
    client, address = login("viewer"), reverse("admin:trading_correction_changelist")
    assert empty_lists.FILLED_BY["trading.correction"] in client.get(address).content.decode()
    positions = client.get(reverse("admin:trading_position_changelist"), {"q": "nowhere"}).content.decode()
    assert "Nothing matches" in positions
    assert empty_lists.FILLED_BY["trading.position"] not in positions
