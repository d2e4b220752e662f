"""The composition root: opens everything, wires the stages, and takes them down in the right order.

The only place that opens nurseries across stages. The outer nursery holds the writers of the journal and of
the catalog's blobs, which must outlive the stages that write through them; the inner one holds the stages.
A stage that crashes takes the daemon down: what was accepted is in the journal, and the next start goes on.
"""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import outcome
import structlog
import trio

from artifactd.daemon.catalog.catalog import Catalog
from artifactd.daemon.catalog.records import Fenced
from artifactd.daemon.catalog_url import shown_catalog_url
from artifactd.daemon.downloads.blobs import Blobs
from artifactd.daemon.downloads.cache import Cache
from artifactd.daemon.downloads.fetching import Downloads
from artifactd.daemon.downloads.referenced import Referenced
from artifactd.daemon.downloads.transfer import Transfer
from artifactd.daemon.groups import first
from artifactd.daemon.home import identity, locked, prepare
from artifactd.daemon.ipc.editing import Editing
from artifactd.daemon.ipc.greeting import Greeting
from artifactd.daemon.ipc.lineage import Lineage
from artifactd.daemon.ipc.listener import Handler, Listener
from artifactd.daemon.ipc.looking_up import LookUps
from artifactd.daemon.ipc.reading import Reading
from artifactd.daemon.ipc.runs import Runs
from artifactd.daemon.ipc.status import StatusRequests
from artifactd.daemon.ipc.submit import Intake
from artifactd.daemon.ipc.waiting import Waiting
from artifactd.daemon.ipc.zsocket import open_router
from artifactd.daemon.observe.status import Facts, ServiceFacts, build
from artifactd.daemon.pipeline.assembly import Assembler
from artifactd.daemon.pipeline.bases import Bases
from artifactd.daemon.pipeline.budget import ByteBudget
from artifactd.daemon.pipeline.catalog_calls import CatalogCalls
from artifactd.daemon.pipeline.cleaner import Cleaner
from artifactd.daemon.pipeline.committer import Committer
from artifactd.daemon.pipeline.crashes import Crashes
from artifactd.daemon.pipeline.delivery import Delivery
from artifactd.daemon.pipeline.digest_cache import DigestCache
from artifactd.daemon.pipeline.durability import Durability
from artifactd.daemon.pipeline.expiry import Expiry
from artifactd.daemon.pipeline.hasher import Hasher
from artifactd.daemon.pipeline.health import Health
from artifactd.daemon.pipeline.ingest import Ingest
from artifactd.daemon.pipeline.manifest_files import ManifestFiles
from artifactd.daemon.pipeline.membership import Membership
from artifactd.daemon.pipeline.parts import Parts
from artifactd.daemon.pipeline.uploader import Registration, Uploader
from artifactd.daemon.pipeline.work import Tools
from artifactd.daemon.queue.ending import Ending
from artifactd.daemon.queue.filesystems import boot_id
from artifactd.daemon.queue.group_commit import GroupCommit
from artifactd.daemon.queue.journal import Journal, Operation
from artifactd.daemon.queue.recovery import recover
from artifactd.daemon.queue.submissions import Queue, Submission
from artifactd.daemon.queue.uploads import JournalledUploads
from artifactd.daemon.references.policy import Policy
from artifactd.daemon.references.references import References, open_references
from artifactd.daemon.settings import Settings
from artifactd.daemon.stores.base import Store, StoreError
from artifactd.daemon.stores.factory import open_store, store_options
from artifactd.daemon.stores.keys import parse_blob_key
from artifactd.protocol import messages
from artifactd.protocol.codec import MAX_FRAME, MAX_FRAMES

__all__ = ["serve"]

DRAIN_SECONDS = 10.0
STORE_CHECK_SECONDS = 5.0
MAX_REQUESTS = 4_096
MAX_GROUP = 512
MEMORY = 64 << 20
"""Bytes of file contents in memory at the same time, over all submissions."""

log = structlog.get_logger()


async def serve(settings: Settings) -> None:
    """Run the daemon until it is told to stop: the first SIGTERM or SIGINT drains, the second stops at once.

    Raises `CannotStart`, and what the store and the catalog raise when they cannot be opened.
    """
    spool = prepare(settings.home)
    with (
        locked(settings.home / "lock", f"the home {settings.home}"),
        locked(settings.socket.with_name(settings.socket.name + ".lock"), f"the socket {settings.socket}"),
    ):
        fenced = True
        while fenced:
            fenced = False
            try:
                await _serve_as_member(settings, spool)
            except* Fenced as group:
                fenced = True
                log.warning("beginning anew as a member of the catalog", reason=str(first(group)))


