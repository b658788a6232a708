"""When a request is sent again: seldom enough for the daemon, and never where it might be done twice."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from streamlearner.client.errors import NoDaemon, Refused

PASSING = (429, 502, 503, 504)
"""Answers that another moment may change; 502 and 504 are of proxies."""


@dataclass(frozen=True, slots=True)
class Retries:
    """At most `attempts` more, and `longest_s` of waiting in all. Before each one as long as the daemon's
    Retry-After says and up to a quarter more; without one between nothing and `first_s` doubled each time,
    at most `most_s`: clients that failed together do not come back together.

    Only what may be repeated is sent again (predictions, labels, pushes whose examples all have ids, erasures
    by id, all that is only read), after 429, 502, 503, 504 or a connection that broke. Anything else is sent
    again only where no connection was made: then it cannot have been done.
    """

    attempts: int = 4
    longest_s: float = 30.0
    first_s: float = 0.25
    most_s: float = 8.0
    rng: random.Random = field(default_factory=random.Random, repr=False, compare=False)

    def wait_s(
        self, error: Refused | NoDaemon, *, repeatable: bool, attempt: int, waited_s: float
    ) -> float | None:
        """How long to wait before sending again after `error`; None: it is final. `attempt` counts from 0."""
        if attempt >= self.attempts or not self._may_help(error, repeatable=repeatable):
            return None
        advice_s = error.retry_after_s if isinstance(error, Refused) else None
        if advice_s is None:
            wait_s = self.rng.uniform(0.0, min(self.most_s, self.first_s * 2.0**attempt))
        else:
            wait_s = advice_s * self.rng.uniform(1.0, 1.25)
        return wait_s if waited_s + wait_s <= self.longest_s else None

    def _may_help(self, error: Refused | NoDaemon, *, repeatable: bool) -> bool:
        if isinstance(error, NoDaemon):
            return repeatable or not error.was_sent
        return repeatable and error.status in PASSING


NO_RETRIES = Retries(attempts=0)
