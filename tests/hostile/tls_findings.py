"""What is weak in a report of sslscan: a line each, and a failure if there is one."""

import sys
from xml.etree import ElementTree

ALLOWED = {"TLSv1.2", "TLSv1.3"}
# Forward secrecy and authenticated encryption; in TLS 1.3 every cipher has both.
STRONG = ("TLS_AES_", "TLS_CHACHA20_", "ECDHE-RSA-AES", "ECDHE-ECDSA-AES", "ECDHE-RSA-CHACHA20", "ECDHE-ECDSA-CHACHA20")
GOOD_GROUPS = {"x25519", "secp256r1 (NIST P-256)", "secp384r1 (NIST P-384)", "secp521r1 (NIST P-521)", "x448"}


def findings(report):
    protocols = {
        f"{'TLS' if item.get('type') == 'tls' else 'SSL'}v{item.get('version')}"
        for item in report.iter("protocol")
        if item.get("enabled") == "1"
    }
    if not protocols:
        yield "no protocol was found at all"
    for protocol in protocols - ALLOWED:
        yield f"{protocol} is spoken"
    for protocol in ALLOWED - protocols:
        yield f"{protocol} is not spoken"
    ciphers = [item.get("cipher") for item in report.iter("cipher")]
    if not ciphers:
        yield "no cipher was found at all"
    for cipher in ciphers:
        if not cipher.startswith(STRONG) or not any(mode in cipher for mode in ("GCM", "CHACHA20")):
            yield f"the cipher {cipher} is accepted"
    for group in report.iter("group"):
        if group.get("name") not in GOOD_GROUPS:
            yield f"the group {group.get('name')} is accepted"
    for item in report.iter("compression"):
        if item.get("supported") == "1":
            yield "compression is on (CRIME)"
    for item in report.iter("renegotiation"):
        if item.get("supported") == "1" and item.get("secure") != "1":
            yield "renegotiation is not secure"
    for item in report.iter("heartbleed"):
        if item.get("vulnerable") == "1":
            yield "Heartbleed"


found = list(findings(ElementTree.parse(sys.argv[1]).getroot()))
for finding in found:
    print(f"           {finding}")
sys.exit(bool(found))
