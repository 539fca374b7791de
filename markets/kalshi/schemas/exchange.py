"""Whether the exchange is open, and when it will not be."""

from __future__ import annotations

import re
from datetime import datetime, time
from typing import Final

import msgspec

from ..scalars import moment
from ..sizes import Shard
from .boundary import decoder_of

_HH_MM: Final = re.compile(r"([01]\d|2[0-3]|24(?=:00)):([0-5]\d)(?::00)?")


class IndexStatus(msgspec.Struct, frozen=True, kw_only=True):
    """State of one shard."""

    exchange_index: Shard
    exchange_active: bool
    trading_active: bool
    intra_exchange_transfers_active: bool
    description: str = ""


class StatusWire(msgspec.Struct, kw_only=True):
    exchange_active: bool
    trading_active: bool
    intra_exchange_transfers_active: bool | None = None
    exchange_estimated_resume_time: str | None = None
    exchange_index_statuses: list[IndexStatus] | None = None


class ExchangeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """State of the exchange. The top-level fields speak for shard 0; ``indexes`` may be absent altogether."""

    exchange_active: bool
    trading_active: bool
    transfers_active: bool
    estimated_resume: datetime | None
    indexes: tuple[IndexStatus, ...]

    def can_trade(self, exchange_index: int) -> bool:
        """Whether orders on a shard are taken.

        A shard that is not spoken of is taken to be shut, except shard 0.
        """
        for index in self.indexes:
            if index.exchange_index == exchange_index:
                return index.exchange_active and index.trading_active
        return exchange_index == 0 and self.exchange_active and self.trading_active


class HoursWire(msgspec.Struct):
    open_time: str
    close_time: str


class WeekWire(msgspec.Struct, kw_only=True):
    start_time: str
    end_time: str
    monday: list[HoursWire]
    tuesday: list[HoursWire]
    wednesday: list[HoursWire]
    thursday: list[HoursWire]
    friday: list[HoursWire]
    saturday: list[HoursWire]
    sunday: list[HoursWire]


class WindowWire(msgspec.Struct):
    start_datetime: str
    end_datetime: str


class ScheduleBodyWire(msgspec.Struct):
    standard_hours: list[WeekWire]
    maintenance_windows: list[WindowWire]


class ScheduleWire(msgspec.Struct):
    schedule: ScheduleBodyWire


class Hours(msgspec.Struct, frozen=True):
    """A session of a weekday in Eastern time; it goes on past midnight where ``closes`` is not after ``opens``."""

    opens: time
    closes: time


class Week(msgspec.Struct, frozen=True):
    """Sessions per weekday, Monday first, while the week plan is in force."""

    start: datetime | None
    end: datetime | None
    days: tuple[tuple[Hours, ...], ...]


class MaintenanceWindow(msgspec.Struct, frozen=True):
    start: datetime
    end: datetime


class Schedule(msgspec.Struct, frozen=True):
    """Trading hours and announced maintenance."""

    weeks: tuple[Week, ...]
    maintenance: tuple[MaintenanceWindow, ...]

    def maintenance_at(self, when: datetime) -> MaintenanceWindow | None:
        """The announced window that covers ``when`` (aware), if any."""
        return next((w for w in self.maintenance if w.start <= when < w.end), None)


def build_status(w: StatusWire) -> ExchangeStatus:
    """Wire to ours; what is not said about transfers means no."""
    return ExchangeStatus(
        exchange_active=w.exchange_active,
        trading_active=w.trading_active,
        transfers_active=bool(w.intra_exchange_transfers_active),
        estimated_resume=moment(w.exchange_estimated_resume_time),
        indexes=tuple(w.exchange_index_statuses or ()),
    )


def build_schedule(w: ScheduleWire) -> Schedule:
    """Wire to ours."""
    return Schedule(
        weeks=tuple(_week(week) for week in w.schedule.standard_hours),
        maintenance=tuple(_window(window) for window in w.schedule.maintenance_windows),
    )


def _week(w: WeekWire) -> Week:
    days = (w.monday, w.tuesday, w.wednesday, w.thursday, w.friday, w.saturday, w.sunday)
    return Week(
        moment(w.start_time),
        moment(w.end_time),
        tuple(tuple(_session(h) for h in day) for day in days),
    )


def _session(w: HoursWire) -> Hours:
    return Hours(_time_of_day(w.open_time), _time_of_day(w.close_time))


def _time_of_day(text: str) -> time:
    found = _HH_MM.fullmatch(text)
    if found is None:
        raise ValueError(f"not a time of day: {text!r}")
    return time(int(found[1]) % 24, int(found[2]))


def _window(w: WindowWire) -> MaintenanceWindow:
    start, end = moment(w.start_datetime), moment(w.end_datetime)
    if start is None or end is None or end < start:
        raise ValueError(f"not a maintenance window: {w.start_datetime} to {w.end_datetime}")
    return MaintenanceWindow(start, end)


STATUS = decoder_of(StatusWire)
SCHEDULE = decoder_of(ScheduleWire)
