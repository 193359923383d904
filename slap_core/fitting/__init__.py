"""Fit to this clip: networks trained in seconds on nothing but the clip that they are to explain."""

from slap_core.fitting.potential import FitRecord, fit_potential, fit_potential_steps
from slap_core.fitting.slots import fit_slots, fit_slots_steps

__all__ = ["FitRecord", "fit_potential", "fit_potential_steps", "fit_slots", "fit_slots_steps"]
