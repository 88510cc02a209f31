"""Every setting there is: typed, frozen, each with a unit and a sentence.

`config.load.load` makes these from a file; tests and tools may make them in code: `Settings.model_validate({...})`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from config.conditions import parse_when
from config.problems import Source
from config.values import AeTitle, AeTitles, Days, Device, Host, Name, Names, PipelineName, Port, Seconds, Texts
from pipeline.core import route as core
from pipeline.core.forms import Holes
from pipeline.core.wishes import CoordinatesWish, FramesWish, ObjectsWish, PageWish, SegmentsWish, Validate, Wishes

S = TypeVar("S", bound="Section")

DATA_FOLDER = "lantern-data"
"""Where an installation without [storage] keeps what it keeps, beside its configuration file."""


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _three_quarters_of_memory_mb() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 3 // 4 >> 20


def _beside_the_file(path: Path, info: ValidationInfo) -> Path:
    """Relative paths begin at the folder of the configuration file, so that it does not matter who starts where."""
    folder = (info.context or {}).get("folder", Path.cwd())
    return Path(folder, path.expanduser()).absolute()


FOLDERS = ("bundle",)
"""Options of pipelines that name a folder: relative ones begin, like all paths, at the folder of the file."""


def _with_paths(options: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
    found = {k: options[k] for k in FOLDERS if isinstance(options.get(k), str) and options[k]}
    return options | {key: str(_beside_the_file(Path(folder), info)) for key, folder in found.items()}


class Section(BaseModel):
    """A table of the file: unknown keys are errors, values do not change, secrets are not shown."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,
        validate_by_name=True,
        validate_by_alias=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation in (int, float):
            raise ValueError("must be a number, not true or false")
        return value


def tls_fault(values: Mapping[str, Any]) -> str:
    """What the keys of [tls] get wrong together; empty when nothing. Takes raw tables as well."""
    given = _given(values)
    return "must have both `certificate` and `key`, or neither" if len({"certificate", "key"} & given) == 1 else ""


def destination_fault(values: Mapping[str, Any]) -> str:
    """What the keys of a [[destination]] get wrong together; empty when nothing. Takes raw tables as well."""
    given = _given(values)
    missing = [k for k in ("ae_title", "host", "port") if k not in given]
    if "stow_url" not in given:
        if missing:
            return f"must have {', '.join(missing)} as well, or a stow_url"
        return "must not have a token: only a stow_url can use one" if "token" in given else ""
    if len(missing) < 3:
        return "must have either a stow_url, or ae_title, host and port, and not both"
    return "must not have tls: a stow_url that begins with https:// says it" if "tls" in given else ""


def _given(values: Mapping[str, Any]) -> set[str]:
    return {key for key, value in values.items() if value or type(value) is int}


def _or_raise(section: S, fault: str) -> S:
    if fault:
        raise ValueError(fault)
    return section


class NodeSettings(Section):
    """The DICOM listener, and what it accepts."""

    ae_title: AeTitle = Field(default="LANTERN", description="the node's own AE title, also when it calls others")
    host: Host = Field(default="0.0.0.0", description="the address to listen on; 0.0.0.0 is every IPv4 address")
    port: Port = Field(default=11112, description="the TCP port to listen on, 1 to 65535; below 1024 needs a privilege")
    tls: bool = Field(default=False, description="true: the port speaks DICOM over TLS only, as [tls] says")
    allow_any_calling_ae: bool = Field(
        default=False, description="true lets anybody send; false only a [[peer]], by AE title and address"
    )
    require_called_ae: bool = Field(
        default=True, description="true refuses associations that call an AE title this node does not have"
    )
    max_associations: int = Field(default=16, ge=1, le=1000, description="associations open at once; more are refused")
    idle_timeout_s: float = Field(default=60.0, gt=0, description="seconds of silence that close an association")
    max_pdu_bytes: int = Field(
        default=131072, ge=4096, le=1 << 24, description="bytes in the largest PDU (PS3.8 D.1) that senders may use"
    )
    min_free_disk_mb: int = Field(
        default=2048,
        ge=0,
        description="MiB that stay free under archive_dir; below it senders are told out of resources (0xA700)",
    )


