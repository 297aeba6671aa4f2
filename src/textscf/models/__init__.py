"""Registration networks: a backbone, a displacement head and integration."""

from textscf.models.network import RegistrationNetwork, build_network

__all__ = ["RegistrationNetwork", "build_network"]
