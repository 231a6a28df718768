"""What tickets answer where an answer is no class: side by side, and one of them from near."""
