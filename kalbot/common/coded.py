"""Codes with the one sentence that explains each to a person."""

from __future__ import annotations

from enum import StrEnum


class Coded(StrEnum):
    """A base for enums whose members are written ``NAME = "code", "sentence"``. The value is the code, which is what rows store and code
    compares; the sentence is for screens and decides nothing."""

    sentence: str

    def __new__(cls, code: str, sentence: str = "") -> Coded:
        member = str.__new__(cls, code)
        member._value_ = code
        member.sentence = sentence
        return member