class StorageSettings(Section):
    """Where the archive and the ledger are, and for how long things are kept."""

    archive_dir: Path = Field(
        default=Path(DATA_FOLDER, "archive"),
        validate_default=True,
        description="folder for images and results; a relative path begins at this file's folder",
    )
    database_url: str = Field(
        default="",
        validate_default=True,
        repr=False,
        description="URL of the ledger, sqlite:///FILE or postgresql://...; by default lantern.db beside archive_dir",
    )
    keep_images_days: Days = Field(
        default=7.0, description="days that a study's images are kept once no job needs them; 0 is for ever"
    )
    keep_results_days: Days = Field(default=30.0, description="days that delivered results are kept; 0 is for ever")
    keep_failed_days: Days = Field(
        default=30.0, description="days that failed jobs and what they need for a retry are kept; 0 is for ever"
    )

    @field_validator("archive_dir", mode="after")
    @classmethod
    def _absolute(cls, path: Path, info: ValidationInfo) -> Path:
        return _beside_the_file(path, info)

    @field_validator("database_url", mode="after")
    @classmethod
    def _usable_by_several_processes(cls, url: str, info: ValidationInfo) -> str:
        if not url:
            archive = info.data.get("archive_dir", Path(DATA_FOLDER, "archive"))
            return f"sqlite:///{archive.parent / 'lantern.db'}"
        backend, separator, rest = url.partition("://")
        if not separator or backend.partition("+")[0] not in ("sqlite", "postgresql"):
            raise ValueError("must begin with sqlite:/// or postgresql://")
        if not backend.startswith("sqlite"):
            return url
        file = rest.removeprefix("/")
        if not file or file.startswith(":memory:"):
            raise ValueError("must name a file: the processes of the node meet in it")
        return f"{backend}:///{_beside_the_file(Path(file), info)}"


class WebSettings(Section):
    """The admin pages, health and metrics."""

    host: Host = Field(default="127.0.0.1", description="the address of the admin pages; 127.0.0.1: this machine only")
    port: Port = Field(default=8080, description="the TCP port of the admin pages, 1 to 65535")


class WorkSettings(Section):
    """How pipelines are run."""

    executor: Literal["inline", "process", "ray"] = Field(
        default="process",
        description="where pipelines run: inline (in the worker), process (in a child of its own), ray",
    )
    device: Device = Field(
        default="auto", description='"auto" (a GPU if there is one), "cpu", "gpu", or the number of a GPU: 0 or "gpu:0"'
    )
    threads: int = Field(
        default_factory=_cores, ge=1, description="CPU threads that a pipeline may use; by default one per core"
    )
    time_limit_s: float = Field(default=1800.0, gt=0, description="seconds after which a pipeline is stopped")
    memory_limit_mb: int = Field(
        default_factory=_three_quarters_of_memory_mb,
        ge=256,
        description="MiB of memory above which a pipeline is stopped; by default three quarters of the machine's",
    )
    max_attempts: int = Field(
        default=3, ge=1, description="times that a job is tried when the trouble may pass (crash, memory)"
    )
    poll_s: float = Field(default=0.5, gt=0, description="seconds between looks for a new job")


class DeliverSettings(Section):
    """How results are sent."""

    backoff_first_s: float = Field(
        default=5.0, gt=0, description="seconds to wait after the first failed sending; then doubled"
    )
    backoff_cap_s: float = Field(default=600.0, gt=0, description="seconds, the longest wait between attempts")
    park_after_s: float = Field(
        default=3 * 86400.0, gt=0, description="seconds of failing after which a delivery waits for a person instead"
    )
    poll_s: float = Field(default=0.5, gt=0, description="seconds between looks for something to send")


