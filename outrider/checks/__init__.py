"""Third-party software, read: one folder for each product."""
