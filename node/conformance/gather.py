"""Running code and settings -> the facts of a conformance statement. No secret, and no path of a file, is read."""

from __future__ import annotations

import ssl
from typing import Any, get_args, get_type_hints

from pydicom.charset import python_encoding

from config.settings import Settings
from node.conformance.configured import remotes, settings_of
from node.conformance.functions import functions, web
from node.conformance.iods import Makers, created_objects
from node.conformance.model import Local, Product, Rejected, Security, Statement
from node.receive.doors import Rejection
from node.tls import client_context
from node.version import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, VERSION
from node.wiring import acceptor_options
from pipeline import registry
from pipeline.core.clock import utc_now
from pipeline.findings import Findings
from pipeline.marks import MarkedStudy

TOO_MANY = (2, 3, 2)
"""What pynetdicom answers above `maximum_associations`: rejected-transient, presentation related, local limit."""

_WHEN = {
    Rejection.CALLED_AE_TITLE_NOT_RECOGNIZED: "the called AE title is none of the node's",
    Rejection.CALLING_AE_TITLE_NOT_RECOGNIZED: "no configured peer has the calling AE title at that address",
    Rejection.NO_REASON_GIVEN: "the request could not be judged",
}


def gather(settings: Settings) -> Statement:
    """All of it. Takes seconds: the encoders write made-up objects. Raises NotFound for an unknown pipeline."""
    objects = created_objects(makers(settings))
    return Statement(
        product=_product(settings),
        local=_local(settings),
        functions=functions(settings, objects.created),
        web=web(),
        rejections=rejections(settings),
        remotes=remotes(settings),
        settings=settings_of(settings),
        security=_security(settings),
        character_sets=tuple(sorted(name for name in python_encoding if name)),
        objects=objects,
    )


def makers(settings: Settings) -> Makers:
    """Which pipelines, registered or routed to, say findings in space and which say marks: by what `run` returns."""
    names = dict.fromkeys([*registry.names(), *(r.pipeline for r in settings.routes)])
    said = {name: _says(registry.get(name)) for name in names}
    return {
        "lesions": tuple(n for n, kinds in said.items() if Findings in kinds),
        "marks": tuple(n for n, kinds in said.items() if MarkedStudy in kinds),
    }


def _says(pipeline: Any) -> tuple[Any, ...]:
    try:
        return get_args(get_type_hints(type(pipeline).run).get("return"))
    except (AttributeError, NameError, TypeError):  # not annotated, or with names of a type checker alone
        return (Findings, MarkedStudy)


def _product(settings: Settings) -> Product:
    named = settings.source.file.name if settings.source.file else ""
    return Product(
        maker="Lantern",
        name="Lantern",
        version=VERSION,
        implementation_class_uid=IMPLEMENTATION_CLASS_UID,
        implementation_version_name=IMPLEMENTATION_VERSION_NAME,
        date=utc_now().astimezone().date().isoformat(),
        configuration=f"as configured in {named}" if named else "default configuration",
    )


def _local(settings: Settings) -> Local:
    options = acceptor_options(settings)
    return Local(
        ae_titles=options.ae_titles,
        host=options.host,
        port=options.port,
        tls=settings.node.tls,
        requires_called=options.require_called_ae,
        any_calling=options.allow_any_calling_ae,
    )


def rejections(settings: Settings) -> tuple[Rejected, ...]:
    """Those that can happen with these settings."""
    node = settings.node
    never = {
        Rejection.CALLED_AE_TITLE_NOT_RECOGNIZED: not node.require_called_ae,
        Rejection.CALLING_AE_TITLE_NOT_RECOGNIZED: node.allow_any_calling_ae,
    }
    known = [Rejected(*r.value, r.words, _WHEN[r]) for r in Rejection if not never.get(r)]
    limit = f"more than {node.max_associations} associations would be open"
    return (*known, Rejected(*TOO_MANY, "local limit exceeded", limit))


def _security(settings: Settings) -> Security:
    context = client_context()
    tls = settings.tls
    if not settings.node.tls:
        incoming = "not in use: the port speaks DICOM without TLS"
    elif tls.ca:
        incoming = "TLS only, and only for peers whose certificate the configured authority signed (mutual)"
    else:
        incoming = "TLS only; peers need not show a certificate"
    trusted = "the configured authority" if tls.ca else "the authorities of the operating system"
    shown = "the node's own is shown to whoever asks" if tls.certificate else "the node has none of its own"
    return Security(
        lowest=_version(context.minimum_version),
        highest="TLS 1.3" if ssl.HAS_TLSv1_3 else _version(context.minimum_version),
        suites=tuple((c["name"], c["protocol"].replace("TLSv", "TLS ")) for c in context.get_ciphers()),
        incoming=incoming,
        outgoing=f"certificates of peers are always verified, with their host name, against {trusted}; {shown}",
    )


def _version(version: ssl.TLSVersion) -> str:
    return version.name.replace("TLSv", "TLS ").replace("_", ".")
