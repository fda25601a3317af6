"""GOST R 34.10-2012 verification by school arithmetic: slow, and of another make than the engine it is held against.

Curves: RFC 4357 11.4, RFC 7836 A; the test curve is of RFC 7091 7.1. A digest is a number as the standard has it:
the last octet of what CMS writes is the most significant.
"""

from dataclasses import dataclass

Point = tuple[int, int] | None


@dataclass(frozen=True)
class Curve:
    p: int
    a: int
    b: int
    q: int
    x: int
    y: int

    def add(self, one: Point, two: Point) -> Point:
        if one is None or two is None:
            return one or two
        (x1, y1), (x2, y2) = one, two
        if x1 == x2 and (y1 + y2) % self.p == 0:
            return None
        if one == two:
            slope = (3 * x1 * x1 + self.a) * pow(2 * y1, -1, self.p)
        else:
            slope = (y2 - y1) * pow(x2 - x1, -1, self.p)
        x3 = (slope * slope - x1 - x2) % self.p
        return x3, (slope * (x1 - x3) - y1) % self.p

    def times(self, factor: int, point: Point) -> Point:
        result: Point = None
        while factor:
            if factor & 1:
                result = self.add(result, point)
            point, factor = self.add(point, point), factor >> 1
        return result

    def has(self, point: Point) -> bool:
        return (
            point is not None and (point[1] ** 2 - point[0] ** 3 - self.a * point[0] - self.b) % self.p == 0
        )


def verified(curve: Curve, public: tuple[int, int], digest: bytes, signature: bytes) -> bool:
    """RFC 7091 6.2; the signature is s || r."""
    half = len(signature) // 2
    s, r = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    if (
        len(signature) != 2 * len(digest)
        or not 0 < r < curve.q
        or not 0 < s < curve.q
        or not curve.has(public)
    ):
        return False
    e = int.from_bytes(digest, "little") % curve.q or 1
    v = pow(e, -1, curve.q)
    found = curve.add(curve.times(s * v % curve.q, (curve.x, curve.y)), curve.times(-r * v % curve.q, public))
    return found is not None and found[0] % curve.q == r


def point_of(spki: bytes, bits: int) -> tuple[int, int]:
    """The point of a SubjectPublicKeyInfo: its last octets, x then y, each little-endian (RFC 9215 4.3)."""
    size = bits // 8
    return int.from_bytes(spki[-2 * size : -size], "little"), int.from_bytes(spki[-size:], "little")


