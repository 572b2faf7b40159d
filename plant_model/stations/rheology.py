"""What water, fat and fineness make of the mass in a conche: how it dries, and how thick it gets."""

from __future__ import annotations

import math
from collections.abc import Sequence

from plant_model.equipment import ConchingSpec
from plant_model.spec import PlantSpec
from plant_model.state import Lot
from plant_model.stations.dosing import fat_percent, usual_batch

LEAN = 0.12
"""Logarithm of the viscosity for each % of fat less than the recipe has, EST."""
FINE = 0.03
"""… for each um that the mass is finer than behind new rolls, EST."""
WET = LEAN / 0.3
"""… for each % of water more than usual: 0.3 % of water left is made up for by 1 % of fat, general knowledge."""


class Usual:
    """What a conche usually gets and makes, by product."""

    def __init__(self, spec: PlantSpec) -> None:
        self._conching = spec.stations.Conching
        self._um = spec.stations.Mixing.d90_fresh_um
        self._fat = {name: fat_percent(product.recipe) for name, product in spec.products.items()}
        self._water = {name: usual_batch(spec, name).moisture for name in spec.products}
        self._final = {name: self.final_moisture(name, ()) for name in spec.products}

    def hours(self, product: str, batches: Sequence[Lot]) -> float:
        """Hours that a load conches: the recipe's, which its aroma takes, and on until it is as dry as the target."""
        conching, end = self._conching, self._conching.moisture_equilibrium_percent
        wet, dry = self._start(product, batches) - end, conching.moisture_target_percent - end
        drying = conching.moisture_tau_h[product] * math.log(wet / dry) if wet > dry else 0.0
        return max(conching.hours[product], drying)

    def moisture(self, product: str, batches: Sequence[Lot], hours: float) -> float:
        """Water in % of the batches of a load after some hours of conching."""
        end = self._conching.moisture_equilibrium_percent
        return end + (self._start(product, batches) - end) * left(self._conching, product, hours)

    def final_moisture(self, product: str, batches: Sequence[Lot]) -> float:
        """Water in % when a load is done."""
        return self.moisture(product, batches, self.hours(product, batches))

    def thickness(self, product: str, batches: Sequence[Lot]) -> float:
        """Viscosity of a load when it is done, by that of a usual one; 1 for an empty conche."""
        if not batches:
            return 1.0
        wet = self.final_moisture(product, batches) - self._final[product]
        lean = self._fat[product] - sum([fat_percent(lot.mix) for lot in batches]) / len(batches)
        fine = self._um - sum([lot.fineness for lot in batches]) / len(batches)
        return math.exp(WET * wet + LEAN * lean + FINE * fine)

    def _start(self, product: str, batches: Sequence[Lot]) -> float:
        """Water in % of a load at first: the usual, and what its batches came wetter by."""
        start = self._conching.moisture_start_percent
        if not batches:
            return start
        return start + sum([lot.moisture for lot in batches]) / len(batches) - self._water[product]


def left(conching: ConchingSpec, product: str, hours: float) -> float:
    """Share of the water beyond equilibrium that some hours of conching leave."""
    return math.exp(-hours / conching.moisture_tau_h[product])


def usual_mass(spec: PlantSpec, product: str, number: str, mass: float) -> Lot:
    """Mass as plans are made with: of usual batches, refined by new rolls, conched for its hours."""
    water, fineness = Usual(spec).final_moisture(product, ()), spec.stations.Mixing.d90_fresh_um
    return Lot(number, product, mass, 0.0, water, fineness=fineness, thickness=1.0)
