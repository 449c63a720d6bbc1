"""A contract for import-linter: of all that is not ours, modules import what is on a list alone.

A list of what is forbidden would miss whatever is installed next. Only direct imports are looked at: what an allowed
package imports in turn is its own affair. Of the standard library everything is allowed unless the contract lists it.
"""

import sys
from typing import Any

import grimp
from importlinter import Contract, ContractCheck, fields, output


class AllowedPackagesContract(Contract):
    """The packages that the source modules may import beside our own; any other breaks the contract."""

    source_modules = fields.ListField(subfield=fields.StringField())
    except_modules = fields.ListField(subfield=fields.StringField(), required=False)
    allowed_packages = fields.SetField(subfield=fields.StringField())
    allowed_standard_library = fields.SetField(subfield=fields.StringField(), required=False)

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        """Return each direct import of a package that is neither ours, nor allowed."""
        ours = {root.partition(".")[0] for root in self.session_options["root_packages"]}
        standard_library = _strings(self.allowed_standard_library) or set(sys.stdlib_module_names)
        allowed = ours | standard_library | _strings(self.allowed_packages)
        excepted = _with_descendants(graph, _strings(self.except_modules))
        broken = [
            (importer, imported)
            for importer in sorted(_with_descendants(graph, _strings(self.source_modules)) - excepted)
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if imported.partition(".")[0] not in allowed
        ]
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print each import that broke the contract."""
        for importer, imported in check.metadata["broken"]:
            output.print_error(f"{importer} is not allowed to import {imported}.")


def _strings(value: Any) -> set[str]:
    return set(value or ())


def _with_descendants(graph: grimp.ImportGraph, modules: set[str]) -> set[str]:
    """Return the modules and all below them.

    :raises ValueError: if one is not there.
    """
    if missing := modules - graph.modules:
        raise ValueError(f"no such modules: {', '.join(sorted(missing))}")
    return modules.union(*(graph.find_descendants(module) for module in modules))
