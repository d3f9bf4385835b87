"""In the wheel, the modules of `taskyard.cdk` under the name by which the local system imports them. The CDK itself is
not imported: the local system needs the build only."""

from importlib.util import find_spec

_construct = find_spec("taskyard.cdk")
if _construct is None or _construct.submodule_search_locations is None:
    raise ModuleNotFoundError("taskyard.cdk is missing: the installation of taskyard is not complete", name=__name__)
__path__ = list(_construct.submodule_search_locations)
