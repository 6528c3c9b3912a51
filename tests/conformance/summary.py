"""Puts the reports of the conformance kit side by side, as Markdown.

usage: summary.py DIRECTORY NAME..., where DIRECTORY has a NAME.xml for each
"""

import pathlib
import sys
import xml.etree.ElementTree as ElementTree

VERDICTS = {"failure": "**fail**", "system-out": "warning", "skipped": "n/a"}

directory, names = pathlib.Path(sys.argv[1]), sys.argv[2:]
reports = [ElementTree.parse(directory / f"{name}.xml").getroot().findall("testcase") for name in names]

print("""# Conformance

What the conformance kit for resource servers says about the API of this repository and about the three examples: the
same rows for each, in the words of the attack catalogue. `tests/conformance/run` writes this page and the reports anew.

A row **fails** when it is not safe or breaks a standard. A *warning* is a recommendation that is not followed, such as
refusing JSON with repeated members, which the parser of JavaScript does not even notice. The reports name each of them.
""")
print("| row | what | " + " | ".join(f"[{name}]({name}.html)" for name in names) + " |")
print("|---|---|" + "---|" * len(names))
for cases in zip(*reports, strict=True):
    found = [next((VERDICTS[child.tag] for child in case if child.tag in VERDICTS), "pass") for case in cases]
    print(f"| {cases[0].get('classname')} | {cases[0].get('name')} | " + " | ".join(found) + " |")
print("""
To try it on an API of your own, start the API so that it trusts the issuer `http://127.0.0.1:9000`, and say which path
to ask and which scope that takes:

```sh
cargo run -p tests --bin resource-conformance -- http://localhost:8082 --audience https://orders.example \\
  --get /orders --scope documents:read --role-path /admin/orders --html report.html --junit report.xml
```

`--help` has the rest: other names for the issuer, more leeway, no status lists. The exit code is 0 if no row failed.""")
