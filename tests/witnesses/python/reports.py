"""Reads a report with a parser that others wrote, and says as JSON what it made of it.

reports.py junit|prometheus|markdown|html FILE, reports.py sarif FILE SCHEMA
"""

import json
import sys
from html.parser import HTMLParser


def junit(text):
    from xml.etree import ElementTree

    from junitparser import JUnitXml

    ElementTree.fromstring(text)
    read = JUnitXml.fromstring(text.encode())
    suites = []
    for suite in read:
        cases = []
        for case in suite:
            result = case.result[0] if case.result else None
            cases.append({
                "name": case.name,
                "classname": case.classname,
                "time": case.time,
                "result": type(result).__name__.lower() if result is not None else "passed",
                "type": getattr(result, "type", None),
                "message": getattr(result, "message", None),
                "text": getattr(result, "text", None),
                "file": case._elem.get("file"),
                "line": case._elem.get("line"),
            })
        suites.append({
            "name": suite.name,
            "counts": [suite.tests, suite.failures, suite.errors, suite.skipped],
            "time": suite.time,
            "timestamp": suite.timestamp,
            "cases": cases,
        })
    return {"counts": [read.tests, read.failures, read.errors, read.skipped], "suites": suites}


def prometheus(text):
    from prometheus_client.parser import text_string_to_metric_families

    families = list(text_string_to_metric_families(text))
    return {
        "kinds": {family.name: family.type for family in families},
        "undocumented": [family.name for family in families if not family.documentation],
        "samples": [[sample.name, sample.labels, sample.value] for family in families for sample in family.samples],
    }


def markdown(text):
    from markdown_it import MarkdownIt

    reader = MarkdownIt("gfm-like", {"html": True, "linkify": True})
    kinds, texts, code, rows, cells = {}, [], [], [], 0

    def visit(tokens):
        nonlocal cells
        for token in tokens:
            kinds[token.type] = kinds.get(token.type, 0) + 1
            if token.type == "tr_open":
                cells = 0
            if token.type in ("td_open", "th_open"):
                cells += 1
            if token.type == "tr_close":
                rows.append(cells)
            if token.type == "text":
                texts.append(token.content)
            if token.type in ("code_inline", "fence"):
                code.append(token.content)
            visit(token.children or [])

    visit(reader.parse(text))
    return {"kinds": kinds, "texts": texts, "code": code, "rows": rows, "html": reader.render(text)}


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.links, self.ids, self.policy, self.open = {}, {}, [], [], None, []
        self.texts = []

    VOID = {"meta", "br", "rect", "path"}

    def handle_starttag(self, tag, attrs):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        given = dict(attrs)
        for name, value in attrs:
            self.attributes[name] = self.attributes.get(name, 0) + 1
            if name in ("href", "src"):
                self.links.append(value)
            if name == "id":
                self.ids.append(value)
        if given.get("http-equiv", "").lower() == "content-security-policy":
            self.policy = given["content"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
            self.open.pop()

    def handle_data(self, data):
        self.texts.append(data)


def html(text):
    page = Page()
    page.feed(text)
    page.close()
    return {
        "tags": page.tags,
        "attributes": page.attributes,
        "links": page.links,
        "ids": page.ids,
        "policy": page.policy,
        "unclosed": page.open,
        "text": " ".join(" ".join(page.texts).split()),
    }


def sarif(text, schema):
    import jsonschema

    with open(schema, encoding="utf-8") as file:
        schema = json.load(file)
    kind = jsonschema.validators.validator_for(schema)
    checker = kind(schema, format_checker=kind.FORMAT_CHECKER)
    document = json.loads(text)
    return {
        "title": schema["title"],
        "mistakes": [f"{error.json_path}: {error.message}"[:400] for error in checker.iter_errors(document)],
    }


READERS = {"junit": junit, "prometheus": prometheus, "markdown": markdown, "html": html, "sarif": sarif}

with open(sys.argv[2], encoding="utf-8", newline="") as file:
    TEXT = file.read()
print(json.dumps(READERS[sys.argv[1]](TEXT, *sys.argv[3:])))
