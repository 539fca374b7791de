"""The console's own pages beside the admin's lists: (address, name, view)."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if name != "PAGES":
        raise AttributeError(name)
    from kalbot.console.auth import second_factor, time_zone
    from kalbot.console.pages import operate, tokens
    from kalbot.console.pages.home import first_run, fragments
    from kalbot.console.pages.positions import open_positions, position_story, quotes, triage_card
    from kalbot.console.pages.results import backtests, capital, exports, results, same_day, shadows
    from kalbot.console.pages.strategy import (
        calibration,
        event_story,
        families,
        profile_compare,
        profile_matches,
        what_if,
        why,
    )

    return [
        ("dashboard/parts/<slug:part>/", "dashboard_part", fragments.part),
        ("trading/position/<int:pk>/progress/", "position_progress", position_story.progress_part),
        ("markets/event/<path:event>/books/", "event_books", event_story.books_part),
        ("why/", "why", why.funnel_page),
        ("why/<path:event>/", "why_event", why.event_page),
        ("triage/scoreboard/", "scoreboard", triage_card.scoreboard),
        ("positions/", "open_positions", open_positions.page),
        ("profiles/matches/", "profile_matches", profile_matches.part),
        ("profiles/compare/", "profile_compare", profile_compare.page),
        ("operate/", "operate", operate.page),
        ("backtests/", "backtests", backtests.listing),
        ("backtests/<int:pk>/", "backtest", backtests.one),
        ("backtests/<int:pk>/vary/", "backtest_vary", backtests.vary),
        ("same-day/<int:pk>/", "same_day", same_day.page),
        ("what-if/<int:pk>/", "what_if", what_if.page),
        ("what-if/<int:pk>/start/", "what_if_start", what_if.start),
        ("calibration/", "calibration", calibration.page),
        ("capital/", "capital", capital.page),
        ("quotes/", "quotes", quotes.page),
        ("families/", "families", families.listing),
        ("families/<path:family>/", "family", families.one),
        ("shadows/", "shadows", shadows.page),
        ("results/", "results", results.page),
        ("exports/", "exports", exports.page),
        ("exports/download/", "exports_download", exports.download),
        ("first-steps/", "first_run", first_run.page),
        ("account/tokens/", "tokens", tokens.page),
        ("account/second-factor/", "second_factor", second_factor.page),
        ("account/time-zone/", "time_zone", time_zone.page),
    ]