async def _serve_as_member(settings: Settings, spool: Path) -> None:
    """Open everything and serve until told to stop. A group with `Fenced` means that all is to be opened anew."""
    catalog = await trio.to_thread.run_sync(Catalog.open, settings.catalog_url)
    journal = Journal(settings.home / "journal.db", boot=boot_id())
    cache = DigestCache(settings.home / "cache" / "digests.db")
    try:
        async with trio.open_nursery() as writers:
            writer: GroupCommit[Operation, Any] = GroupCommit(journal.write, MAX_GROUP)
            registrations: GroupCommit[Registration, None] = GroupCommit(partial(_register, catalog), MAX_GROUP)
            await writers.start(writer.run)
            await writers.start(registrations.run)
            uploads = JournalledUploads(journal, writer)
            s3, gcs = store_options(settings.store)
            async with (
                open_store(settings.store_url, s3=s3, gcs=gcs, journal=uploads) as store,
                open_references(_reference_policy(settings), s3) as references,
            ):
                daemon = _Daemon(
                    settings, spool, journal, writer, catalog, registrations, store, cache, references
                )
                await daemon.run()
            registrations.close()
            writer.close()
    finally:
        cache.close()
        journal.close()
        catalog.close()


def _register(catalog: Catalog, rows: Sequence[Registration]) -> list[outcome.Outcome[None]]:
    keys = [parse_blob_key(location.key) for *_, location in rows]
    catalog.register_blobs(rows, began=min(key.epoch for key in keys if key is not None))
    return [outcome.Value(None) for _ in rows]


def _reference_policy(settings: Settings) -> Policy:
    return Policy(settings.references.allow, settings.references.buckets, settings.store_url)


