"""Numbers, amounts and dates by concatenation, word for word as num2words writes them."""

from datetime import date
from decimal import Decimal

import pytest
from num2words import num2words

from ivr.dialplan.speech import SPEAKERS, digits, vocabulary
from tests.dialplan.catalogue import LANGUAGES, texts, words

NUMBERS = [*range(1200), *range(1200, 20_000, 37), *range(20_000, 1_000_000, 7919)]


def plain(text: str) -> str:
    """Words as they sound: commas are not heard, nor the plural of "vingts" before "mille"."""
    return text.replace(",", "").replace("vingts mille", "vingt mille")


def amount(language: str, euros: str) -> str:
    return words(language, SPEAKERS[language].amount(Decimal(euros)))


@pytest.mark.parametrize("language", LANGUAGES)
def test_numbers_are_said_as_num2words_writes_them(language: str) -> None:
    for number in NUMBERS:
        said = words(language, SPEAKERS[language].number(number))
        assert plain(said) == plain(num2words(number, lang=language)), number


def test_french_amounts_are_said_as_num2words_writes_them() -> None:
    for cents in range(200, 300_000, 1013):
        euros = Decimal(cents) / 100
        expected = num2words(euros, lang="fr", to="currency").removesuffix(" et zéro centimes")
        assert plain(amount("fr", str(euros))) == plain(expected)


@pytest.mark.parametrize(
    ("language", "euros", "said"),
    [
        ("fr", "1234.56", "mille deux cent trente-quatre euros et cinquante-six centimes"),
        ("fr", "1", "un euro"),
        ("fr", "0", "zéro euro"),
        ("fr", "0.01", "un centime"),
        ("fr", "0.80", "quatre-vingts centimes"),
        ("fr", "21.91", "vingt et un euros et quatre-vingt-onze centimes"),
        ("fr", "200", "deux cents euros"),
        ("fr", "280", "deux cent quatre-vingts euros"),
        ("fr", "200000", "deux cent mille euros"),
        ("fr", "71.00", "soixante et onze euros"),
        ("fr", "-45.10", "moins quarante-cinq euros et dix centimes"),
        ("fr", "-0.001", "zéro euro"),
        ("fr", "2.995", "trois euros"),
        ("en", "1234.56", "one thousand two hundred and thirty-four euros and fifty-six cents"),
        ("en", "1.01", "one euro and one cent"),
        ("en", "0", "zero euros"),
        ("en", "2000.50", "two thousand euros and fifty cents"),
    ],
)
def test_amounts(language: str, euros: str, said: str) -> None:
    assert amount(language, euros) == said


@pytest.mark.parametrize(
    ("language", "day", "said"),
    [
        ("fr", date(2026, 3, 5), "le cinq mars deux mille vingt-six"),
        ("fr", date(2026, 8, 1), "le premier août deux mille vingt-six"),
        (
            "fr",
            date(1999, 12, 31),
            "le trente et un décembre mille neuf cent quatre-vingt-dix-neuf",
        ),
        ("en", date(2026, 3, 5), "the fifth of March twenty twenty-six"),
        ("en", date(2000, 1, 21), "the twenty-first of January two thousand"),
    ],
)
def test_dates(language: str, day: date, said: str) -> None:
    assert words(language, SPEAKERS[language].date(day)) == said


def test_english_years_are_said_as_num2words_writes_them() -> None:
    for year in range(1900, 2100):
        expected = num2words(year, lang="en", to="year").replace("oh-", "oh ")
        assert words("en", SPEAKERS["en"].year(year)) == expected


def test_a_million_is_read_digit_by_digit() -> None:
    assert words("fr", SPEAKERS["fr"].number(1_000_000)) == "un" + " zéro" * 6


def test_digits_are_said_one_by_one() -> None:
    assert words("fr", digits("075")) == "zéro sept cinq"


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_that_can_be_said_is_in_the_vocabulary_and_in_the_catalogue(language: str) -> None:
    speaker = SPEAKERS[language]
    said = {prompt for number in NUMBERS for prompt in speaker.number(number)}
    said |= {
        prompt for cents in range(-500, 500) for prompt in speaker.amount(Decimal(cents) / 100)
    }
    for year in range(1900, 2100):
        said |= set(speaker.date(date(year, 1 + year % 12, 1 + year % 28)))
    assert said <= vocabulary(language) <= set(texts(language))


def test_both_languages_have_the_same_sentences() -> None:
    own = {"fr": {"hundreds"}, "en": {"oh", "am", "pm"}}
    assert set(texts("fr")) - own["fr"] == set(texts("en")) - own["en"]
