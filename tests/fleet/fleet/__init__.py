"""Real processes in two languages that share one company's rate limits, and what they share them through."""
