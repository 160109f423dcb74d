"""Valid messages. Each test changes one parameter. A change to ``None`` omits a parameter."""

from pydantic import SecretStr

from paynearme.sites.site import ResolvedSite

SECRET = "ab7b539ea1317cca67c63c552"


def valid_authorization(**changes: str | None) -> dict[str, str]:
    """Return the required parameters of an authorization, unsigned."""
    return _apply_changes(
        {
            "site_identifier": "S2155373459",
            "pnm_order_identifier": "80080175585",
            "pnm_payment_identifier": "830466818968",
            "version": "3.0",
            "timestamp": "1748969962",
            "payment_amount": "354.99",
            "payment_currency": "USD",
        },
        changes,
    )


def valid_confirmation(**changes: str | None) -> dict[str, str]:
    """Return the required parameters of a confirmation of a paid payment, unsigned."""
    parameters = valid_authorization(status="payment", net_payment_amount="350.00", net_payment_currency="USD")
    return _apply_changes(parameters, changes)


def valid_reversal(**changes: str | None) -> dict[str, str]:
    """Return the parameters of a partial bank return, unsigned."""
    parameters = valid_authorization(
        reverse_amount="100.00", reverse_currency="USD", reverse_type="Bank Return", reverse_code="R01"
    )
    return _apply_changes(parameters, changes)


def valid_smart_token_request(**changes: str | None) -> dict[str, str]:
    """Return the required parameters of a request for a Smart Token."""
    return _apply_changes({"pnm_order_identifier": "84488215678"}, changes)


def valid_guaranteed_ach_request(**changes: str | None) -> dict[str, str]:
    """Return a request for a Smart Token with all parameters of guaranteed ACH."""
    parameters = valid_smart_token_request(
        flow_trustly="true",
        ext_customer_enrollment_date="2024-07-25",
        ext_customer_date_of_birth_pii="1982-12-21",
        ext_customer_tax_id_pii="123456677",
        flow_bank_oauth_redirect_url="freehold-gaming://freehold.us/cashier",
    )
    return _apply_changes(parameters, changes)


def resolved_site(version: str = "3.0", api_secret: str = SECRET) -> ResolvedSite:
    """Return a site with ``SECRET`` for callbacks."""
    return ResolvedSite.model_validate(
        {
            "identifier": "S2155373459",
            "version": version,
            "callback_secrets": (SecretStr(SECRET),),
            "api_secret": SecretStr(api_secret),
            "response_format": "json",
            "reverse_envelope": "payment_reverse_response",
            "reverse_element": "reverse_payment",
        }
    )


def _apply_changes(parameters: dict[str, str], changes: dict[str, str | None]) -> dict[str, str]:
    merged = {**parameters, **changes}
    return {name: value for name, value in merged.items() if value is not None}
