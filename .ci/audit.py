"""Look up pinned packages in PyPI's index of known faults; print a note where it cannot be reached."""

import json
import subprocess
import sys

COMMAND = ("-m", "pip_audit", "--disable-pip", "--progress-spinner", "off", "--format", "json", "--requirement")


def main() -> None:
    """Exit with 1 if a package in one of the files has a known fault."""
    found = [has_faults(path) for path in sys.argv[1:]]
    sys.exit(any(found))


def has_faults(path: str) -> bool:
    """Print the known faults of the packages that a file pins; False also if they could not be looked up."""
    done = subprocess.run([sys.executable, *COMMAND, path], capture_output=True, text=True)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        print(f"note: the packages of {path} were not checked: {done.stderr.strip()[-300:]}")
        return False
    checked = [package for package in packages if "vulns" in package]
    faults = [(package, fault) for package in checked for fault in package["vulns"]]
    for package, fault in faults:
        fixed = ", ".join(fault["fix_versions"]) or "no version yet"
        print(f"{path}: {package['name']} {package['version']}: {fault['id']}; fixed in {fixed}")
    print(f"{path}: {len(checked)} of {len(packages)} packages checked, {len(faults)} known faults")
    if not checked:
        print("note: no index of known faults can be reached here")
    return bool(faults)


if __name__ == "__main__":
    main()
