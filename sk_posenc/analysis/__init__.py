"""What an encoding holds, what stands in its way, and what to change: a report."""

from sk_posenc.analysis.measure import encoding_report
from sk_posenc.analysis.report import EncodingReport

__all__ = ["EncodingReport", "encoding_report"]
