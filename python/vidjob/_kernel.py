"""The name under which the compiled part imports the interrupt guard."""

from vidjob._notebook.jupyter import install_interrupt_guard as wire_stop_button

__all__ = ["wire_stop_button"]
