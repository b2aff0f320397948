"""Displays: what an encoding is, what it holds, what it trades, what a model makes of it.

Each stores its numbers and draws them with ``plot``, as the Displays of scikit-learn do;
its class methods compute the numbers and draw at once. They need matplotlib, which is
imported where something is drawn.
"""

from sk_posenc.plotting.basis_display import BasisDisplay
from sk_posenc.plotting.reconstruction_display import ReconstructionDisplay
from sk_posenc.plotting.spectrum_display import SpectrumDisplay
from sk_posenc.plotting.tradeoff_display import TradeoffDisplay

__all__ = ["BasisDisplay", "ReconstructionDisplay", "SpectrumDisplay", "TradeoffDisplay"]
