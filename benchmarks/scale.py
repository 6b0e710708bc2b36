"""How much is run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """``quick`` shows that everything runs; its times mean little."""

    #: Pairs of requests, of checkouts, of sweeps, of idle sweeps.
    requests: int = 100
    checkouts: int = 100
    sweeps: int = 5
    idle: int = 100
    #: Due runs swept at a time, and the size that is swept again among ever more orders.
    due: tuple[int, ...] = (1, 100, 500, 1000)
    due_among: int = 500
    #: Orders that are there already.
    orders: tuple[int, ...] = (10_000, 100_000)
    mails: tuple[int, ...] = (1, 100)
    #: The hot coupon.
    places: int = 100
    attempts: int = 400
    threads: int = 16
    races: int = 3


QUICK = Scale(
    requests=3, checkouts=3, sweeps=1, idle=3, due=(1, 20), due_among=20, orders=(100, 1000), mails=(1, 10),
    places=10, attempts=40, threads=4, races=1,
)  # fmt: skip
