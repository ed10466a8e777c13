"""Does: rounds, pacing, confirmation; APScheduler starts them."""
