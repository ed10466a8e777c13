"""The latest results, and the last conclusive ones."""
