"""Sentences beside the condition that were read by a person, each with what it means for the settlement.

The list is closed: a sentence that is not on it, to the letter but for its narrow slots, was not read, and the event gets no
certificate. Wording is the exchange's, as recorded or published; add a sentence only with its meaning.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import Final

from markets.terms.reading.meanings import Meaning
from markets.terms.reading.text import DATE, SPAN, TIME, WEATHER_SERVICE, plain

_M = Meaning
_AS_RULED: Final = r"(?: in accordance with the rules)?"
_FAIR: Final = r"resolves? to (?:a|the|the a) fair(?: market)? price(?: for each team)?" + _AS_RULED
_TIES: Final = r"If the (?:game|match) (?:ends in|is declared|results in) a (?:tie|draw)"
_OFF: Final = r"(?:cancelled|canceled|postponed|rescheduled|cancelled or rescheduled|canceled or rescheduled)"
_NO: Final = r'(?:will )?resolves?(?: to)? "?(?:No|NO|no)"?'
_NAMED: Final = re.compile(r'then the strike for "([^"]+)" will resolve to Yes')
_WEEKDAY: Final = r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?"
_KINDS: Final = r"(?:range|bucket|bracket|market|outcome|option|strike|contract)s?"
_ONE_OF: Final = rf"one (?:{_KINDS}|of (?:the|these) {_KINDS})"
_RESOLVES: Final = r'(?:, at (?:maximum|most),)? (?:can|will|may) resolve(?: to)? "?(?:Yes|YES|yes)"?\.'
_APART: Final = "(?:mutually exclusive|mutually exclusive and do not overlap)"
_WHEN: Final = rf"(?:at {TIME}(?: on {DATE})?|on {DATE}(?: at {TIME})?)"

Read = tuple[tuple[str, tuple[Meaning, ...]], ...]


class Topic(StrEnum):
    """What kind of event a rule is about; a sentence on how another kind is determined contradicts it."""

    WEATHER = "daily temperature"
    COIN = "price of a coin"
    GAME = "game"
    NAMES = "list of names"


_ONLY: Final[dict[Topic, Read]] = {
    Topic.WEATHER: (
        (
            r"While checking a source like AccuWeather or Google Weather may help guide your decision, the official and final value used "
            r"to determine this market is the (?:highest|lowest|maximum|minimum|maximum/minimum) temperature as reported by the "
            r"corresponding NWS Climatological Report \(Daily\) linked in the rules above\.",
            (_M.NOTHING,),
        ),
        (
            rf"Data for CLI[A-Z]{{3}} can be found by clicking the following URL: {WEATHER_SERVICE}, navigating to the "
            r'"Observed Weather" tab, and choosing the location "[A-Z][A-Za-z./ ,()-]*" with Daily Climate Report selected\.',
            (_M.NOTHING,),
        ),
        (
            r"While the market resolves based on the finalized report from the NWS, traders should use other data sources--including "
            r"other preliminary NWS reporting--to inform their trades\.",
            (_M.NOTHING,),
        ),
        (
            rf"Expiration will occur on the sooner of the first (?:7:00 or 8:00 AM ET|10:00 AM(?: ET)?) following the release of the data "
            rf"for {DATE}, or one week after {DATE}\.",
            (_M.NOTHING,),
        ),
        (
            r'As noted in the Rulebook, for the actual Underlying, please go to the Source Agency link, click on "Observed Weather", then '
            r'choose "[A-Z][A-Za-z ,]*"\.',
            (_M.NOTHING,),
        ),
        (
            r"The official and final value is the one in the linked NWS Climatological Report \(Daily\); other weather services may "
            r"differ\.",
            (_M.NOTHING,),
        ),
    ),
    Topic.COIN: (
        (
            r"While checking a source like Google or Coinbase may help guide your decision, the price used to determine this market is "
            r"based on CF Benchmarks' corresponding Real Time Index \(RTI\)\.",
            (_M.NOTHING,),
        ),
        (r"At the last minute before expiration, 60 (?:seconds of )?RTI prices are collected\.", (_M.NOTHING,)),
        (r"The official and final value is the average of these prices\.", (_M.NOTHING,)),
    ),
    Topic.NAMES: (
        (
            r"Therefore, if the Federal Reserve hikes by 50bps, the 50bps market will resolve to Yes and the 25bps market will resolve "
            r"to No\.",
            (_M.ONE_WINS,),
        ),
        (
            r"Note \d{1,2}/\d{1,2}/\d{2}: For the markets beginning after the May meeting, if a scheduled FOMC meeting is canceled and "
            r'does not occur on its scheduled date, then the strike for "[^"]+" will resolve to Yes and all others will resolve to No\.',
            (_M.NAMED_WINS,),
        ),
    ),
}

_READ: Final[Read] = (
    # what every market says
    (
        rf"(?:Otherwise|Else|If not|In (?:all|any) other (?:case|circumstance)s?),? (?:(?:the|this) (?:market|contract|strike)|it) {_NO}\.",
        (_M.NOTHING,),
    ),
    (rf"(?:The|This) (?:market|contract|strike) {_NO} otherwise\.", (_M.NOTHING,)),
    (rf"All other {_KINDS} {_NO}\.", (_M.ONE_WINS,)),
    (
        rf"(?:This (?:market|event) is|(?:All|These|The|All of the|All of these) {_KINDS}(?: (?:in|of) this event)? are) {_APART}\.",
        (_M.ONE_WINS,),
    ),
    (rf"(?:These|The) {_KINDS} do not overlap\.", (_M.ONE_WINS,)),
    (rf"(?:Only|At most|No more than) {_ONE_OF}{_RESOLVES}", (_M.ONE_WINS,)),
    (rf"Exactly {_ONE_OF}{_RESOLVES}", (_M.ONE_MUST,)),
    (
        r"(?:For (?:(?:more|further|full) )?(?:details|information), )?(?:[Pp]lease )?(?:[Ss]ee|[Rr]ead|[Rr]efer to|[Rr]eview|[Cc]onsult) "
        r"(?:the )?(?:full |complete )?(?:rules|[Cc]ontract [Tt]erms|[Rr]ulebook)(?: carefully)?"
        r"(?: for (?:more |further |full )?(?:details|information)| before trading)?\.",
        (_M.NOTHING,),
    ),
    (
        r"(?:The )?(?:[Ff]ull|[Cc]omplete) rules are available (?:on the market page|at kalshi\.com|on the website)\.",
        (_M.NOTHING,),
    ),
    (r"(?:(?:Trading |Exchange )?[Ff]ees|[Pp]osition limits)(?: may)? apply\.", (_M.NOTHING,)),
    (r"Trading involves risk(?: of loss)?\.", (_M.NOTHING,)),
    (r"(?:All times|Times) are (?:in )?(?:Eastern(?: [Tt]ime)?|E[SD]?T)\.", (_M.NOTHING,)),
    (r"(?:Each|A|A Yes) contract pays \$1(?:\.00)? if (?:it|the market) resolves to Yes\.", (_M.NOTHING,)),
    # when it trades
    (
        rf"(?:Trading(?: (?:for|on|in) (?:this|the) market)?|(?:The|This) market|(?:The )?[Mm]arkets) (?:will )?"
        rf"(?:close|end|open|stop|halt)s? {_WHEN}\.",
        (_M.NOTHING,),
    ),
    (
        rf"(?:The )?(?:[Ll]ast [Tt]rading [Tt]ime|[Cc]los(?:ing|e) [Tt]ime)(?: is| will be|:) {TIME}(?: on {DATE})?\.",
        (_M.NOTHING,),
    ),
    (
        rf"(?:Trading is available|Trading takes place|Trading hours are) (?:from|between) {TIME} (?:to|and|until) {TIME}\.",
        (_M.NOTHING,),
    ),
    (
        rf"(?:The exchange|Kalshi|Trading) is (?:closed|paused)(?: for (?:scheduled )?maintenance)?(?: on {_WEEKDAY})? "
        rf"(?:from|between) {TIME} (?:to|and|until) {TIME}(?: (?:on|every|each) {_WEEKDAY})?\.",
        (_M.NOTHING,),
    ),
    (
        r"(?:Trading|The exchange) may be (?:paused|closed|halted|unavailable) (?:for|during) (?:scheduled )?(?:exchange )?maintenance\.",
        (_M.NOTHING,),
    ),
    (
        rf"(?:The exchange's|Kalshi's|The)? ?[Ss]cheduled maintenance(?: window)? is (?:on {_WEEKDAY} )?(?:from|between) {TIME} "
        rf"(?:to|and) {TIME}(?: (?:on|every|each) {_WEEKDAY})?\.",
        (_M.NOTHING,),
    ),
    (r"Trading (?:is available|hours:|takes place) (?:24 hours a day|around the clock|24/7)\.", (_M.NOTHING,)),
    (
        r"(?:This|The) market will close(?: and expire)?(?: early)? (?:when|once|after|if) (?:a winner is declared|the winner is known"
        r"|the (?:event|outcome) occurs|the result is (?:known|announced))\.",
        (_M.NOTHING,),
    ),
    (
        r"(?:If|When|Once) (?:this|the) event occurs, (?:the|this) market will close (?:early|the following 10 AM ET)\.",
        (_M.NOTHING,),
    ),
    # daily temperature
    (r"Not all weather data is the same\.", (_M.NOTHING,)),
    (
        r"Preliminary NWS reporting and measurement methods may be subject to underlying rounding and conversion nuances\.",
        (_M.NOTHING,),
    ),
    (r"Traders should exercise caution when interpreting preliminary NWS data\.", (_M.NOTHING,)),
    (
        r"Please use the latest version of the data for the desired date, keeping in mind that different cities update their reports "
        r"at different frequencies\.",
        (_M.NOTHING,),
    ),
    (r"Please be advised to check to see what temperatures have occurred previously in the day\.", (_M.NOTHING,)),
    (
        rf"The Last Trading Time will be {TIME} on {DATE} regardless of any data releases or events occurring\.",
        (_M.NOTHING,),
    ),
    (r"As a reminder, the Underlying is not the NWS NOWData data source\.", (_M.NOTHING,)),
    (r"Preliminary reports are subject to rounding and conversion\.", (_M.NOTHING,)),
    # crypto ranges
    (r"Not all cryptocurrency price data is the same\.", (_M.NOTHING,)),
    # games
    (rf'{_TIES}, the market called "(?:Tie|Draw)" resolves to Yes\.', (_M.TIE_WINS,)),
    (rf"{_TIES},? the markets? (?:will )?resolves? (?:to )?50/50(?: for both teams)?\.", (_M.HALVES,)),
    (rf"{_TIES}, the market will resolve to \$0\.50 for each team\.", (_M.HALVES,)),
    (rf"If the game is {_OFF} to over {SPAN} away, the market will {_FAIR}\.", (_M.VOID,)),
    (rf"If the (?:game|match) is {_OFF}, the market will {_FAIR}\.", (_M.VOID,)),
    (rf"If the game is not started within {SPAN}, the market will {_FAIR}\.", (_M.VOID,)),
    (
        rf"If the cancelled game is not played or is rescheduled further than {SPAN} out, the market will {_FAIR}\.",
        (_M.VOID,),
    ),
    (
        rf"If a postponed/cancelled game is not played or is rescheduled further than {SPAN} out, the market will {_FAIR}\.",
        (_M.VOID,),
    ),
    (
        r"If the game is cancelled or moved by more than two weeks, the market resolves to a fair price under the rules\.",
        (_M.VOID,),
    ),
    # a span within which it must be played: what holds after it is not said, so it may be any value
    (
        rf"If this game is postponed or delayed, the market will remain open and close after the rescheduled game has finished "
        rf"\(within {SPAN}\)\.",
        (_M.VOID,),
    ),
    (
        rf"If this game is postponed/delayed and played within {SPAN} of the originally scheduled start time, the market will remain "
        r"open and close after the rescheduled game has finished\.",
        (_M.VOID,),
    ),
    (
        rf"If the game is postponed (?:but begins within {SPAN} from its originally scheduled start time|from its originally scheduled "
        rf"date but begins within {SPAN}), the market will remain open and resolve based on the official final result\.",
        (_M.VOID,),
    ),
    (r"Regulation time includes stoppage time, not extra time or penalties\.", (_M.REGULATION,)),
    (
        r"Kalshi is not affiliated, associated, authorized, endorsed by, or in any way officially connected with the NCAA\.",
        (_M.NOTHING,),
    ),
    (r"All trademarks(?:, logos, and brand names)? are the property of their respective owners\.", (_M.NOTHING,)),
    (r"This market and these products have not been endorsed by FIFA\.", (_M.NOTHING,)),
    (
        r'Any references to "FIFA", the "FIFA World Cup," or any other associated marks are descriptive only, and do not indicate an '
        r"endorsement of this product or any affiliation between FIFA and Kalshi\.",
        (_M.NOTHING,),
    ),
    # what any event may say
    (
        rf"If no (?:data|report|value) is (?:available|published|reported|released)(?: for the date)?, (?:all|all of the) markets {_NO}\.",
        (_M.ALL_NO,),
    ),
    (rf"If no data is available, the market {_NO}\.", (_M.ALL_NO, _M.ANY_NO)),
    (rf"If no data is available, (?:the )?affected strikes {_NO}\.", (_M.ALL_NO, _M.ANY_NO)),
    (
        r"If (?:two or more|multiple|several) (?:nominees|candidates|contestants|players) (?:are tied|tie), each of the tied "
        r"(?:nominees|candidates|contestants|players) will resolve to Yes\.",
        (_M.SEVERAL,),
    ),
    (
        rf"If the (?:game|match|event) is {_OFF}, all markets will (?:resolve|settle) (?:to|at) (?:their|the) "
        r"last (?:traded|trade|fair) price\.",
        (_M.VOID,),
    ),
    (
        r"(?:All|The) markets? may (?:be settled|settle|resolve) (?:to|at) (?:a|the|their) (?:last )?fair price(?: in|,? at) the sole "
        r"discretion of the Exchange\.",
        (_M.DISCRETION,),
    ),
)


def _compiled(listed: Read) -> list[tuple[re.Pattern[str], tuple[Meaning, ...]]]:
    return [(re.compile(pattern, re.ASCII), meanings) for pattern, meanings in listed]


def names_that_win(text: str) -> list[str]:
    """The names that sentences of a plain text give to markets that win in a case of their own (NAMED_WINS), each once."""
    return list(dict.fromkeys(map(plain, _NAMED.findall(text))))


_PATTERNS: Final = {topic: _compiled((*_ONLY.get(topic, ()), *_READ)) for topic in Topic}


_OPENING: Final = re.compile(r"(?:(?:Please )?[Nn]ote(?: that |: ?)|(?:As a r|R)eminder[:,] )", re.ASCII)


@lru_cache(maxsize=16384)
def read_sentence(sentence: str, topic: Topic) -> tuple[Meaning, ...] | None:
    """What a plain sentence means in an event of this topic, or None: it was not read, or is about another. "Note that" before it
    says no more."""
    rest = _OPENING.sub("", sentence, count=1) if _OPENING.match(sentence) else ""
    for said in filter(None, (sentence, f"{rest[:1].upper()}{rest[1:]}")):
        for pattern, meanings in _PATTERNS[topic]:
            if pattern.fullmatch(said):
                return meanings
    return None
