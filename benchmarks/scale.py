"""How much is run."""

from __future__ import annotations

from dataclasses import dataclass, replace

#: Orders that a long past may hold.
SIZES = (10_000, 100_000, 1_000_000)


@dataclass(frozen=True)
class Scale:
    """``quick`` shows that everything runs; its times mean little."""

    #: Pairs of requests, of checkouts, of sweeps, of idle sweeps, of looks at a list.
    requests: int = 100
    checkouts: int = 100
    sweeps: int = 5
    idle: int = 100
    looks: int = 15
    #: Due runs swept at a time, and the size that is swept again among ever more orders.
    due: tuple[int, ...] = (1, 100, 500)
    due_among: int = 1000
    #: Orders that are there already.
    orders: tuple[int, ...] = SIZES
    mails: tuple[int, ...] = (1, 100, 1000)
    posted: int = 1000
    decisions: int = 100_000
    dry_run: int = 500
    #: Orders whose rows are weighed.
    weighed: int = 20_000
    exported: int = 1000
    #: The hot coupon.
    places: int = 100
    attempts: int = 400
    threads: int = 16
    races: int = 3

    def up_to(self, most: int) -> Scale:
        """The same with no longer past than so many orders; at least one, and that one exactly."""
        return replace(self, orders=(*(size for size in self.orders if size < most), most))


QUICK = Scale(
    requests=3, checkouts=3, sweeps=1, idle=3, looks=1, due=(1, 20), due_among=20, orders=(100, 500), mails=(1, 10),
    posted=10, decisions=1000, dry_run=20, weighed=1000, exported=50, places=10, attempts=40, threads=4, races=1,
)  # fmt: skip
