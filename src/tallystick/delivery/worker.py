"""Delivers what is due: a task per subscription that has something, and a bound on all together.

A subscription's task claims no more than it can send at once: a receiver that hangs holds up
nobody but itself, and a worker that dies holds up no more than it had claimed. An attempt that was
made and not recorded is made again: at least once.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import structlog

from tallystick.api.webhook_subscriptions import service as subscriptions
from tallystick.api.webhook_subscriptions.service import Target
from tallystick.api.webhooks import queue
from tallystick.api.webhooks.queue import Ended, Job
from tallystick.core import Core
from tallystick.delivery.bell import Announcing, Bell
from tallystick.delivery.chaos import Chaos, Deed, no_chaos
from tallystick.delivery.egress import Egress
from tallystick.delivery.message import Message, compose, kept
from tallystick.delivery.post import DEADLINE_S, Answer, NoAnswer, Poster, Why
from tallystick.errors import StoreFailed
from tallystick.hal import Links

# To one subscription at once, as Dwolla does (contract 6.7), and to all; per process.
AT_ONCE_TO_ONE = 10
AT_ONCE_TO_ALL = 256
# How often a worker looks for itself: for what falls due, whose lease ran out, what others wrote.
LOOK_EVERY_S = 1.0

_log = structlog.get_logger("tallystick.delivery")


@asynccontextmanager
async def delivering(
    core: Core,
    base_url: str,
    *,
    running: bool = True,
    poster: Poster | None = None,
    chaos: Chaos = no_chaos,
) -> AsyncIterator[Delivery]:
    """A worker for this process, whose `core` rings when webhooks are committed.

    With `running` off it delivers only when `drain` is called. `poster` may replace ours in tests;
    `chaos` is the sandbox's.
    """
    bell = Bell()
    egress = Egress(live=core.live, hosts=core.webhook_hosts, ports=core.webhook_ports)
    core = dataclasses.replace(core, db=Announcing(core.db, bell))
    delivery = Delivery(core, poster or Poster(egress), base_url, bell, chaos)
    looking = asyncio.create_task(delivery.run()) if running else None
    try:
        yield delivery
    finally:
        if looking is not None:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        await delivery.close()
        egress.close()


class _Receiver:
    """What is under way for one subscription, and what has ended and is not recorded yet.

    `news`: something has ended, or there may be more to claim.
    """

    def __init__(self, subscription_id: str) -> None:
        self.id = subscription_id
        self.news = asyncio.Event()
        self.under_way: dict[str, asyncio.Task[None]] = {}
        self.ended: list[Ended] = []

    @property
    def idle(self) -> bool:
        return not (self.under_way or self.ended or self.news.is_set())

    def start(self, key: str, attempt: asyncio.Task[None]) -> None:
        self.under_way[key] = attempt
        attempt.add_done_callback(lambda _done: self._end(key))

    def _end(self, key: str) -> None:
        del self.under_way[key]
        self.news.set()

    def take_ended(self) -> Sequence[Ended]:
        ended, self.ended = self.ended, []
        return ended


class Delivery:
    """The worker. `base_url` is that of the links in what is sent."""

    def __init__(
        self, core: Core, poster: Poster, base_url: str, bell: Bell, chaos: Chaos = no_chaos
    ) -> None:
        self.core = core
        # Attempts happen at times of their own: what they draw must not shift the ids of calls.
        self._own = dataclasses.replace(core, ids=core.ids.branch("delivery"))
        self._poster = poster
        self._links = Links(base_url)
        self._bell = bell
        self._chaos = chaos
        # Webhooks that wait to be overtaken, by their subscription.
        self._waiting: dict[str, list[Job]] = {}
        self._free = asyncio.Semaphore(AT_ONCE_TO_ALL)
        self._served: dict[str, tuple[_Receiver, asyncio.Task[None]]] = {}
        self._closing = False

    async def run(self) -> None:
        """Deliver until cancelled. What is under way then is finished by `close`."""
        loop = asyncio.get_running_loop()
        look_at = loop.time()
        while True:
            self._serve(await self._bell.wait(look_at - loop.time()))
            if loop.time() < look_at:
                continue
            look_at = loop.time() + LOOK_EVERY_S
            try:
                self._serve(await queue.waiting(self.core))
            except StoreFailed as error:
                _log.warning("looking for webhooks failed", error=str(error))
            except Exception as error:  # noqa: BLE001  # nobody would start us again
                _log.error("looking for webhooks failed", error=type(error).__name__)

    async def drain(self) -> None:
        """Return when everything that is due has been attempted. Raises StoreFailed.

        Who gives up waiting for it stops nothing.
        """
        while (found := await queue.waiting(self.core)) or self._served:
            self._serve(found)
            done, _ = await asyncio.wait([task for _, task in self._served.values()])
            for task in done:
                if not task.cancelled() and isinstance(failed := task.exception(), StoreFailed):
                    raise failed

    async def next_due(self) -> int | None:
        """When the next attempt is due by the clock; None when none is to come."""
        return await queue.next_due(self.core)

    async def close(self) -> None:
        """Claim nothing more, and give what is under way the time that an attempt may take."""
        self._closing = True
        tasks = [task for _, task in self._served.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=DEADLINE_S + LOOK_EVERY_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    # ── one subscription ──────────────────────────────────────────────────────────────────────

    def _serve(self, subscription_ids: Iterable[str]) -> None:
        """See to it that somebody looks after each of these."""
        for subscription_id in subscription_ids:
            if subscription_id in self._served:
                self._served[subscription_id][0].news.set()
                continue
            receiver = _Receiver(subscription_id)
            task = asyncio.create_task(self._attend(receiver))
            self._served[subscription_id] = receiver, task
            task.add_done_callback(partial(self._leave, receiver))

    def _leave(self, receiver: _Receiver, task: asyncio.Task[None]) -> None:
        del self._served[receiver.id]
        for attempt in receiver.under_way.values():
            attempt.cancel()
        error = None if task.cancelled() else task.exception()
        if error is not None:
            name = type(error).__name__
            _log.error("delivery failed", subscription=receiver.id, error=name)
        elif receiver.news.is_set() and not self._closing:
            self._serve([receiver.id])  # it came between the last turn and now

    async def _attend(self, receiver: _Receiver) -> None:
        """Take turns until nothing is left to claim, to wait for or to record."""
        while True:
            receiver.news.clear()
            await self._take_turn(receiver)
            if receiver.idle:
                return
            await receiver.news.wait()

    async def _take_turn(self, receiver: _Receiver) -> None:
        """One transaction for what has ended and what comes next, however many that are."""
        places = await self._take_places(receiver)
        try:
            ended = receiver.take_ended()
            if not places and not ended:
                return
            jobs, paused = await queue.turn(self.core, receiver.id, ended, places)
            if paused:
                _log.warning("paused after too many failures", subscription=receiver.id)
            target = await subscriptions.target(self.core, receiver.id) if jobs else None
            for job in jobs:
                # Not if it was deleted just now, nor what is ours already: the clock may have been
                # moved on past the lease.
                if target is not None and job.key not in receiver.under_way:
                    # Asked here, one after the other: what a seed draws must not depend on tasks.
                    deed = None if job.retry_id else self._chaos(job.webhook)
                    attempt = asyncio.create_task(self._attempt(receiver, target, job, deed))
                    attempt.add_done_callback(lambda _done: self._free.release())
                    receiver.start(job.key, attempt)
                    places -= 1
        finally:
            for _ in range(places):
                self._free.release()

    async def _take_places(self, receiver: _Receiver) -> int:
        """Places in AT_ONCE_TO_ALL, as many as there is room for.

        Waits for one, in the order of asking, unless there is something else to do meanwhile.
        """
        room = AT_ONCE_TO_ONE - len(receiver.under_way)
        if self._closing:
            return 0
        places = 0
        while places < room:
            if self._free.locked() and (places or receiver.under_way or receiver.ended):
                break
            await self._free.acquire()
            places += 1
        return places

    async def _attempt(
        self, receiver: _Receiver, target: Target, job: Job, deed: Deed | None
    ) -> None:
        """No transaction is open while the receiver is asked."""
        try:
            if deed is not None and (deed.lost or deed.put_off_ms):
                await self._keep_back(job, deed)
                return
            message = await compose(self.core, self._links, target, job)
            if deed is None:
                ended = [await self._send(target, job, message)]
            else:
                copies = range(deed.copies)
                ended = await asyncio.gather(
                    *(self._send(target, job, message, deed) for _ in copies)
                )
            receiver.ended.extend(ended)  # the list as it is now, not as it was before the wait
            for waiting in self._waiting.pop(receiver.id, ()):
                await queue.put_off(self.core, waiting, self.core.clock.now_ms())
        except Exception as error:  # noqa: BLE001  # one bad webhook must not stop the others
            _log.error("an attempt failed", webhook=job.webhook.id, error=type(error).__name__)

    async def _send(
        self, target: Target, job: Job, message: Message, deed: Deed | None = None
    ) -> Ended:
        started_at = self.core.clock.now_ms()
        failure = deed.failure if deed else None
        if failure is not None and not (deed and deed.is_sent):
            return Ended(job, kept(self._own, target, job, message, started_at, failure))
        got: Answer | Why
        try:
            got = await self._poster.post(target.url, message.headers, message.body)
        except NoAnswer as error:
            got = error.why
        return Ended(job, kept(self._own, target, job, message, started_at, failure or got))

    async def _keep_back(self, job: Job, deed: Deed) -> None:
        if deed.lost:
            await queue.lose(self.core, job)
            return
        await queue.put_off(self.core, job, self.core.clock.now_ms() + deed.put_off_ms)
        if deed.overtaken:
            self._waiting.setdefault(job.webhook.subscription_id, []).append(job)
