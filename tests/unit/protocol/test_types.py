"""Single parameters: each type with the spellings that it accepts and rejects."""

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import TypeAdapter, ValidationError

from paynearme.protocol.api_call import IdentifierText, ResponseAmount, ResponseFlag, WholeNumber
from paynearme.protocol.api_responses import Code
from paynearme.protocol.create_order import Year
from paynearme.protocol.make_payment import IdempotencyKey
from paynearme.protocol.smart_token import ReturnUrl, TaxIdentifier
from paynearme.protocol.types import (
    CalendarDate,
    Currency,
    EpochSeconds,
    Flag,
    Identifier,
    Money,
    NonNegativeMoney,
    PaymentType,
    PaymentTypeOrOther,
    PnmIdentifier,
    PositiveMoney,
    SiteChannel,
    SiteChannelOrOther,
    SiteSubchannel,
    SiteSubchannelOrOther,
    Timestamp,
    one_of,
)

AMOUNT = "must be an amount like 25.00"
DATE = "must be an existing date in the format YYYY-MM-DD"
TIME = "must be a time with its offset from UTC, like 2026-11-20T18:00:00-05:00"


def parse(kind: Any, value: object) -> Any:
    return TypeAdapter(kind).validate_python(value)


def assert_invalid(kind: Any, value: object, description: str | None = None) -> None:
    with pytest.raises(ValidationError) as exc_info:
        parse(kind, value)
    [error] = exc_info.value.errors()
    assert description in (error["msg"], None)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        *(("0.01", "0.01"), ("0", "0.00"), ("500", "500.00"), ("500.5", "500.50"), ("007.10", "7.10")),
        *(("999999999999.99", "999999999999.99"), ("-1.50", "-1.50")),
    ],
)
def test_money_parsed_as_exact_decimal_with_cents(text: str, amount: str) -> None:
    parsed_amount = parse(Money, text)
    assert isinstance(parsed_amount, Decimal)
    assert str(parsed_amount) == amount


@pytest.mark.parametrize(
    "value",
    [
        *("1000000000000", "9" * 5000, "0.001", "1.000", "1,000", "5e2", "0x10", "1_000", 5, ["5"]),
        *("", " 5", "5 ", "5\n", "+5", "--5", "-", ".", ".5", "5.", "1.2.3", "$5"),
        *("NaN", "sNaN", "Infinity", "٣", "５", "²", "−5", "five"),  # noqa: RUF001 # look-alikes
    ],
)
def test_money_other_spelling_invalid(value: object) -> None:
    assert_invalid(Money, value, AMOUNT)


def test_money_sign_limited_by_type() -> None:
    assert [parse(PositiveMoney, text) for text in ("0.01", "1")] == [Decimal("0.01"), Decimal(1)]
    assert [parse(NonNegativeMoney, text) for text in ("0", "0.01")] == [Decimal(0), Decimal("0.01")]
    for text in ("0", "0.00", "-0", "-0.01"):
        assert_invalid(PositiveMoney, text, "must be greater than zero")
    for text in ("-0", "-0.01"):
        assert_invalid(NonNegativeMoney, text, "must not be negative")


@pytest.mark.parametrize("kind", [Flag, ResponseFlag])
def test_flag_only_true_or_false(kind: Any) -> None:
    assert [parse(kind, text) for text in ("true", "false")] == [True, False]
    for value in ("TRUE", "1", "yes", "", " true", 1, ["true"]):
        assert_invalid(kind, value, "must be true or false")


def test_response_values_json_types_same_as_text() -> None:
    assert [parse(ResponseFlag, value) for value in (True, False)] == [True, False]
    assert [str(parse(ResponseAmount, value)) for value in (5, 5.5, "5")] == ["5.00", "5.50", "5.00"]
    assert [parse(IdentifierText, value) for value in (7, "7")] == ["7", "7"]
    for kind in (ResponseAmount, IdentifierText):
        for value in (True, None, ["5"], {"a": 5}):
            assert_invalid(kind, value)
    assert_invalid(ResponseAmount, 1e99, AMOUNT)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-20T18:00:00Z", datetime(2026, 11, 20, 18, tzinfo=UTC)),
        ("2026-11-20t18:00:00z", datetime(2026, 11, 20, 18, tzinfo=UTC)),
        ("2026-11-20T18:00:00-05:00", datetime(2026, 11, 20, 23, tzinfo=UTC)),
        ("2026-12-31T23:59:59.999999-01:00", datetime(2027, 1, 1, 0, 59, 59, 999999, tzinfo=UTC)),
        ("2026-11-20T18:00:00.1234567Z", datetime(2026, 11, 20, 18, 0, 0, 123456, tzinfo=UTC)),
    ],
)
def test_timestamp_converted_to_utc(text: str, instant: datetime) -> None:
    parsed = parse(Timestamp, text)
    assert (parsed, parsed.tzinfo) == (instant, UTC)


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "1763661600", "2026-11-20", "2026-11-20T18:00:00", "2026-11-20 18:00:00Z"),
        *("2026-11-20T18:00Z", "2026-11-20T18:00:00+0500", "2026-02-29T18:00:00Z", "2026-11-20T24:00:00Z"),
        *("2026-11-20T23:59:60Z", "2026-11-20T18:00:00+24:00", "2026-11-20T18:00:00-05:60"),
        *("2026-11-20T18:00:00Z\n", " 2026-11-20T18:00:00Z", "٢٠٢٦-11-20T18:00:00Z"),
        *("0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", 1763661600),
    ],
)
def test_timestamp_bad_time_or_offset_invalid(text: object) -> None:
    assert_invalid(Timestamp, text, TIME)


