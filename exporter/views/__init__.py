"""Results as documents: what JSON, pages, text and Markdown render."""
