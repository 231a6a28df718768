"""RTL Lab's core: sparse tickets over one network, without any screen. See docs/architecture.md."""

__version__ = "0.1.0"
