"""Forms of a risk manager: a review shows the pairs of names that are left to state, contract terms say what their columns are for."""

import pytest

from kalbot.console.admin.markets.review_form import ReviewForm
from kalbot.console.admin.markets.terms import TermsForm
from markets.models import ContractTerms, ReviewedSeries, Series

pytestmark = pytest.mark.django_db


def form(different: str, shape: str = "exhaustive") -> ReviewForm:
    Series.objects.get_or_create(ticker="KXSEATS", defaults={"title": "Seats"})
    built = type(
        "Form", (ReviewForm,), {"Meta": type("Meta", (), {"model": ReviewedSeries, "exclude": ["reviewed_by"]})}
    )
    data = {
        "series": "KXSEATS",
        "shape": shape,
        "outcome_names": '["Republican", "GOP", "Green"]',
        "different": different,
        "reason": "Every seat is listed.",
    }
    made: ReviewForm = built(data)
    return made


def test_pairs_that_may_be_one_thing_are_shown_until_each_is_stated() -> None:
    errors = form("gop | green | two parties").errors.as_data()["different"]
    shown = [line for error in errors for line in error.messages]
    assert shown[1:] == ["gop | republican | ", "green | republican | "]
    whole = "gop | green | two parties\nGOP | Republican | they are not\nGreen | Republican | two parties"
    assert form(whole).is_valid()


def test_sides_of_games_need_no_pairs() -> None:
    assert form("", "two_way").is_valid()


@pytest.mark.parametrize(
    ("name", "value", "valid"),
    [
        ("unit", "0.01", True),
        ("unit", "NaN", False),
        ("must_contain", '["CF Benchmarks"]', True),
        ("must_contain", '"CF Benchmarks"', False),
        ("must_contain", "", True),
    ],
)
def test_terms_whose_content_says_nothing_are_refused_in_the_form(name: str, value: str, valid: bool) -> None:
    built = type("Form", (TermsForm,), {"Meta": type("Meta", (), {"model": ContractTerms, "fields": [name]})})
    assert built({name: value}).is_valid() is valid
