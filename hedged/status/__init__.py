"""What the daemon tells of itself to people and programs: the status document, and the page that shows it."""