class LogSettings(Section):
    """What is logged, to standard error. Logs hold UIDs and job numbers, never patient data."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        BeforeValidator(lambda v: v.lower() if isinstance(v, str) else v),
    ] = Field(default="info", description="the least that is logged: debug, info, warning or error")
    as_json: bool = Field(default=False, alias="json", description="true writes one JSON object a line")


class GateSettings(Section):
    """What every result is checked with before it is sent; what is done with doubts each [[destination]] says."""

    dciodvfy: str = Field(
        default="auto",
        description="the program dciodvfy of dicom3tools: auto uses it where it is installed, off never; or its path",
    )

    @field_validator("dciodvfy", mode="after")
    @classmethod
    def _program(cls, value: str, info: ValidationInfo) -> str:
        if value in ("auto", "off"):
            return value
        path = _beside_the_file(Path(value), info)
        if not path.is_file():
            raise ValueError("must be auto, off, or the path of a program that is there")
        return str(path)


class TlsSettings(Section):
    """The node's certificate and whom it trusts, for DICOM over TLS (PS3.15 B.12). Files in PEM form."""

    certificate: Path | None = Field(default=None, description="file of the node's certificate, with its chain")
    key: Path | None = Field(default=None, description="file of the certificate's private key, without a passphrase")
    ca: Path | None = Field(
        default=None, description="file of the authorities that may vouch for peers; by default those of the system"
    )

    @field_validator("certificate", "key", "ca", mode="after")
    @classmethod
    def _there(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        if path is None:
            return None
        absolute = _beside_the_file(path, info)
        if not absolute.is_file():
            raise ValueError(f"no such file: {absolute}")
        return absolute

    @model_validator(mode="after")
    def _complete(self) -> Self:
        return _or_raise(self, tls_fault(self.__dict__))


class PeerSettings(Section):
    """A system that may send images, and that may be asked how many a study has."""

    name: Name = Field(description="what this configuration calls it")
    ae_title: AeTitle = Field(description="the AE title it calls from, and answers to")
    host: Host = Field(description="the host name or address that it calls from, and answers at")
    port: int = Field(default=0, ge=0, le=65535, description="the TCP port it answers C-FIND on; 0: it only sends")
    tls: bool = Field(default=False, description="true asks it by DICOM over TLS, as [tls] says")
    retrieve: Literal["get", "move", ""] = Field(
        default="",
        description='how earlier studies are fetched from it: "get" (C-GET), "move" (C-MOVE, for which it must know '
        "this node's ae_title, host and port); by default they are not",
    )

    def as_peer(self) -> core.Peer:
        """The same as the rest of the node knows it."""
        return core.Peer(self.name, self.ae_title, self.host, self.port, self.tls, self.retrieve)


class DestinationSettings(Section):
    """A place for results: either a DICOM peer (ae_title, host, port) or a STOW-RS service (stow_url)."""

    name: Name = Field(description="what routes call it")
    ae_title: AeTitle | None = Field(default=None, description="the AE title that results are sent to by C-STORE")
    host: Host | None = Field(default=None, description="the host name or address that results are sent to")
    port: Port | None = Field(default=None, description="the TCP port that results are sent to, 1 to 65535")
    stow_url: str | None = Field(
        default=None, pattern=r"^https?://[^/\s]+", description="the DICOMweb service root; /studies is added to it"
    )
    tls: bool = Field(default=False, description="true for DICOM over TLS, as [tls] says; not for a stow_url")
    token: SecretStr = Field(
        default=SecretStr(""), description="bearer token for stow_url; better by environment or credential"
    )
    timeout_s: float = Field(default=30.0, gt=0, description="seconds to wait for any one answer")
    park_after_s: float | None = Field(default=None, gt=0, description="seconds; instead of park_after_s of [deliver]")
    segments: SegmentsWish = Field(
        default=SegmentsWish.AUTO,
        description="segmentations: binary, labelmap, none, or auto: binary, else a label map where only that is taken",
    )
    frames: FramesWish = Field(
        default=FramesWish.SPARSE,
        description="frames of a segmentation: sparse (those with a segment), or full (one for every image)",
    )
    objects: ObjectsWish = Field(
        default=ObjectsWish.STUDY, description="a segmentation and a structure set for the study, or for each lesion"
    )
    holes: Holes = Field(
        default=Holes.KEYHOLE,
        description="what a lesion encloses, in structure sets: keyhole (every system), or xor (a contour each)",
    )
    coordinates: CoordinatesWish = Field(
        default=CoordinatesWish.AUTO,
        description="reports point in space (3d), on images (2d), or auto: 3d, else 2d where only that is taken",
    )
    page: PageWish = Field(
        default=PageWish.AUTO,
        description="pages to look at (Secondary Capture): always, never, or auto: where no SEG or report is taken",
    )
    validation: Validate = Field(
        default=Validate.WARN,
        alias="validate",
        description="objects that break DICOM's rules: off (sent), warn (sent, and told), block (quarantined)",
    )

    @model_validator(mode="after")
    def _one_way_there(self) -> Self:
        return _or_raise(self, destination_fault(self.__dict__))

    def as_destination(self, park_after_s: float) -> core.Destination:
        """The same as the rest of the node knows it. `park_after_s` is used unless it has its own."""
        return core.Destination(
            name=self.name,
            ae_title=self.ae_title or "",
            host=self.host or "",
            port=self.port or 0,
            stow_url=self.stow_url or "",
            tls=self.tls,
            park_after_s=self.park_after_s or park_after_s,
            timeout_s=self.timeout_s,
            secret=self.token.get_secret_value(),
            wishes=Wishes(
                self.segments, self.frames, self.objects, self.holes, self.coordinates, self.page, self.validation
            ),
        )


class RouteSettings(Section):
    """Which images go to which pipeline, and where its results go."""

    name: Name = Field(description="what logs and pages call it")
    called_ae: AeTitles = Field(
        default=(),
        description="AE title, or titles, that this route listens to besides being the node's; none: any of the node's",
    )
    when: Annotated[core.Condition, PlainValidator(parse_when)] = Field(
        default=core.ALWAYS, description="what a series must be like, see below; by default every series is taken"
    )
    pipeline: PipelineName = Field(description="the registered pipeline to run, or package.module:ATTRIBUTE")
    destinations: Names = Field(default=(), description="names of [[destination]]s; none: results stay in the archive")
    quiet_period_s: Seconds = Field(default=60.0, description="seconds without a new image until the study is decided")
    priority: int = Field(default=0, ge=-1000, le=1000, description="jobs of a higher number are run first")
    late_images: core.LateImages = Field(
        default=core.LateImages.RERUN, description="for images that come after the decision: rerun, ignore or alert"
    )
    required_roles: Texts = Field(default=(), description="series roles of the pipeline that it waits for")
    required_within_s: Seconds = Field(default=3600.0, description="seconds to wait for them after the last image")
    verify_with: str = Field(default="", description="name of a [[peer]] to ask by C-FIND whether all images are here")
    priors_from: str = Field(
        default="", description="name of a [[peer]] with `retrieve`, to be asked for earlier studies of the patient"
    )
    most_priors: int = Field(default=1, ge=1, le=20, description="earlier studies that are fetched, the newest first")
    options: dict[str, Any] = Field(
        default_factory=dict, description="a table handed to the pipeline; goes before [pipelines.NAME]"
    )

    @field_validator("options", mode="after")
    @classmethod
    def _paths(cls, options: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        return _with_paths(options, info)

    def as_route(self, defaults: Mapping[str, Any]) -> core.Route:
        """The same as the rest of the node knows it. `defaults` are options that hold where it has none of its own."""
        given = {name: getattr(self, name) for name in core.Route.__dataclass_fields__}
        return core.Route(**given | {"options": {**defaults, **self.options}})


class PipelinesSettings(Section):
    """Options of a pipeline, for every route that runs it; what a route says in its own `options` goes before."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, dict[str, Any]]

    @model_validator(mode="after")
    def _paths(self, info: ValidationInfo) -> Self:
        for options in (self.__pydantic_extra__ or {}).values():
            options.update(_with_paths(options, info))
        return self

    def options(self, pipeline: str) -> dict[str, Any]:
        """The options that are set for a pipeline; none when it has no table."""
        return dict((self.__pydantic_extra__ or {}).get(pipeline, {}))

    def names(self) -> tuple[str, ...]:
        """The pipelines that have a table, in the order of the file."""
        return tuple(self.__pydantic_extra__ or {})


class Settings(Section):
    """All settings. Properties give peers, destinations and routes as the rest of the node knows them."""

    node: NodeSettings = Field(default_factory=NodeSettings)
    storage: StorageSettings = Field(default_factory=StorageSettings)
    web: WebSettings = Field(default_factory=WebSettings)
    work: WorkSettings = Field(default_factory=WorkSettings)
    deliver: DeliverSettings = Field(default_factory=DeliverSettings)
    gate: GateSettings = Field(default_factory=GateSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    tls: TlsSettings = Field(default_factory=TlsSettings)
    peer: tuple[PeerSettings, ...] = ()
    destination: tuple[DestinationSettings, ...] = ()
    route: tuple[RouteSettings, ...] = ()
    pipelines: PipelinesSettings = Field(default_factory=lambda: PipelinesSettings.model_validate({}))
    _source: Source = PrivateAttr(default_factory=Source)

    @property
    def source(self) -> Source:
        """The file these came from and its line numbers."""
        return self._source

    @property
    def peers(self) -> tuple[core.Peer, ...]:
        """Who may send, and who may be asked."""
        return tuple(p.as_peer() for p in self.peer)

    @property
    def destinations(self) -> tuple[core.Destination, ...]:
        """Where results may go."""
        return tuple(d.as_destination(self.deliver.park_after_s) for d in self.destination)

    @property
    def routes(self) -> tuple[core.Route, ...]:
        """What is done with what arrives, in the order of the file; with the options of [pipelines.NAME]."""
        return tuple(r.as_route(self.pipelines.options(r.pipeline)) for r in self.route)

    @property
    def called_ae_titles(self) -> tuple[str, ...]:
        """Every AE title the node answers to: its own first, then those of the routes."""
        return tuple(dict.fromkeys([self.node.ae_title, *(t for r in self.route for t in r.called_ae)]))

    def read_from(self, source: Source) -> Settings:
        """The same settings, knowing where they came from."""
        known = self.model_copy()
        known._source = source
        return known