class _Daemon:
    """The stages, wired."""

    def __init__(
        self,
        settings: Settings,
        spool: Path,
        journal: Journal,
        writer: GroupCommit[Operation, Any],
        catalog: Catalog,
        registrations: GroupCommit[Registration, None],
        store: Store,
        cache: DigestCache,
        references: References,
    ) -> None:
        self._settings = settings
        self._spool = spool
        self._journal = journal
        self._catalog = catalog
        self._store = store
        self._references = references
        self._started_at = time.monotonic()
        self._store_health = Health("store", store.url)
        self._catalog_health = Health("catalog", shown_catalog_url(settings.catalog_url))
        calls = CatalogCalls(self._catalog_health)
        self._queue = Queue()
        self._cleaner = Cleaner(journal=journal, writer=writer, spool=spool)
        self._ending = Ending(self._queue, writer, self._cleaner.discard)
        self._membership = Membership(
            daemon=identity(settings.home), catalog=catalog, calls=calls, queue=self._queue
        )
        self._uploader = Uploader(
            store, catalog, calls, registrations, self._store_health, lambda: self._membership.epoch
        )
        manifest_files = ManifestFiles(settings.home)
        tools = Tools(
            queue=self._queue,
            journal=journal,
            spool=spool,
            hasher=Hasher(cache),
            uploader=self._uploader,
            budget=ByteBudget(MEMORY),
            assembler=Assembler(
                self._queue, references, Bases(store, catalog, calls, manifest_files), manifest_files
            ),
            parts=Parts(
                journal=journal,
                catalog=catalog,
                calls=calls,
                files=manifest_files,
                expire=settings.drafts.expire,
            ),
        )
        self._ingest = Ingest(tools, self._ending, self._membership, settings.upload.submissions)
        self._committer = Committer(
            queue=self._queue, ending=self._ending, journal=journal, catalog=catalog, calls=calls
        )
        self._durability = Durability(queue=self._queue, journal=journal, writer=writer, spool=spool)
        self._expiry = Expiry(catalog, calls, settings.drafts.expire)
        self._delivery = Delivery(store, catalog, calls, self._store_health)
        self._runs = settings.home / "runs"
        self._crashes = Crashes(directory=self._runs, catalog=catalog, calls=calls)
        cached = settings.home / "cache"
        self._blobs = Cache(cached, limit=settings.cache.size, reserve=settings.spool.reserve)
        self._downloads = Downloads(
            blobs=Blobs(self._blobs, Transfer(store)),
            referenced=Referenced(references, reserve=settings.spool.reserve),
            catalog=catalog,
            manifests=cached / "manifests",
            spool=spool,
        )
        self._intake = Intake(writer=writer, queue=self._queue, home=settings.home, reserve=settings.spool.reserve)

    async def run(self) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            resumed = await recover(self._queue, self._journal, self._ending, self._catalog)
            # What is there now stays: looking through it for garbage took every thread 0.1 s, again and again.
            gc.collect()
            gc.freeze()
            async with trio.open_nursery() as stages:
                await stages.start(self._cleaner.run)
                await stages.start(self._committer.run)
                await stages.start(self._durability.run)
                await stages.start(self._downloads.run)
                await stages.start(self._expiry.run)
                await stages.start(self._crashes.run)
                await stages.start(self._delivery.run)
                await stages.start(self._listen)
                log.info(
                    "artifactd is ready",
                    version=version("artifactd"),
                    socket=str(self._settings.socket),
                    home=str(self._settings.home),
                    store=self._store.url,
                    resumed=resumed,
                )
                stages.start_soon(self._process, stages)
                await anext(signals)
                stages.start_soon(self._stop_at_once, signals, stages.cancel_scope)
                # What arrives meanwhile is accepted and waits for the next start.
                self._ingest.stop()
                log.info("draining: finishing what is under way", unfinished=len(self._queue))
                with trio.move_on_after(DRAIN_SECONDS):
                    await self._ingest.drained.wait()
                    await self._queue.wait_commits_idle()
                    await self._delivery.flush()
                stages.cancel_scope.cancel()
        log.info("artifactd has stopped", unfinished=len(self._queue))

    async def _process(self, stages: trio.Nursery) -> None:
        """Join the catalog and settle what the last process left in the store, before anything new goes there."""
        await stages.start(self._membership.run)
        await self._check_store()
        if aborted := await self._store.recover():
            log.info("aborted unfinished uploads of the last process", uploads=aborted)
        await self._ingest.run()

    async def _check_store(self) -> None:
        """Say at once what would otherwise show with the first upload; it may be mended while we run."""
        try:
            with trio.move_on_after(STORE_CHECK_SECONDS):
                async with aclosing(self._store.list("artifactd-probe/")) as listing:
                    async for _ in listing:
                        break
        except StoreError as error:
            self._store_health.failed(str(error))

    async def _stop_at_once(self, signals: AsyncIterator[int], stages: trio.CancelScope) -> None:
        await anext(signals)
        log.info("stopping at once")
        stages.cancel()

    async def _listen(self, *, task_status: trio.TaskStatus[None]) -> None:
        socket = self._settings.socket
        async with open_router(socket, max_frame=MAX_FRAME, max_frames=MAX_FRAMES + 1) as router:
            listener = Listener(router, self._handlers(), self._intake.submit, MAX_REQUESTS)
            task_status.started()
            await listener.run()

    def _handlers(self) -> dict[type[messages.Message], Handler]:
        greeting = Greeting(
            version=version("artifactd"),
            spool=self._spool,
            reserve=self._settings.spool.reserve,
            cache=self._blobs.blobs,
            runs=self._runs,
        )
        waiting = Waiting(self._queue, self._journal, self._catalog)
        reading = Reading(self._catalog)
        editing = Editing(self._catalog)
        lineage = Lineage(self._catalog)
        runs = Runs(self._catalog)
        look_ups = LookUps(self._references)
        status = StatusRequests(self._queue, self._journal, self._report)
        return {
            messages.Hello: greeting.hello,
            messages.Wait: waiting.wait,
            messages.GetStatus: status.status,
            messages.GetVersion: reading.version,
            messages.GetCollections: reading.collections,
            messages.GetVersions: reading.versions,
            messages.GetTypes: reading.types,
            messages.EditVersion: editing.edit,
            messages.DeleteVersion: editing.delete,
            messages.LinkVersion: editing.link,
            messages.GetRun: lineage.run,
            messages.GetRuns: lineage.runs,
            messages.GetUsers: lineage.users,
            messages.GetRunVersions: lineage.run_versions,
            messages.StartRun: runs.start,
            messages.FinishRun: runs.finish,
            messages.LookUp: look_ups.look_up,
            messages.FetchManifest: lambda peer, request: self._downloads.manifest(peer.uid, request),
            messages.Fetch: lambda peer, request: self._downloads.blobs(peer.uid, request),
        }

    def _report(
        self,
        live: Sequence[tuple[Submission, str | None]],
        failed: Sequence[messages.Submission],
        more: bool,
        ended: dict[str, int],
    ) -> dict[str, Any]:
        disk = os.statvfs(self._spool)
        now = time.monotonic()
        facts = Facts(
            version=version("artifactd"),
            pid=os.getpid(),
            uptime=now - self._started_at,
            ended=ended,
            live=self._queue.counts,
            store=ServiceFacts(self._store_health.url, self._store_health.error),
            catalog=ServiceFacts(self._catalog_health.url, self._catalog_health.error),
            uploaded_bytes=self._uploader.uploaded_bytes,
            spool_path=str(self._spool),
            spool_free=disk.f_bavail * disk.f_frsize,
            spool_reserve=self._settings.spool.reserve,
            queued_bytes=self._queue.bytes,
            outbox=self._delivery.lag,
        )
        return build(facts, live, failed, more=more, now=now)
