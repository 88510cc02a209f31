"""The kinds of value that settings are made of."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_PIPELINE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z_]\w*)?")
_HOST = re.compile(r"[A-Za-z0-9_.%-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.%a-z]*")
_DEVICE = re.compile(r"auto|cpu|gpu(:\d+)?")


def _ae_title(text: str) -> str:
    """PS3.5 6.2, VR AE: 1 to 16 characters of the default repertoire; spaces around it do not count."""
    if not text.strip(" "):
        raise ValueError("must not be empty or only spaces")
    if "\\" in text or not all(" " <= c <= "~" for c in text):
        raise ValueError("must not have a backslash, a control character or a character outside ASCII")
    if len(text.strip(" ")) > 16:
        raise ValueError("must have at most 16 characters")
    return text.strip(" ")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("must be 1 to 64 letters, digits, '_', '-' or '.', and begin with a letter or digit")
    return text


def _pipeline(text: str) -> str:
    if not _PIPELINE.fullmatch(text):
        raise ValueError("must be a registered name, or package.module:ATTRIBUTE")
    return text


def _host(text: str) -> str:
    if text.count(":") == 1 and text.rpartition(":")[2].isdigit():
        raise ValueError("must not have a port in it: that goes into `port`")
    if not _HOST.fullmatch(text):
        raise ValueError("must be a host name or an IP address, without 'http://' or spaces")
    return text


def _device(value: Any) -> Any:
    """A bare number is the number of a GPU, so that `lantern-work@1` can hand its instance name on."""
    number = str(value) if isinstance(value, str) or type(value) is int else ""
    device = f"gpu:{number}" if number.isdecimal() else value
    if isinstance(device, str) and not _DEVICE.fullmatch(device):
        raise ValueError('must be "auto", "cpu", "gpu", or the number of a GPU: 0 or "gpu:0"')
    return device


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


AeTitle = Annotated[str, AfterValidator(_ae_title)]
Name = Annotated[str, AfterValidator(_name)]
PipelineName = Annotated[str, AfterValidator(_pipeline)]
Host = Annotated[str, AfterValidator(_host)]
Port = Annotated[int, Field(ge=1, le=65535)]
Device = Annotated[str, BeforeValidator(_device)]
AeTitles = Annotated[tuple[AeTitle, ...], BeforeValidator(_one_or_many)]
Names = Annotated[tuple[Name, ...], BeforeValidator(_one_or_many)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_one_or_many)]
Seconds = Annotated[float, Field(ge=0)]
Days = Annotated[float, Field(ge=0)]
