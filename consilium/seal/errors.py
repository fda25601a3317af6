"""What the seal refuses, and how it says so.

SealError
├── SignatureRefused   a signature, certificate or revocation list did not pass a check
├── RequestRefused     the authority will not certify this request
├── PackageRefused     a package cannot be read safely or is not the one that was written
└── AuthoritySilent    an authority outside (timestamps, revocation) gave no usable answer now: ask again later

``code`` is stable API; ``message(lang)`` is the sentence for a person, from `reasons.py`.
"""

from consilium.seal.reasons import sentence

__all__ = ["AuthoritySilent", "PackageRefused", "RequestRefused", "SealError", "SignatureRefused"]


class SealError(Exception):
    """Root of the tree: a stable code and the facts its sentence needs."""

    def __init__(self, code: str, **params: object) -> None:
        self.code = code
        self.params = params
        super().__init__(code)

    def __str__(self) -> str:
        """Put together only for who asks: a search through answers and chains refuses thousands unseen."""
        return f"{self.code}: {sentence(self.code, 'en', self.params)}"

    @property
    def message_key(self) -> str:
        """Catalogue key of the sentence, for edges that translate themselves."""
        return f"seal.{self.code.lower()}"

    def message(self, lang: str = "ru") -> str:
        """The sentence for a person, in ``ru`` or ``en``."""
        return sentence(self.code, lang, self.params)


class SignatureRefused(SealError):
    """The signature does not count, and why."""


class RequestRefused(SealError):
    """The certificate request is refused, and why."""


class PackageRefused(SealError):
    """The package cannot be trusted as a container, and why."""


class AuthoritySilent(SealError):
    """No usable answer from an authority outside, and why; nothing was refused, asking again may help."""
