"""Responses to callbacks: PayNearMe's envelopes in JSON or XML."""

from xml.etree import ElementTree

from paynearme.platform.http_response import HttpResponse, http_response, json_response
from paynearme.protocol.callbacks import AuthorizationResponse, ConfirmationResponse
from paynearme.protocol.reversals import ReversalResponse

type CallbackBody = AuthorizationResponse | ConfirmationResponse | ReversalResponse


def callback_response(response: CallbackBody, version: str, response_format: str) -> HttpResponse:
    """Return a 200 response with PayNearMe's envelope. ``response_format`` is ``json`` or ``xml``.

    In XML, the namespace contains the version with an underscore instead of the dot. See PayNearMe docs,
    Using Authorization Callbacks, Response Parameters.
    """
    if response_format == "json":
        return json_response({response.envelope: {"version": version, response.element: response.fields()}})
    namespace = f"http://www.paynearme.com/api/pnm_xmlschema_v{version.replace('.', '_')}"
    ElementTree.register_namespace("t", namespace)
    root = ElementTree.Element(f"{{{namespace}}}{response.envelope}", {"version": version})
    element = ElementTree.SubElement(root, f"{{{namespace}}}{response.element}")
    for name, text in response.fields().items():
        ElementTree.SubElement(element, f"{{{namespace}}}{name}").text = text
    body = ElementTree.tostring(root, encoding="unicode")
    return http_response(200, "application/xml", f'<?xml version="1.0" encoding="UTF-8"?>\n{body}')
