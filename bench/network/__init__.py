"""A bad network on one machine: two network namespaces and a link between them that loses, delays and repeats.

`Link` is what figures and tests use; `crossing` is the process that carries its packets.
"""

from bench.network.link import NETWORK, NO_UDP, ONLY_TLS, Conditions, Counts, Link, Side

__all__ = ["NETWORK", "NO_UDP", "ONLY_TLS", "Conditions", "Counts", "Link", "Side"]
