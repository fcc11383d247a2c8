"""One room: its queue read and written, its commits wished, planned, made and judged, what happens when one fails."""
