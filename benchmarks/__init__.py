"""What the package costs: query counts first, milliseconds second.

``python -m benchmarks`` makes a throwaway database, counts, times, and drops it. No figure stands alone: each piece of work is
run in turns with a *floor* that lives in this folder, the least that plain Wagtail, Django or SQL could do for the same end.
Levels move with the machine; query counts and ratios hold. Nothing here fails because something was slow.
"""