def test_calendar_date_existing_days_only() -> None:
    assert [parse(CalendarDate, text) for text in ("2024-02-29", "0999-01-01")] == [
        date(2024, 2, 29),
        date(999, 1, 1),
    ]
    for text in ("2023-02-29", "1982-13-01", "0000-01-01", "12/21/1982", "19821221", "1982-1-2", "2024-W01-1"):
        assert_invalid(CalendarDate, text, DATE)
    for value in ("2024-01-01T00:00:00", "2024-01-01 ", "٢٠٢٤-01-01", "", None):
        assert_invalid(CalendarDate, value, DATE)


@pytest.mark.parametrize(
    ("kind", "valid", "invalid"),
    [
        (Currency, ["USD"], ["usd", "US", "USDX", "US1", ""]),
        (EpochSeconds, ["0", "999999999999"], ["-1", ".5", "1e9", " 1", "1\n", "٣", "1" * 14, "true", "", 1]),
        (
            PnmIdentifier,
            ["830466818968", "a1B2-c3", "pay_1", "0" * 64],
            ["", "1.5", "1 2", "1#2", "é", "0" * 65, "1pnm_zzz", "1site_channelconsumer", "1reversal_type7", 1],
        ),
        (Identifier, ["1", "Zoë 🏦", "x" * 256], ["", "1\n", "\x00", "\x7f", "\ufffe", "x" * 257, 1, None]),
        (Code, ["identity_check", "1" * 64], ["", "A", "a b", "a-b", "é", "a\n", "1" * 65]),
        (Year, ["1900", "2099"], ["", "50", "1850", "2100", "1950 ", "١٩٥٠", "1950-01-01"]),
        (IdempotencyKey, ["1", "x" * 255, '!"#~'], ["", " ", "a b", "a\n", "x" * 256, "é", "\x7f", "٣"]),
        (WholeNumber, ["1", "300", "9" * 10], ["0", "-1", "1.5", "1e3", "+1", "01", " 1", "1\n", "٣", "", 1]),
        (TaxIdentifier, ["123-45-6677", "A1", "1" * 32], ["", "123 45", "1" * 33, "12345667\u0667", "1\n"]),
    ],
)
def test_text_type_accepts_only_its_alphabet_and_length(kind: Any, valid: list[str], invalid: list[object]) -> None:
    assert [str(parse(kind, text)) for text in valid] == valid
    for value in invalid:
        assert_invalid(kind, value)


def test_epoch_seconds_milliseconds_and_fraction_truncated() -> None:
    spellings = ("1748969962", "1748969962123", "1748969962.9", "1748969962999.9", "1748969962.")
    assert {parse(EpochSeconds, text) for text in spellings} == {1748969962}
    assert parse(EpochSeconds, "0000000000000") == 0


@pytest.mark.parametrize(
    ("literal", "description"),
    [
        (Literal["USD"], "must be USD"),
        (Literal["open", "closed"], "must be open or closed"),
        (Literal["exact", "up-to", "any"], "must be exact, up-to or any"),
    ],
)
def test_one_of_other_value_error_lists_values(literal: Any, description: str) -> None:
    for value in ("", "OPEN", "usd", None):
        assert_invalid(Annotated[literal, one_of(literal)], value, description)


@pytest.mark.parametrize(
    ("kind", "members"),
    [(PaymentTypeOrOther, PaymentType), (SiteChannelOrOther, SiteChannel), (SiteSubchannelOrOther, SiteSubchannel)],
)
def test_open_enum_documented_value_member_new_value_text(kind: Any, members: type[StrEnum]) -> None:
    for member in members:
        assert parse(kind, str(member)) is member
    value = parse(kind, "carrier_pigeon")
    assert value == "carrier_pigeon"
    assert not isinstance(value, members)
    for text in ("", "c" * 257):
        with pytest.raises(ValidationError):
            parse(kind, text)


URL_PREFIX = "https://example.com/"
FORBIDDEN = ("javascript", "JavaScript", "data", "file", "vbscript", "blob", "view-source")


@pytest.mark.parametrize(
    "url",
    [
        *("https://example.com/pay?order=1&x=%20#done", "http://localhost:8080/", "HTTPS://EXAMPLE.COM"),
        *("freehold-gaming://portal.freehold.us/cashier", "com.example.app:/paid", "app+pay://"),
        URL_PREFIX + "x" * (2048 - len(URL_PREFIX)),
    ],
    ids=lambda url: f"{url:.40}",
)
def test_return_url_absolute_web_or_custom_scheme_valid(url: str) -> None:
    assert parse(ReturnUrl, f" {url} ") == url


@pytest.mark.parametrize(
    "url",
    [
        *("", " ", "example.com", "/paid", "//example.com/", "?x", "https", "https:", "https:/x", "https://"),
        *("https:///x", "https://?x", "http://[::1", "://x", "1app://x", "-app://x", "ä://x", "mailto:a@b.c"),
        *("https://example.com/a b", "https://example.com/\n", "\thttps://example.com/", "java\nscript://x"),
        *('https://example.com/"', "https://example.com/<b>", "https:\\\\example.com", "https://e.com/\u202e"),
        *(f"{scheme}:{rest}" for scheme in FORBIDDEN for rest in ("alert(1)", "//example.com/%0aalert(1)", "/x")),
        *("app:/a b", 'app:/"', "app:/<", "app:/>", "app:/a\\b", "\x00javascript://x", 7),
        URL_PREFIX + "x" * (2049 - len(URL_PREFIX)),
    ],
    ids=lambda url: f"{url!r:.40}",
)
def test_return_url_dangerous_malformed_or_relative_invalid(url: object) -> None:
    assert_invalid(ReturnUrl, url, "must be an absolute URL: https, http, or an app's own scheme")
