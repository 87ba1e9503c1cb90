"""A namespace of Temporal as the configuration has it."""

from collections.abc import Iterable

from backfilld.clock import Clock
from backfilld.config.sections.engines.temporal import TemporalEngineSettings, TemporalTlsSettings
from backfilld.executors.definition import WorkflowDefinition
from backfilld.executors.definitions.engines import TemporalExecutor
from backfilld.executors.engines import Engine, Hold, MissingEngine
from backfilld.executors.secrets import SecretStore
from backfilld.executors.temporal.terms import HOW_TO_INSTALL, TEMPORAL, TemporalTerms, TlsTerms, is_installed


def temporal_engine(
    name: str,
    known: TemporalEngineSettings,
    secrets: SecretStore,
    clock: Clock,
    hold: Hold,
    definitions: Iterable[WorkflowDefinition] = (),
) -> Engine:
    """The engine; one that tells what to install, where the SDK is not there. It is loaded here, and nowhere else."""
    if not is_installed():
        return MissingEngine(name, TEMPORAL, known.address, f"the SDK of Temporal is not installed: {HOW_TO_INSTALL}")
    from backfilld.executors.temporal.engine import TemporalEngine

    wanted = (one.executor for one in definitions)
    queues = [one.task_queue for one in wanted if isinstance(one, TemporalExecutor) and one.engine == name]
    return TemporalEngine(name, terms_of(known), secrets, clock, hold, queues)


def terms_of(known: TemporalEngineSettings) -> TemporalTerms:
    """What the executor needs of the settings. OSError if the authority's file cannot be read."""
    tls: TlsTerms | None = TlsTerms() if known.tls is True else None
    if isinstance(known.tls, TemporalTlsSettings):
        tls = TlsTerms(
            ca=None if known.tls.ca_file is None else known.tls.ca_file.read_bytes(),
            certificate=None if known.tls.certificate is None else known.tls.certificate.secret,
            key=None if known.tls.key is None else known.tls.key.secret,
            server_name=known.tls.server_name,
        )
    return TemporalTerms(
        address=known.address,
        namespace=known.namespace,
        api_key=None if known.api_key is None else known.api_key.secret,
        tls=tls,
        starts_per_second=known.limits.starts_per_second,
        max_waiting=known.limits.max_waiting,
        no_workers_after_seconds=known.no_workers_after_seconds,
    )
