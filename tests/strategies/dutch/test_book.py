"""The book: complements, absent sides, deltas, and a kept best that is always the best."""

import random

import pytest

from markets.book import Book, BookError, Depth, Side


def test_asks_are_the_complement_of_the_other_sides_bids_best_first() -> None:
    depth = Depth.of([(4000, 1200), (4100, 5050)], [(5500, 3000), (5700, 725)])
    assert depth.asks(Side.YES) == ((4300, 725), (4500, 3000))
    assert depth.asks(Side.NO) == ((5900, 5050), (6000, 1200))
    assert (depth.best_bid(Side.YES), depth.best_ask(Side.YES)) == (4100, 4300)
    assert (depth.best_bid(Side.NO), depth.best_ask(Side.NO)) == (5700, 5900)


def test_a_side_without_a_level_has_no_price() -> None:
    depth = Depth.of([], [(5700, 725)])
    assert depth.best_bid(Side.YES) is None
    assert depth.best_ask(Side.NO) is None
    assert depth.asks(Side.NO) == ()
    assert depth.best_ask(Side.YES) == 4300


@pytest.mark.parametrize("price, count", [(0, 1), (10_000, 1), (-1, 1), (5_000, -1)])
def test_what_is_no_level_is_an_error(price: int, count: int) -> None:
    with pytest.raises(BookError):
        Depth.of([(price, count)], [])
    with pytest.raises(BookError):
        Book().apply_delta("yes", price, count)


def test_a_bad_snapshot_leaves_the_book_as_it_was() -> None:
    book = Book()
    book.apply_snapshot([(4000, 100)], [(5000, 100)])
    with pytest.raises(BookError):
        book.apply_snapshot([(4100, 100)], [(0, 1)])
    assert book.depth() == Depth.of([(4000, 100)], [(5000, 100)])


def test_more_taken_than_was_there_is_corruption() -> None:
    book = Book()
    book.apply_snapshot({4000: 100}, {})
    with pytest.raises(BookError):
        book.apply_delta("yes", 4000, -101)
    with pytest.raises(BookError):
        book.apply_delta("no", 4000, -1)
    with pytest.raises(BookError):
        book.apply_delta("maybe", 4000, 1)


def test_crossed_books_are_seen() -> None:
    book = Book()
    book.apply_snapshot({4300: 100}, {5600: 100})
    assert not book.is_crossed()
    book.apply_delta("no", 5700, 100)
    assert book.is_crossed()
    assert book.depth().is_crossed()
    assert not Depth().is_crossed()


def test_the_kept_best_is_the_best_after_any_deltas() -> None:
    rng = random.Random(3)
    book = Book()
    plain: dict[str, dict[int, int]] = {"yes": {}, "no": {}}
    for _ in range(20_000):
        side, price = rng.choice(("yes", "no")), rng.randint(1, 40) * 100
        there = plain[side].get(price, 0)
        delta = rng.choice((rng.randint(1, 500), -there, -rng.randint(0, there)))
        book.apply_delta(side, price, delta)
        plain[side][price] = there + delta
        if not plain[side][price]:
            del plain[side][price]
        assert (book.best_yes, book.best_no) == (max(plain["yes"], default=0), max(plain["no"], default=0))
    assert book.depth() == Depth.of(plain["yes"].items(), plain["no"].items())
    assert book.depth(3) == Depth(book.depth().yes_bids[:3], book.depth().no_bids[:3])
