"""The policy document: one JSON text per deployment, with defaults for all sites and the differences by site."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal, NoReturn, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)

from paynearme.errors import PolicyInvalidError
from paynearme.policy.calendar import WindowKind
from paynearme.policy.reasons import UNDECIDED_REASONS, Reason
from paynearme.policy.texts import DEFAULT_TEXTS, ConsumerText, has_placeholders
from paynearme.protocol.types import PaymentType, PositiveMoney, SiteChannel, SiteSubchannel, invalid

MAX_DAYS = 365
"""The maximum number of days for counts of chargebacks and bank returns. It limits the reads of a decision."""


def _choice_of(documented: type[StrEnum]) -> BeforeValidator:
    choices = [*map(str, documented), "other", "none"]

    def validate(value: object) -> object:
        if not isinstance(value, str) or value not in choices:
            raise invalid(f"must be one of {', '.join(choices)}")
        return value

    return BeforeValidator(validate)


PaymentTypeChoice = Annotated[
    PaymentType | Literal["other", "none"], Field(union_mode="left_to_right"), _choice_of(PaymentType)
]
"""A documented payment type, ``other`` for an undocumented one, ``none`` for a message without one.

A payment without a type, or with an undocumented one, matches a list only if the list contains ``none`` or ``other``.
"""

ChannelChoice = Annotated[
    SiteChannel | Literal["other", "none"], Field(union_mode="left_to_right"), _choice_of(SiteChannel)
]
SubchannelChoice = Annotated[
    SiteSubchannel | Literal["other", "none"], Field(union_mode="left_to_right"), _choice_of(SiteSubchannel)
]


_ZONE_REQUIRED = "must be an IANA time zone such as America/New_York"
# Files next to the zones that are not IANA time zones.
_MACHINE_LOCAL_ZONES = frozenset({"Factory", "localtime", "posixrules"})


def _time_zone(name: str) -> str:
    if name in _MACHINE_LOCAL_ZONES or name.startswith(("posix/", "right/")):
        raise invalid(_ZONE_REQUIRED)
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        # The type depends on the kind of invalid name.
        raise invalid(_ZONE_REQUIRED) from None
    return name


AcceptOrDecline = Literal["accept", "decline"]

_DEFAULT_FIELDS: Mapping[str, Mapping[str, str | None]] = {
    reason: text.model_dump() for reason, text in DEFAULT_TEXTS.items()
}


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Bounds(_Model):
    """The minimum and the maximum amount of one payment, both inclusive."""

    minimum: PositiveMoney | None = None
    maximum: PositiveMoney | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise invalid("has a minimum above its maximum")
        return self


class Frequency(_Model):
    """The maximum count within the last ``within_days`` UTC days, including today."""

    max_count: int = Field(ge=0, strict=True)
    within_days: int = Field(ge=1, le=MAX_DAYS, strict=True)


class SpendingLimit(_Model):
    """The maximum spending of a customer in a calendar window, with all payment types or with some."""

    window: WindowKind
    amount: PositiveMoney
    payment_types: frozenset[PaymentTypeChoice] | None = Field(default=None, min_length=1)


class SitePolicy(_Model):
    """The rules and texts of one site. ``docs/policy.md`` describes each field."""

    unknown_order: AcceptOrDecline
    unknown_customer: AcceptOrDecline
    time_zone: Annotated[str, AfterValidator(_time_zone)]
    # The ledger's balances are in dollars, and PayNearMe documents no other currency.
    currency: Literal["USD"] = "USD"
    pause_payments: bool = Field(default=False, strict=True)
    payment_types: frozenset[PaymentTypeChoice] | None = Field(default=None, min_length=1)
    channels: frozenset[ChannelChoice] | None = Field(default=None, min_length=1)
    subchannels: frozenset[SubchannelChoice] | None = Field(default=None, min_length=1)
    amounts: Mapping[PaymentTypeChoice, Bounds] = Field(default_factory=dict)
    chargebacks: Frequency | None = None
    returns: Frequency | None = None
    spending_limits: tuple[SpendingLimit, ...] = ()
    texts: Mapping[Reason, ConsumerText] = Field(default_factory=dict, validate_default=True)

    _version: str = PrivateAttr(default="")

    @field_validator("texts", mode="before")
    @classmethod
    def _with_default_texts(cls, texts: Any) -> Any:
        if not isinstance(texts, dict):
            return texts
        # If a policy sets only one of the two texts, the default applies to the other. pydantic keeps valid models.
        defaults = {reason: _DEFAULT_FIELDS[reason] for reason in texts.keys() & _DEFAULT_FIELDS.keys()}
        return {**DEFAULT_TEXTS, **_merge(defaults, texts)}

    @field_validator("texts")
    @classmethod
    def _check_texts(cls, texts: Mapping[Reason, ConsumerText]) -> Mapping[Reason, ConsumerText]:
        if texts[Reason.ACCEPTED].decline_reason is not None:
            raise invalid("has a decline_reason for an acceptance")
        for reason in sorted(UNDECIDED_REASONS):
            text = texts[reason]
            if has_placeholders(text.receipt) or has_placeholders(text.decline_reason or ""):
                raise invalid(f"has a {{placeholder}} for {reason}, which also applies to malformed messages")
        return texts

    @property
    def version(self) -> str:
        """Return the version of the document: the first 12 digits of the SHA-256 of its text."""
        return self._version

    @cached_property
    def zone(self) -> ZoneInfo:
        """Return the time zone."""
        return ZoneInfo(self.time_zone)

    def text(self, reason: Reason) -> ConsumerText:
        """Return the consumer texts for ``reason``."""
        return self.texts[reason]


def _unless_deferred(site_fields: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    # The context is the ``defer_sites`` of ``read_policy``.
    return site_fields if info.context else handler(site_fields)


class PolicyDocument(_Model):
    """The whole document. A site has the defaults, except for the fields of its own entry.

    The ``texts`` of a site replace single reasons. Any other field of a site replaces the whole default.
    """

    defaults: SitePolicy
    sites: Mapping[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")],
        Annotated[SitePolicy, WrapValidator(_unless_deferred)],
    ] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, document: Any) -> Any:
        if not isinstance(document, dict) or not isinstance(document.get("defaults"), dict):
            return document
        defaults, sites = document["defaults"], document.get("sites", {})
        if not isinstance(sites, dict):
            return document
        return {**document, "sites": {name: _site(defaults, site_fields) for name, site_fields in sites.items()}}

    def for_site(self, site_identifier: str) -> SitePolicy:
        """Return the policy of a site, or the defaults if the document does not contain the site.

        Validates the site's entry if it was deferred. Raises ``PolicyInvalidError`` if the entry is invalid.
        """
        if site_identifier not in self.sites:
            return self.defaults
        try:
            policy = SitePolicy.model_validate(self.sites[site_identifier])
        except ValidationError as error:
            raise PolicyInvalidError(list(_format_errors(error, ("sites", site_identifier)))) from None
        policy._version = self.defaults.version
        return policy


def read_policy(text: str, *, defer_sites: bool = False) -> PolicyDocument:
    """Return the document in ``text``. With ``defer_sites``, only ``for_site`` validates the entry of a site.

    Raises ``PolicyInvalidError`` with one line for each error and its path.
    """
    try:
        document = PolicyDocument.model_validate(
            json.loads(text, object_pairs_hook=_object, parse_constant=_reject_constant),
            context=defer_sites,
        )
    except ValidationError as error:
        raise PolicyInvalidError(list(_format_errors(error))) from None
    except (ValueError, RecursionError) as error:
        raise PolicyInvalidError([f"invalid JSON: {error}"]) from None
    document.defaults._version = hashlib.sha256(text.encode()).hexdigest()[:12]
    return document


def _site(defaults: Mapping[str, Any], site_fields: Any) -> Any:
    if not isinstance(site_fields, dict):
        return site_fields
    base, override = defaults.get("texts", {}), site_fields.get("texts", {})
    texts = _merge(base, override) if isinstance(base, dict) and isinstance(override, dict) else override
    return {**defaults, **site_fields, "texts": texts}


def _merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` updated with ``override``, one level deep for objects in both."""
    nested = {
        name: {**base[name], **override[name]}
        for name in base.keys() & override.keys()
        if isinstance(base[name], dict) and isinstance(override[name], dict)
    }
    return {**base, **override, **nested}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        occurrences = Counter(name for name, _ in pairs)
        raise ValueError(f"duplicate names: {', '.join(sorted(name for name in fields if occurrences[name] > 1))}")
    return fields


def _reject_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _format_errors(error: ValidationError, location: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield a line for each error at ``location``. Omit errors that a site inherits from the defaults."""
    details = error.errors(include_url=False, include_input=False)
    errors = [((*location, *detail["loc"]), detail["msg"]) for detail in details]
    default_errors = {(path[1:], message) for path, message in errors if path[:1] == ("defaults",)}
    for path, message in errors:
        if path[:1] != ("sites",) or (path[2:], message) not in default_errors:
            yield f"{'.'.join(map(str, path)) or 'the document'}: {message}"
