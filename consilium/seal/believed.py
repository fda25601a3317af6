"""What is believed at each layer of a package: the reader's roots, and the evidence gathered by then."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from consilium.seal.layers import evidence_of
from consilium.seal.trust import TrustStore, certificates_from, crl_from

__all__ = ["Stores"]


@dataclass(frozen=True, slots=True)
class Stores:
    """What is believed at each layer: the roots, and the evidence that its timestamp shows to have existed by then."""

    roots: TrustStore | None
    own: tuple[TrustStore, ...]

    @classmethod
    def of(cls, members: Mapping[str, bytes], roots: TrustStore | None, layers: int) -> "Stores":
        """Read the evidence of every layer. Raises SealError for a file that is not what its name says."""
        return cls(roots, tuple(_enclosed(members, upto) for upto in range(max(layers, 1))))

    def trust(self, upto: int, *, outside: bool = False) -> TrustStore:
        """For the evidence up to a layer; ``outside`` adds the lists that came with the roots."""
        own = self.own[min(upto, len(self.own) - 1)]
        if self.roots is None:
            return own
        lists = self.roots.crls if outside else ()
        return TrustStore(self.roots.roots, self.roots.intermediates, lists).joined(own.demoted())

    def known(self) -> TrustStore | None:
        """What was sealed and what the reader's own lists say; None where he has none."""
        return self.trust(0, outside=True) if self.roots is not None and self.roots.crls else None


def _enclosed(members: Mapping[str, bytes], upto: int) -> TrustStore:
    issuers = ("-ca.crt", "-ocsp.crt", "-tsa.crt")
    authorities = [
        der
        for name in evidence_of(members, upto, ".crt")
        if name.endswith(issuers)
        for der in certificates_from(members[name])
    ]
    crls = [crl_from(members[name]) for name in evidence_of(members, upto, ".crl")]
    answers = tuple(members[name] for name in evidence_of(members, upto, ".ors"))
    return replace(TrustStore.sorted_out(authorities, crls), ocsps=answers)