P256A = int("f" * 61 + "d97", 16)
P512A = int("f" * 125 + "dc7", 16)
CRYPTO_PRO_A = Curve(
    P256A,
    P256A - 3,
    0xA6,
    int("ffffffffffffffffffffffffffffffff6c611070995ad10045841b09b761b893", 16),
    1,
    int("8d91e471e0989cda27df505a453f2b7635294f2ddf23e3b122acc99c9e9f1e14", 16),
)
CRYPTO_PRO_B = Curve(
    int("8000000000000000000000000000000000000000000000000000000000000c99", 16),
    int("8000000000000000000000000000000000000000000000000000000000000c96", 16),
    int("3e1af419a269a5f866a7d3c25c3df80ae979259373ff2b182f49d4ce7e1bbc8b", 16),
    int("800000000000000000000000000000015f700cfff1a624e5e497161bcc8a198f", 16),
    1,
    int("3fa8124359f96680b83d1c3eb2c070e5c545c9858d03ecfb744bf8d717717efc", 16),
)
CRYPTO_PRO_C = Curve(
    int("9b9f605f5a858107ab1ec85e6b41c8aacf846e86789051d37998f7b9022d759b", 16),
    int("9b9f605f5a858107ab1ec85e6b41c8aacf846e86789051d37998f7b9022d7598", 16),
    0x805A,
    int("9b9f605f5a858107ab1ec85e6b41c8aa582ca3511eddfb74f02f3a6598980bb9", 16),
    0,
    int("41ece55743711a8c3cbf3783cd08c0ee4d4dc440d4641a8f366e550dfdb3bb67", 16),
)
TC26_256_A = Curve(
    P256A,
    int("c2173f1513981673af4892c23035a27ce25e2013bf95aa33b22c656f277e7335", 16),
    int("295f9bae7428ed9ccc20e7c359a9d41a22fccd9108e17bf7ba9337a6f8ae9513", 16),
    int("400000000000000000000000000000000fd8cddfc87b6635c115af556c360c67", 16),
    int("91e38443a5e82c0d880923425712b2bb658b9196932e02c78b2582fe742daa28", 16),
    int("32879423ab1a0375895786c4bb46e9565fde0b5344766740af268adb32322e5c", 16),
)
TC26_512_A = Curve(
    P512A,
    P512A - 3,
    int(
        "e8c2505dedfc86ddc1bd0b2b6667f1da34b82574761cb0e879bd081cfd0b6265"
        "ee3cb090f30d27614cb4574010da90dd862ef9d4ebee4761503190785a71c760",
        16,
    ),
    int("f" * 64 + "27e69532f48d89116ff22b8d4e0560609b4b38abfad2b85dcacdb1411f10b275", 16),
    3,
    int(
        "7503cfe87a836ae3a61b8816e25450e6ce5e1c93acf1abc1778064fdcbefa921"
        "df1626be4fd036e93d75e6a50e3a41e98028fe5fc235f5b889a589cb5215f2a4",
        16,
    ),
)
TC26_512_B = Curve(
    int("8" + "0" * 125 + "6f", 16),
    int("8" + "0" * 125 + "6c", 16),
    int(
        "687d1b459dc841457e3e06cf6f5e2517b97c7d614af138bcbf85dc806c4b289f"
        "3e965d2db1416d217f8b276fad1ab69c50f78bee1fa3106efb8ccbc7c5140116",
        16,
    ),
    int("8" + "0" * 62 + "149a1ec142565a545acfdb77bd9d40cfa8b996712101bea0ec6346c54374f25bd", 16),
    2,
    int(
        "1a8f7eda389b094c2c071e3647a8940f3c123b697578c213be6dd9e6c8ec7335"
        "dcb228fd1edf4a39152cbcaaf8c0398828041055f94ceeec7e21340780fe41bd",
        16,
    ),
)
TC26_512_C = Curve(
    P512A,
    int(
        "dc9203e514a721875485a529d2c722fb187bc8980eb866644de41c68e1430645"
        "46e861c0e2c9edd92ade71f46fcf50ff2ad97f951fda9f2a2eb6546f39689bd3",
        16,
    ),
    int(
        "b4c4ee28cebc6c2c8ac12952cf37f16ac7efb6a9f69f4b57ffda2e4f0de5ade0"
        "38cbc2fff719d2c18de0284b8bfef3b52b8cc7a5f5bf0a3c8d2319a5312557e1",
        16,
    ),
    int("3" + "f" * 63 + "c98cdba46506ab004c33a9ff5147502cc8eda9e7a769a12694623cef47f023ed", 16),
    int(
        "e2e31edfc23de7bdebe241ce593ef5de2295b7a9cbaef021d385f7074cea043a"
        "a27272a7ae602bf2a7b9033db9ed3610c6fb85487eae97aac5bc7928c1950148",
        16,
    ),
    int(
        "f5ce40d95b5eb899abbccff5911cb8577939804d6527378b8c108c3d2090ff9b"
        "e18e2d33e3021ed2ef32d85822423b6304f726aa854bae07d0396e9a9addc40f",
        16,
    ),
)
EXAMPLE = Curve(
    int("8" + "0" * 60 + "431", 16),
    7,
    int("5fbff498aa938ce739b8e022fbafef40563f6e6a3472fc2a514c0ce9dae23b7e", 16),
    int("8000000000000000000000000000000150fe8a1892976154c59cfc193accf5b3", 16),
    2,
    int("8e2a8a0e65147d4bd6316030e16d19c85c97f0a9ca267122b96abbcea7e8fc8", 16),
)
# Engine's size and letter of the parameter set -> OID, curve.
SETS = {
    (256, "A"): ("1.2.643.2.2.35.1", CRYPTO_PRO_A),
    (256, "B"): ("1.2.643.2.2.35.2", CRYPTO_PRO_B),
    (256, "C"): ("1.2.643.2.2.35.3", CRYPTO_PRO_C),
    (256, "XA"): ("1.2.643.2.2.36.0", CRYPTO_PRO_A),
    (256, "XB"): ("1.2.643.2.2.36.1", CRYPTO_PRO_C),
    (256, "TCA"): ("1.2.643.7.1.2.1.1.1", TC26_256_A),
    (256, "TCB"): ("1.2.643.7.1.2.1.1.2", CRYPTO_PRO_A),
    (256, "TCC"): ("1.2.643.7.1.2.1.1.3", CRYPTO_PRO_B),
    (256, "TCD"): ("1.2.643.7.1.2.1.1.4", CRYPTO_PRO_C),
    (512, "A"): ("1.2.643.7.1.2.1.2.1", TC26_512_A),
    (512, "B"): ("1.2.643.7.1.2.1.2.2", TC26_512_B),
    (512, "C"): ("1.2.643.7.1.2.1.2.3", TC26_512_C),
}
