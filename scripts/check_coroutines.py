#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reports co_await statements that g++ 12 compiles wrongly: braced temporaries and capturing lambdas in them are
destroyed twice, and of a conditional among the arguments of what is awaited both sides are evaluated. Without arguments looks at all sources; ends with 1 if something is found."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
TEXT = re.compile(r'//[^\n]*|/\*.*?\*/|R"\((.*?)\)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(text):
    return TEXT.sub(lambda m: re.sub(r'[^\n]', ' ', m.group()), text)


def statements(text):
    """Yields (offset, statement) for each co_await, from the start of its statement to the end."""
    for match in re.finditer(r'\bco_await\b', text):
        depth, end = 0, match.end()
        while end < len(text):
            char = text[end]
            if char in '({[':
                depth += 1
            elif char in ')}]':
                depth -= 1
                if depth < 0:
                    break
            elif char == ';' and depth == 0:
                break
            end += 1
        depth, start = 0, match.start() - 1
        while start >= 0:
            char = text[start]
            if char in ')}]':
                depth += 1
            elif char in '({[':
                # A brace after these opens a block; after a name or comma it opens an initialiser.
                if char == '{' and depth <= 0 and (
                        depth == 0 or re.search(r'([)>;{}]|\b(else|do|try|noexcept|const|override))\s*$', text[:start])):
                    break
                depth -= 1
            elif char == ';' and depth <= 0:
                break
            start -= 1
            if depth == 1 and char == '}' and re.match(r'}\s*(\w|co_|$)', text[start + 1:]):
                break
        yield match.start(), text[start + 1:end]


def inside_parentheses(text, start):
    """The arguments of the call that is awaited."""
    depth, out = 0, []
    for char in text[start:]:
        if char in '({[':
            depth += 1
        elif char in ')}]':
            depth -= 1
            if depth < 0:
                break
        elif char == ';' and depth == 0:
            break
        if depth > 0:
            out.append(char)
    return ''.join(out)


paths = [pathlib.Path(p) for p in sys.argv[1:]] or sorted(
    p for folder in ('src', 'include', 'tests') for p in (root / folder).rglob('*.?pp'))
bad = 0
for path in paths:
    text = blank(path.read_text(errors='replace'))
    for at, statement in statements(text):
        brace = re.search(r'[\w>(,=]\s*\{', statement)
        capture = re.search(r'\[[^\]\s][^\]]*\]\s*(\(|\{)', statement) and re.search(r'[(,=]\s*\[[^\]\s]', statement)
        conditional = '?' in inside_parentheses(text[at:], len('co_await'))
        if brace or capture or conditional:
            bad += 1
            kind = 'braced temporary' if brace else 'capturing lambda' if capture else 'conditional argument'
            print(f'{path}:{text.count(chr(10), 0, at) + 1}: {kind} in a co_await statement')
sys.exit(bool(bad))
