"""What others say of a package that a journey left: BouncyCastle of everything in it, pyHanko of its timestamps."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms, crl, x509
from pyhanko.sign.validation.generic_cms import validate_tst_signed_data
from pyhanko_certvalidator import ValidationContext

from consilium.seal import TrustStore, gost
from consilium.seal.layers import MANIFEST, MANIFEST_SIGNATURE, MANIFEST_TOKEN, token_of
from consilium.seal.timestamp import covered_by
from consilium.seal.trust import certificates_from, crl_from
from tests.consilium.seal import pyhanko_gost

JARS = ":".join(f"/usr/share/java/{name}.jar" for name in ("bcprov", "bcpkix", "bcutil"))
SOURCE = Path(pyhanko_gost.__file__).with_name("Packages.java")


def evidence(members: Mapping[str, bytes]) -> tuple[TrustStore, datetime]:
    """What a package brings of certificates and lists, and the moment by which all lists had been made."""
    held = [members[name] for name in sorted(members) if name.startswith("evidence/certs/")]
    lists = [crl_from(members[name]) for name in sorted(members) if name.startswith("evidence/crl/")]
    moment = max(crl.CertificateList.load(one)["tbs_cert_list"]["this_update"].native for one in lists)
    return TrustStore.sorted_out([der for one in held for der in certificates_from(one)], lists), moment


def signed(members: Mapping[str, bytes]) -> dict[str, str]:
    """Every signature of a package -> what it covers."""
    personal = {name: "document.xml" for name in members if name.startswith("signatures/")}
    opinions = {
        name: f"{name[:-4]}.xml" for name in members if name.startswith("dissent/") and name.endswith(".sig")
    }
    return personal | opinions | {MANIFEST_SIGNATURE: MANIFEST}


def stamped(members: Mapping[str, bytes]) -> dict[str, str]:
    """Every timestamp of a package -> the signature it is about."""
    tokens = {token_of(name): name for name in signed(members) if name != MANIFEST_SIGNATURE}
    return tokens | {MANIFEST_TOKEN: MANIFEST_SIGNATURE}


def bouncycastle_says(members: Mapping[str, bytes], folder: Path, questions: list[str]) -> dict[str, str]:
    """Question -> "held" or what is wrong; one start of Java for all of them (`Packages.java`)."""
    for name, content in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    moment = str(int(evidence(members)[1].timestamp()))
    done = subprocess.run(
        ["java", "-cp", JARS, str(SOURCE), str(folder), moment],
        input="\n".join(questions) + "\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return dict(zip(questions, done.stdout.splitlines(), strict=True))


def pyhanko_stamps(
    members: Mapping[str, bytes], asked: Mapping[str, str], *, gost_keys: bool
) -> dict[str, tuple[bool, bool, bool]]:
    """Timestamp -> whether pyHanko finds it intact, valid and trusted; GOST keys after `pyhanko_gost.taught`."""
    hooks = {"signature_validator": pyhanko_gost.Engine()} if gost_keys else {}
    return {token: _stamp(members, token, about, hooks) for token, about in asked.items()}


def _stamp(
    members: Mapping[str, bytes], token: str, about: str, hooks: Mapping[str, Any]
) -> tuple[bool, bool, bool]:
    trust, moment = evidence(members)
    covered = covered_by(members[about]) if about.endswith(".sig") else members[about]
    context = ValidationContext(
        trust_roots=[x509.Certificate.load(der) for der in trust.roots],
        other_certs=[x509.Certificate.load(der) for der in trust.intermediates],
        crls=[crl.CertificateList.load(der) for der in trust.crls],
        moment=moment,
        revocation_mode="require",
        **hooks,
    )
    content = cms.ContentInfo.load(members[token])["content"]
    judgement = validate_tst_signed_data(content, context, lambda name: _hashed(name, covered))
    with pytest.raises(StopIteration) as ended:
        judgement.send(None)
    found = ended.value.value
    return found["intact"], found["valid"], found["validation_path"] is not None


def _hashed(name: str, covered: bytes) -> bytes:
    return gost.digest(name, covered) if name.startswith("streebog") else hashlib.new(name, covered).digest()
