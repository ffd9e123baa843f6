#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the includes of every module with the modules that its CMakeLists.txt names.

A module may include its own headers and those of the modules it USES, directly or through them; pure modules include no
Asio, socket or file headers. Prints each violation and ends with 1 if there is one.
"""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
declaration = re.compile(r'baton_module\(\s*(\w+)(.*?)\)', re.S)
impure = re.compile(r'<(boost/asio|boost/beast|sys/socket|netinet|unistd|fstream|thread|mutex|mysql)')

modules = {}
for path in sorted((root / 'src').glob('*/CMakeLists.txt')):
    for name, body in declaration.findall(re.sub(r'#.*', '', path.read_text())):
        words = body.split()
        uses = []
        if 'USES' in words:
            for word in words[words.index('USES') + 1:]:
                if word in ('LINKS', 'SOURCES', 'PCH', 'PURE', 'LAYER'):
                    break
                uses.append(word)
        modules[name] = {'uses': uses, 'pure': 'PURE' in words, 'folder': path.parent}


def reachable(name, seen=None):
    seen = seen if seen is not None else set()
    for used in modules.get(name, {'uses': []})['uses']:
        if used not in seen:
            seen.add(used)
            reachable(used, seen)
    return seen


faults = []
for name, module in modules.items():
    allowed = reachable(name) | {name}
    files = [p for p in module['folder'].rglob('*.?pp')] + [p for p in (root / 'include/baton' / name).rglob('*.hpp')]
    for path in files:
        for number, line in enumerate(path.read_text(errors='replace').splitlines(), 1):
            include = re.match(r'\s*#include\s+"baton/(\w+)/', line)
            if include and include.group(1) not in allowed:
                faults.append(f'{path.relative_to(root)}:{number}: {name} may not include {include.group(1)}')
            # base writes the log and reads nothing; it is the one pure module with a sink behind it.
            if module['pure'] and name != 'base' and (bad := impure.search(line)) and line.lstrip().startswith('#include'):
                faults.append(f'{path.relative_to(root)}:{number}: {name} is pure and may not include {bad.group(0)}...>')
print('\n'.join(faults) if faults else f'{len(modules)} modules keep to their layers')
sys.exit(bool(faults))
